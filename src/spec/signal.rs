//! Signals by name or number.

use super::error::{Error, invalid};

/// Linux's signal numbers of x86 and ARM, signal(7).
const NAMES: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

const REAL_TIME_MINIMUM: i32 = 34;
const REAL_TIME_MAXIMUM: i32 = 64;

/// `SIGTERM`, `term`, `15`, `RTMIN+3` …
pub fn parse(text: &str) -> Result<i32, Error> {
    let refuse = || invalid(format!("invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=REAL_TIME_MAXIMUM).contains(&number) { Ok(number) } else { refuse() };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(*number);
    }
    let offset = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i32>().ok() };
    let number = if let Some(rest) = name.strip_prefix("RTMIN") {
        offset(rest).map(|offset| REAL_TIME_MINIMUM + offset)
    } else {
        name.strip_prefix("RTMAX").and_then(offset).map(|offset| REAL_TIME_MAXIMUM + offset)
    };
    match number.filter(|number| (REAL_TIME_MINIMUM..=REAL_TIME_MAXIMUM).contains(number)) {
        Some(number) => Ok(number),
        None => refuse(),
    }
}

/// The name with `SIG`, or the number where it has none.
pub fn name(number: i32) -> String {
    match NAMES.iter().find(|(_, known)| *known == number) {
        Some((name, _)) => format!("SIG{name}"),
        None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_in_every_spelling() {
        for (text, number) in [("15", 15), ("SIGTERM", 15), ("kill", 9), ("RTMIN+3", 37), ("sigrtmax", 64), ("SIGRTMAX-1", 63)] {
            assert_eq!(parse(text).ok(), Some(number), "{text}");
        }
        for text in ["FOO", "0", "65", "-1", "RTMIN+99", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
