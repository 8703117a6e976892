//! The `WWW-Authenticate` header, RFC 9110 section 11: what a registry wants to know of the caller.

use std::collections::HashMap;

/// A challenge that the client can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    /// The token server's address and what to ask it for.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// The strongest challenge among the header's values: Bearer before Basic.
pub fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            let mut parameters = parameters(rest);
            if let Some(realm) = parameters.remove("realm") {
                return Some(Challenge::Bearer { realm, service: parameters.remove("service"), scope: parameters.remove("scope") });
            }
        } else if scheme.eq_ignore_ascii_case("basic") {
            basic = Some(Challenge::Basic);
        }
    }
    basic
}

/// `name=value` and `name="value"`, separated by commas.
fn parameters(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ', '\t']).to_ascii_lowercase();
        let after = after.trim_start();
        let (value, remaining) = match after.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => match after.split_once(',') {
                Some((value, remaining)) => (value.trim().to_owned(), remaining),
                None => (after.trim().to_owned(), ""),
            },
        };
        found.insert(name, value);
        rest = remaining;
    }
    found
}

/// The text up to the closing quote, backslashes undone, and what follows it.
fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return (value, text.get(index + 1..).unwrap_or_default()),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_challenge_has_realm_service_and_scope() {
        let header =
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull,push""#;
        let expected = Challenge::Bearer {
            realm: "https://auth.docker.io/token".into(),
            service: Some("registry.docker.io".into()),
            scope: Some("repository:library/busybox:pull,push".into()),
        };
        assert_eq!(parse([header].into_iter()), Some(expected));
    }

    #[test]
    fn bearer_goes_before_basic_and_nonsense_is_no_challenge() {
        assert_eq!(parse(["Basic realm=\"x\""].into_iter()), Some(Challenge::Basic));
        let both = parse(["Basic realm=\"x\"", "bearer realm=http://t/"].into_iter());
        assert_eq!(both, Some(Challenge::Bearer { realm: "http://t/".into(), service: None, scope: None }));
        for nonsense in ["", "Bearer", "Bearer realm", "Negotiate abc", "Bearer service=\"x"] {
            assert_eq!(parse([nonsense].into_iter()), None, "{nonsense}");
        }
    }
}
