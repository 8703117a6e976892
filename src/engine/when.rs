//! Moments and durations as users write them, `--since 10m`, `until=2026-11-21`.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A moment: RFC 3339 with or without zone (then the local one) or parts of it, seconds since the epoch, or a duration before `now`.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    let local = |time: DateTime| time.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp());
    if let Ok(date) = text.parse::<Date>() {
        return local(date.to_datetime(jiff::civil::Time::midnight()));
    }
    if let Ok(time) = text.parse::<DateTime>() {
        return local(time);
    }
    if let Some(timestamp) = epoch(text) {
        return Some(timestamp);
    }
    now.checked_sub(duration(text)?).ok()
}

/// `1792000000` or `1792000000.123456789`.
fn epoch(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Timestamp::new(seconds.parse().ok()?, format!("{fraction:0<9}").parse().ok()?).ok()
}

/// A duration as Go's ParseDuration reads it: `1h30m`, `1.5h`, `-300ms`.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanoseconds = 0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|character: char| character.is_ascii_digit() || character == '.').unwrap_or(rest.len());
        nanoseconds += number
            * match &rest[..letters] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    let nanoseconds = if negative { -nanoseconds } else { nanoseconds };
    (nanoseconds.abs() < i64::MAX as f64).then(|| SignedDuration::from_nanos(nanoseconds.round() as i64))
}

/// A time of the store's own, RFC 3339; `None` for the empty text and for what no one wrote.
pub fn parse(rfc3339: &str) -> Option<Timestamp> {
    rfc3339.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let cases = [("1h30m", 5_400_000), ("1.5h", 5_400_000), ("300ms", 300), ("-2s", -2000), ("0", 0), ("1m0.5s", 60_500)];
        for (text, milliseconds) in cases {
            assert_eq!(duration(text), Some(SignedDuration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "1", "h", "1d", "1h 2m", "--1s", "1..2s", "99999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn moments_are_times_epochs_or_so_long_ago() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(moment("10m", now), "2026-11-21T11:50:00Z".parse().ok());
        assert_eq!(moment("2026-11-21T11:00:00Z", now), "2026-11-21T11:00:00Z".parse().ok());
        assert_eq!(moment("2026-11-21T12:00:00+01:00", now), "2026-11-21T11:00:00Z".parse().ok());
        assert_eq!(moment("1000000000.5", now), "2001-09-09T01:46:40.5Z".parse().ok());
        assert!(moment("2026-11-21", now).is_some());
        assert!(moment("2026-11-21T10:00:00", now).is_some());
        assert_eq!(moment("yesterday", now), None);
    }
}
