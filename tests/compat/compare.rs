//! What two engines' runs of a case have in common once what must differ (IDs, times, paths) is taken out.

use std::path::Path;

use crate::case::Case;
use crate::env::Run;

/// What is compared of a run.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    code: i32,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Outcome {
    /// What `case` wants compared of a run in the directory `root`.
    pub fn of(case: &Case, run: &Run, root: &Path) -> Self {
        let root = root.to_str().unwrap_or_default();
        let lines = |text: &str| -> Vec<String> {
            let mut lines: Vec<String> = text.lines().map(|line| normal(&line.replace(root, "<root>"))).collect();
            if case.words {
                lines.iter_mut().for_each(|line| *line = line.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            if case.sort {
                lines.sort();
            }
            lines
        };
        Self {
            code: run.code,
            stdout: if case.status_only { Vec::new() } else { lines(&run.stdout) },
            stderr: if case.stderr { lines(&run.stderr) } else { Vec::new() },
        }
    }

    /// The differences, `-` as `self` has it and `+` as `other` has it; empty where there is none.
    pub fn difference(&self, other: &Self) -> String {
        let mut text = String::new();
        if self.code != other.code {
            text += &format!("- status {}\n+ status {}\n", self.code, other.code);
        }
        for (what, own, others) in [("stdout", &self.stdout, &other.stdout), ("stderr", &self.stderr, &other.stderr)] {
            if own != others {
                text += &format!("{what}:\n");
                text.extend(own.iter().filter(|line| !others.contains(line)).map(|line| format!("- {line}\n")));
                text.extend(others.iter().filter(|line| !own.contains(line)).map(|line| format!("+ {line}\n")));
                if own.len() == others.len() && own.iter().all(|line| others.contains(line)) {
                    text += "the same lines in another order\n";
                }
            }
        }
        text
    }
}

/// Replaces IDs and points in time.
pub fn normal(line: &str) -> String {
    let mut result = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        // Word by word: an ID is a whole word.
        let word = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len())];
        let hex = word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if matches!(word.len(), 12 | 64) && hex && word.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            result += "<id>";
            rest = &rest[word.len()..];
        } else if let Some(length) = time(rest) {
            result += "<time>";
            rest = &rest[length..];
        } else if let Some(length) = ago(rest) {
            result += "<ago>";
            rest = &rest[length..];
        } else {
            let length = if word.is_empty() { first.len_utf8() } else { word.len() };
            result += &rest[..length];
            rest = &rest[length..];
        }
    }
    result
}

/// The length of a point in time that `text` starts with: `2026-11-21T10:00:00.123456789Z`, `2026-11-21 10:00:00 +0000 UTC`.
fn time(text: &str) -> Option<usize> {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let bytes = text.as_bytes();
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b' '),
        other => byte == other,
    };
    if bytes.len() < SHAPE.len() || !bytes.iter().zip(SHAPE).all(fits) {
        return None;
    }
    let tail = |byte: u8| byte.is_ascii_digit() || b".:+-Z".contains(&byte);
    let mut end = SHAPE.len();
    end += bytes[end..].iter().take_while(|byte| tail(**byte)).count();
    for zone in [" +0000 UTC", " UTC"] {
        if text[end..].starts_with(zone) {
            end += zone.len();
            break;
        }
    }
    Some(end)
}

/// The length of an age that `text` starts with: `2 seconds ago`, `Less than a second`, `About a minute ago`.
fn ago(text: &str) -> Option<usize> {
    let mut end = 0;
    let mut found = false;
    if text.starts_with("Less than a second") {
        (end, found) = ("Less than a second".len(), true);
    } else {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let rest = text.get(digits..).filter(|_| digits > 0)?.strip_prefix(' ')?;
        for unit in ["seconds", "second", "minutes", "minute", "hours", "hour", "days", "months", "years"] {
            if rest.starts_with(unit) {
                (end, found) = (digits + 1 + unit.len(), true);
                break;
            }
        }
    }
    if !found {
        return None;
    }
    if text[end..].starts_with(" ago") {
        end += " ago".len();
    }
    Some(end)
}
