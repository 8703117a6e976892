//! The environment: `-e`, `--env-file`, `--env-host`, `--env-merge`, `--unsetenv`, in their order of precedence.

use super::error::{Error, invalid};

/// An ordered environment; a later setting of a name replaces the value where the name stands.
#[derive(Clone, Debug, Default)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// From `NAME=VALUE` entries; one without `=` is a name with an empty value.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = &'a String>) -> Self {
        let mut environment = Self::default();
        for entry in entries {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            environment.set(name, value);
        }
        environment
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    pub fn unset(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// `other`'s entries over ours.
    pub fn overlay(&mut self, other: &Self) {
        for (name, value) in &other.0 {
            self.set(name, value);
        }
    }

    pub fn into_entries(self) -> Vec<String> {
        self.0.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// One `-e` value: `NAME=VALUE`; `NAME` copies it from `host` where that has it; `PREFIX*` copies all that match.
    pub fn apply(&mut self, text: &str, host: impl Fn() -> Vec<(String, String)>) -> Result<(), Error> {
        match text.split_once('=') {
            Some(("", _)) => return invalid(format!("invalid variable: {text:?}")),
            Some((name, value)) => self.set(name.trim_start(), value),
            None if text.is_empty() => return invalid(format!("invalid variable: {text:?}")),
            None => match text.strip_suffix('*') {
                Some(prefix) => host().iter().filter(|(name, _)| name.starts_with(prefix)).for_each(|(name, value)| self.set(name, value)),
                None => host().iter().filter(|(name, _)| name == text).for_each(|(name, value)| self.set(name, value)),
            },
        }
        Ok(())
    }

    /// The lines of an `--env-file`: comments start with `#`, the rest are as for `-e`.
    pub fn apply_file(&mut self, text: &str, host: impl Fn() -> Vec<(String, String)>) -> Result<(), Error> {
        for line in text.lines() {
            let line = line.trim_start();
            if !line.is_empty() && !line.starts_with('#') {
                self.apply(line.trim_end_matches('\r'), &host)?;
            }
        }
        Ok(())
    }

    /// One `--env-merge` value: `$NAME` and `${NAME}` stand for what the image set.
    pub fn merge(&mut self, text: &str) -> Result<(), Error> {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return invalid(format!("invalid variable: {text:?}"));
        };
        let expanded = expand(value, |name| self.get(name).map(str::to_owned));
        self.set(name, &expanded);
        Ok(())
    }
}

/// `text` with `$NAME` and `${NAME}` replaced by what `lookup` knows, nothing where it does not.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (name, next) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(found) => found,
            None => {
                let end = after.find(|character: char| !character.is_ascii_alphanumeric() && character != '_').unwrap_or(after.len());
                after.split_at(end)
            }
        };
        if name.is_empty() {
            result.push('$');
        } else {
            result.push_str(&lookup(name).unwrap_or_default());
        }
        rest = next;
    }
    result + rest
}

/// The proxy variables that `--http-proxy` passes on.
pub const PROXY: [&str; 8] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"];

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Vec<(String, String)> {
        [("HOME", "/home/u"), ("LC_ALL", "C"), ("LC_TIME", "de")].map(|(name, value)| (name.into(), value.into())).to_vec()
    }

    #[test]
    fn names_without_value_come_from_the_host() {
        let mut environment = Environment::default();
        for text in ["A=1", "HOME", "LC_*", "NOPE", "A=2", "B=x=y"] {
            environment.apply(text, host).unwrap();
        }
        assert_eq!(environment.into_entries(), ["A=2", "HOME=/home/u", "LC_ALL=C", "LC_TIME=de", "B=x=y"]);
    }

    #[test]
    fn files_may_have_comments() {
        let mut environment = Environment::default();
        environment.apply_file("# a comment\n\nA=1 # no comment\n  B=2\r\nHOME\n", host).unwrap();
        assert_eq!(environment.into_entries(), ["A=1 # no comment", "B=2", "HOME=/home/u"]);
    }

    #[test]
    fn merging_refers_to_what_is_there() {
        let mut environment = Environment::from_entries(&["PATH=/bin".to_owned()]);
        environment.merge("PATH=${PATH}:/x:$NOPE").unwrap();
        assert_eq!(environment.get("PATH"), Some("/bin:/x:"));
        assert_eq!(environment.apply("=2", host).unwrap_err().to_string(), "invalid variable: \"=2\"");
    }
}
