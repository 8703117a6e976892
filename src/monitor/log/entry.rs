//! One entry of a log, as it is read.

use std::borrow::Cow;

use jiff::Timestamp;

/// A line of output, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    line: Vec<u8>,
    /// The time is at the line's beginning, so long.
    time: usize,
    /// The text begins there.
    text: usize,
    /// It came from standard error.
    pub errors: bool,
    /// The line ends here; else it goes on with the next entry of the same stream.
    pub complete: bool,
}

impl Entry {
    /// An entry of the k8s-file format, without its newline; `None` for what is none.
    pub fn parse(line: Vec<u8>) -> Option<Self> {
        let text =
            std::str::from_utf8(line.get(..line.len().min(64))?).or_else(|error| std::str::from_utf8(&line[..error.valid_up_to()])).ok()?;
        let (time, rest) = text.split_once(' ')?;
        let errors = match rest.get(..7)? {
            "stdout " => false,
            "stderr " => true,
            _ => return None,
        };
        let (tag, gap) = (rest.as_bytes().get(7)?, rest.as_bytes().get(8).copied().unwrap_or(b' '));
        let complete = match tag {
            b'F' => true,
            b'P' => false,
            _ => return None,
        };
        let start = (time.len() + 10).min(line.len());
        (gap == b' ').then_some(Self { time: time.len(), text: start, errors, complete, line })
    }

    /// An entry put together from its parts.
    pub fn new(time: &str, errors: bool, complete: bool, text: &[u8]) -> Self {
        Self { line: [time.as_bytes(), text].concat(), time: time.len(), text: time.len(), errors, complete }
    }

    /// The bytes of output, without the newline of a complete line.
    pub fn text(&self) -> &[u8] {
        &self.line[self.text..]
    }

    /// Its time as written, with `Z` for a zone without offset.
    pub fn time(&self) -> Cow<'_, str> {
        let time = String::from_utf8_lossy(&self.line[..self.time]);
        match time.strip_suffix("+00:00") {
            Some(plain) => Cow::Owned(format!("{plain}Z")),
            None => time,
        }
    }

    /// Its time as a moment; the beginning of time where it is unreadable.
    pub fn moment(&self) -> Timestamp {
        String::from_utf8_lossy(&self.line[..self.time]).parse().unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_tells_time_stream_and_text() {
        let entry = Entry::parse(b"2026-11-21T09:56:31.710327871+00:00 stdout F hello \xff world".to_vec()).unwrap();
        assert_eq!((entry.errors, entry.complete, entry.text()), (false, true, &b"hello \xff world"[..]));
        assert_eq!(entry.time(), "2026-11-21T09:56:31.710327871Z");
        let entry = Entry::parse(b"2026-11-21T04:57:42.951820325-05:00 stderr P  x".to_vec()).unwrap();
        assert_eq!((entry.errors, entry.complete, entry.text()), (true, false, &b" x"[..]));
        assert_eq!(entry.time(), "2026-11-21T04:57:42.951820325-05:00");
        assert_eq!(entry.moment(), "2026-11-21T09:57:42.951820325Z".parse::<Timestamp>().unwrap());
        assert_eq!(Entry::parse(b"2026-11-21T04:57:42.951820325-05:00 stderr F ".to_vec()).unwrap().text(), b"");
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_fail_badly(line in proptest::collection::vec(any::<u8>(), 0..80), tag in "[FPX ]{0,3}") {
            let _ = Entry::parse(line.clone());
            let framed = [b"2026-11-21T04:57:42Z stdout ".to_vec(), tag.into_bytes(), line].concat();
            let _ = Entry::parse(framed).map(|entry| entry.text().len());
        }
    }
}
