//! Methods of a time: those of Go's `time.Time` that formats use.

use gotmpl::{TemplateError, Value};
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::value::text;

/// Calls a method of the time written in `rfc3339`; `None` where there is none of that name.
pub(super) fn call(rfc3339: &str, method: &str, arguments: &[Value]) -> Option<Result<Value, TemplateError>> {
    let timestamp: jiff::Timestamp = rfc3339.parse().ok()?;
    let zoned = timestamp.to_zoned(if rfc3339.ends_with('Z') { TimeZone::UTC } else { TimeZone::system() });
    let number = |value: i64| Some(Ok(Value::Int(value)));
    match method {
        "Year" => number(zoned.year().into()),
        "Month" => Some(Ok(text(&zoned.strftime("%B").to_string()))),
        "Day" => number(zoned.day().into()),
        "Hour" => number(zoned.hour().into()),
        "Minute" => number(zoned.minute().into()),
        "Second" => number(zoned.second().into()),
        "Unix" => number(timestamp.as_second()),
        "UnixMilli" => number(timestamp.as_millisecond()),
        "UnixNano" => number(i64::try_from(timestamp.as_nanosecond()).unwrap_or(i64::MAX)),
        "IsZero" => Some(Ok(Value::Bool(rfc3339 == "0001-01-01T00:00:00Z"))),
        "String" => Some(Ok(text(&crate::cli::human::go_time(rfc3339)))),
        "Format" => Some(match arguments {
            [Value::String(layout)] => Ok(text(&format(&zoned, layout))),
            _ => Err(TemplateError::Exec("wrong number of args for Format: want 1".into())),
        }),
        _ => None,
    }
}

/// What the parts of Go's reference time stand for in strftime; longer ones before their own beginnings.
const LAYOUT: [(&str, &str); 25] = [
    ("January", "%B"),
    ("Monday", "%A"),
    ("Z07:00", "%:z"),
    ("-07:00", "%:z"),
    ("2006", "%Y"),
    ("-0700", "%z"),
    (".000000000", "%.9f"),
    (".999999999", "%.f"),
    (".000000", "%.6f"),
    (".000", "%.3f"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("002", "%j"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("PM", "%p"),
    ("_2", "%e"),
    ("1", "%-m"),
    ("2", "%-d"),
];

fn format(time: &Zoned, layout: &str) -> String {
    let mut output = String::new();
    let mut rest = layout;
    while let Some(next) = rest.chars().next() {
        match LAYOUT.iter().find(|(part, _)| rest.starts_with(part)) {
            Some((part, meaning)) => {
                let utc = *part == "Z07:00" && time.offset().is_zero();
                output.push_str(&if utc { "Z".to_owned() } else { time.strftime(meaning).to_string() });
                rest = &rest[part.len()..];
            }
            None => {
                output.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    output
}
