//! `--filter KEY=VALUE`: what all objects have in common. Values of one key are alternatives, keys must all hold.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::pattern::Pattern;
use super::{Error, when};

/// Filters as given, by key; a key that ends with `!` is negated.
#[derive(Clone, Debug, Default)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Splits `KEY=VALUE`; the keys must be among `known`.
    pub fn parse(given: &[String], known: &[&str]) -> Result<Self, Error> {
        let mut filters = BTreeMap::<String, Vec<String>>::new();
        for filter in given {
            let (key, value) = filter.split_once('=').ok_or_else(|| Error::Invalid(format!("invalid filter {filter:?}")))?;
            if !known.contains(&key) {
                return Err(Error::Invalid(format!("{key} is an invalid filter")));
            }
            filters.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        Ok(Self(filters))
    }

    /// Replaces the values of a key.
    pub fn map(&mut self, key: &str, change: impl FnMut(String) -> String) {
        if let Some(values) = self.0.get_mut(key) {
            *values = std::mem::take(values).into_iter().map(change).collect();
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }

    /// The values of a key, none where it was not given.
    pub fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// `label=KEY`, `label=KEY=VALUE`, with `*` standing for anything in either: all must hold.
pub fn has_labels(labels: &BTreeMap<String, String>, wanted: &[String]) -> bool {
    wanted.iter().all(|filter| {
        let (key, value) = filter.split_once('=').map_or((filter.as_str(), None), |(key, value)| (key, Some(value)));
        labels.iter().any(|(name, content)| glob(key, name) && value.is_none_or(|value| glob(value, content)))
    })
}

/// An ID by its beginning, or by a regular expression where the filter is not hexadecimal.
pub fn is_id(id: &str, filter: &str) -> bool {
    match filter.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => id.starts_with(&filter.to_ascii_lowercase()),
        false => matches(filter, id),
    }
}

/// A regular expression somewhere in `text`.
pub fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).is_some_and(|pattern| pattern.is_match(text))
}

/// The moment of an `until` filter, which may be given once.
pub fn until(values: &[String]) -> Result<Option<Timestamp>, Error> {
    match values {
        [] => Ok(None),
        [only] => match when::moment(only, Timestamp::now()) {
            Some(moment) => Ok(Some(moment)),
            None => Err(Error::Invalid(format!("failed to parse `{only}` as a valid date, timestamp or duration"))),
        },
        _ => Err(Error::Invalid("specify exactly one timestamp for until".into())),
    }
}

/// `true` or `false` in Go's spellings.
pub fn boolean(key: &str, value: &str) -> Result<bool, Error> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Error::Invalid(format!("{value:?} is not a valid value for the {key:?} filter - must be a bool"))),
    }
}

/// Shell-like: `*` is anything, `?` one character.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut position) = (0, 0);
    let mut star = None;
    while position < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(character) if *character == '?' || *character == text[position] => {
                at += 1;
                position += 1;
            }
            _ => match star {
                Some((before, matched)) => {
                    star = Some((before, matched + 1));
                    at = before + 1;
                    position = matched + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_need_a_value_and_a_known_key() {
        let parse = |text: &str| Filters::parse(&[text.to_owned()], &["name", "label", "label!"]).map_err(|error| error.to_string());
        assert_eq!(parse("name").err().as_deref(), Some("invalid filter \"name\""));
        assert_eq!(parse("foo=bar").err().as_deref(), Some("foo is an invalid filter"));
        assert!(parse("label!=a=b").is_ok_and(|filters| filters.values("label!") == ["a=b"]));
    }

    #[test]
    fn labels_match_by_key_and_value_with_globs() {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned()), ("tier".to_owned(), "front".to_owned())]);
        for (filter, expected) in [("app", true), ("app=web", true), ("app=w*", true), ("a*=web", true), ("app=db", false), ("nope", false)]
        {
            assert_eq!(has_labels(&labels, &[filter.to_owned()]), expected, "{filter}");
        }
        assert!(!has_labels(&labels, &["app=web".to_owned(), "tier=back".to_owned()]));
    }

    #[test]
    fn globs_match_the_whole_text() {
        for (pattern, text, expected) in
            [("*", "", true), ("a*c", "abbc", true), ("a*c", "abcd", false), ("a?c", "abc", true), ("", "a", false)]
        {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
