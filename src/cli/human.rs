//! Times and sizes for people, in the words of docker/go-units, which podman uses.

/// `Less than a second`, `5 minutes`, `About an hour`, `3 weeks` …
pub fn duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds as f64 / 3600.0 + 0.5) as i64;
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// A size in decimal units with so many significant digits, as C's `%g` prints them: `2.08MB`.
pub fn size(bytes: u64, digits: usize) -> String {
    const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    format!("{}{}", general(value, digits), UNITS[unit])
}

/// [`size`] with three digits and a blank before the unit, as `images` prints it.
pub fn spaced_size(bytes: u64) -> String {
    let text = size(bytes, 3);
    let unit = text.rfind(|character: char| character.is_ascii_digit()).map_or(0, |last| last + 1);
    format!("{} {}", &text[..unit], &text[unit..])
}

/// `%.Ng`: no trailing zeros, an exponent where the number does not fit in the digits.
fn general(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 || exponent >= digits as i32 {
        return format!("{}e{}{:02}", trim(mantissa), if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    trim(&format!("{value:.*}", (digits as i32 - 1 - exponent).max(0) as usize))
}

/// A duration as Go prints it: `1h2m3.5s`, `10ms`, `0s`.
pub fn go_duration(nanoseconds: u64) -> String {
    let fraction = |value: u64, unit: u64| {
        let text = format!("{}.{:0width$}", value / unit, value % unit, width = unit.ilog10() as usize);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let second = 1_000_000_000;
    match nanoseconds {
        0 => "0s".into(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(nanoseconds, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(nanoseconds, 1_000_000)),
        _ => {
            let minutes = nanoseconds / second / 60;
            let seconds = fraction(nanoseconds % (60 * second), second);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// A time of RFC 3339 as Go's `String` prints it: `2026-11-21 10:01:02.170980244 +0000 UTC`.
pub fn go_time(rfc3339: &str) -> String {
    let Ok(timestamp) = rfc3339.parse::<jiff::Timestamp>() else { return rfc3339.to_owned() };
    let zone = if rfc3339.ends_with('Z') { jiff::tz::TimeZone::UTC } else { jiff::tz::TimeZone::system() };
    let time = timestamp.to_zoned(zone);
    time.strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_podman_prints_them() {
        let cases = [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (2 * 3600, "2 hours"),
            (47 * 3600, "47 hours"),
            (48 * 3600, "2 days"),
            (14 * 86400, "2 weeks"),
            (60 * 86400, "2 months"),
            (3 * 365 * 86400, "3 years"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn durations_print_as_in_go() {
        let cases = [
            (0, "0s"),
            (1_500, "1.5µs"),
            (10_000_000, "10ms"),
            (3_279_411_197, "3.279411197s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
        ];
        for (nanoseconds, text) in cases {
            assert_eq!(go_duration(nanoseconds), text);
        }
    }

    #[test]
    fn sizes_have_three_or_four_digits() {
        assert_eq!(size(0, 3), "0B");
        assert_eq!(size(2_080_000, 3), "2.08MB");
        assert_eq!(size(2_000_000, 3), "2MB");
        assert_eq!(size(10_400_000, 3), "10.4MB");
        assert_eq!(size(123_456_789, 4), "123.5MB");
        assert_eq!(size(999_999, 3), "1e+03kB");
        assert_eq!(spaced_size(2_080_000), "2.08 MB");
    }
}
