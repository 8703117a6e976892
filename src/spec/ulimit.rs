//! `--ulimit NAME=SOFT[:HARD]`, the names of Docker and setrlimit(2).

use super::error::{Error, invalid};
use crate::storage::Rlimit;

const NAMES: &[(&str, &str)] = &[
    ("core", "RLIMIT_CORE"),
    ("cpu", "RLIMIT_CPU"),
    ("data", "RLIMIT_DATA"),
    ("fsize", "RLIMIT_FSIZE"),
    ("locks", "RLIMIT_LOCKS"),
    ("memlock", "RLIMIT_MEMLOCK"),
    ("msgqueue", "RLIMIT_MSGQUEUE"),
    ("nice", "RLIMIT_NICE"),
    ("nofile", "RLIMIT_NOFILE"),
    ("nproc", "RLIMIT_NPROC"),
    ("rss", "RLIMIT_RSS"),
    ("rtprio", "RLIMIT_RTPRIO"),
    ("rttime", "RLIMIT_RTTIME"),
    ("sigpending", "RLIMIT_SIGPENDING"),
    ("stack", "RLIMIT_STACK"),
];

/// Parses one value other than `host`.
pub fn parse(text: &str) -> Result<Rlimit, Error> {
    let refuse = |why: String| invalid(format!("ulimit option {text:?} requires name=SOFT:HARD, failed to be parsed: {why}"));
    let Some((name, limits)) = text.split_once('=') else {
        return refuse(format!("invalid ulimit argument: {text}"));
    };
    let lower = name.to_ascii_lowercase();
    let known = lower.strip_prefix("rlimit_").unwrap_or(&lower);
    let Some((_, kind)) = NAMES.iter().find(|(short, _)| *short == known) else {
        return refuse(format!("invalid ulimit type: {name}"));
    };
    let (soft_text, hard_text) = limits.split_once(':').unwrap_or((limits, limits));
    let mut values = [0u64; 2];
    for (value, text) in values.iter_mut().zip([soft_text, hard_text]) {
        *value = match text.parse::<i64>() {
            Ok(-1) => u64::MAX,
            Ok(number) if number >= 0 => number as u64,
            _ => return refuse(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
        };
    }
    let [soft, hard] = values;
    if soft > hard {
        return refuse(format!("ulimit soft limit must be less than or equal to hard limit: {soft_text} > {hard_text}"));
    }
    Ok(Rlimit { kind: (*kind).to_owned(), soft, hard })
}

/// podman's defaults for what the user did not set: 1048576 open files and processes, at most what the user may have.
pub fn with_defaults(mut given: Vec<Rlimit>, hard_limit: impl Fn(&str) -> u64) -> Vec<Rlimit> {
    for kind in ["RLIMIT_NOFILE", "RLIMIT_NPROC"] {
        if !given.iter().any(|limit| limit.kind == kind) {
            let limit = hard_limit(kind).min(1 << 20);
            given.push(Rlimit { kind: kind.to_owned(), soft: limit, hard: limit });
        }
    }
    given.sort_by(|left, right| left.kind.cmp(&right.kind));
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let read = |text: &str| parse(text).map(|limit| (limit.kind, limit.soft, limit.hard)).unwrap();
        assert_eq!(read("nofile=100:200"), ("RLIMIT_NOFILE".into(), 100, 200));
        assert_eq!(read("core=-1"), ("RLIMIT_CORE".into(), u64::MAX, u64::MAX));
        assert_eq!(read("RLIMIT_NPROC=5"), ("RLIMIT_NPROC".into(), 5, 5));
    }

    #[test]
    fn bad_values_are_refused_in_podmans_words() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        let start = |text: &str| format!("ulimit option {text:?} requires name=SOFT:HARD, failed to be parsed: ");
        assert_eq!(
            message("nofile=100:50"),
            start("nofile=100:50") + "ulimit soft limit must be less than or equal to hard limit: 100 > 50"
        );
        assert_eq!(message("foo=100"), start("foo=100") + "invalid ulimit type: foo");
        assert_eq!(message("nofile=x"), start("nofile=x") + "strconv.ParseInt: parsing \"x\": invalid syntax");
    }

    #[test]
    fn defaults_stay_under_the_users_hard_limit() {
        let limits = with_defaults(vec![], |kind| if kind == "RLIMIT_NOFILE" { 20000 } else { u64::MAX });
        assert_eq!(limits.iter().map(|limit| limit.hard).collect::<Vec<_>>(), [20000, 1 << 20]);
    }
}
