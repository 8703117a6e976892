//! Image references: `[registry/]repository[:tag][@digest]`, as the distribution specification and Docker define them.

use std::fmt;
use std::str::FromStr;

use super::{Digest, DigestError};

/// The registry that unqualified names mean in Docker's own world.
const DOCKER_HUB: &str = "docker.io";

/// Longest repository path, by the distribution specification's reference implementation.
const MAX_REPOSITORY: usize = 255;

/// Longest tag.
const MAX_TAG: usize = 128;

/// A fully qualified image reference. `docker.io` names without a slash have `library/` put before them; a reference without tag
/// and digest gets the tag `latest` by [`Reference::with_default_tag`] only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A name without a registry, `repository[:tag][@digest]`: what it means is up to registries.conf.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShortName {
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// What a user may type for an image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImageName {
    Qualified(Reference),
    Short(ShortName),
}

#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    #[error("invalid reference format: {0:?}")]
    Malformed(String),
    #[error("repository name in {0:?} must be lowercase")]
    UpperCase(String),
    #[error("repository name in {0:?} must not be more than {MAX_REPOSITORY} characters")]
    TooLong(String),
    #[error("{0:?} names no registry")]
    ShortName(String),
    #[error("invalid reference {0:?}")]
    Digest(String, #[source] DigestError),
}

impl Reference {
    /// Reads `text` as Docker does: a name without a registry is one of docker.io.
    pub fn normalized(text: &str) -> Result<Self, ReferenceError> {
        Ok(match text.parse()? {
            ImageName::Qualified(reference) => reference,
            ImageName::Short(name) => name.at(DOCKER_HUB)?,
        })
    }

    /// Host and optional port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `registry/repository`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same reference with the tag `latest` where it has neither tag nor digest.
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".into());
        }
        self
    }

    /// The same repository under another tag.
    pub fn with_tag(&self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// The same repository by digest.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same reference without its tag where it has a digest, which alone decides then.
    pub fn without_redundant_tag(mut self) -> Self {
        if self.digest.is_some() {
            self.tag = None;
        }
        self
    }

    fn new(registry: &str, rest: ShortName) -> Result<Self, ReferenceError> {
        let ShortName { mut repository, tag, digest } = rest;
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        if registry == DOCKER_HUB && !repository.contains('/') {
            repository.insert_str(0, "library/");
        }
        if repository.len() > MAX_REPOSITORY {
            return Err(ReferenceError::TooLong(clipped(&repository)));
        }
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

impl ShortName {
    /// The repository, without tag and digest: the key of a short-name alias.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// This name beneath `prefix`, a registry host with an optional namespace (`quay.io`, `registry.example/team`).
    pub fn at(&self, prefix: &str) -> Result<Reference, ReferenceError> {
        let (registry, namespace) = prefix.split_once('/').unwrap_or((prefix, ""));
        let mut name = self.clone();
        if !namespace.is_empty() {
            name.repository = format!("{namespace}/{}", self.repository);
        }
        match is_host(registry) && is_repository(&name.repository) {
            true => Reference::new(registry, name),
            false => Err(ReferenceError::Malformed(clipped(&format!("{prefix}/{}", self.repository)))),
        }
    }

    /// `alias`, the fully qualified repository that stands for this name, with this name's tag and digest.
    pub fn aliased(&self, alias: &str) -> Result<Reference, ReferenceError> {
        let target: Reference = alias.parse()?;
        Ok(Reference { tag: self.tag.clone(), digest: self.digest.clone(), ..target })
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        match text.parse()? {
            ImageName::Qualified(reference) => Ok(reference),
            ImageName::Short(_) => Err(ReferenceError::ShortName(clipped(text))),
        }
    }
}

impl FromStr for ImageName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let malformed = || ReferenceError::Malformed(clipped(text));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|error| ReferenceError::Digest(clipped(text), error))?)),
            None => (text, None),
        };
        // A colon after the last slash starts the tag; one before it belongs to the registry's port.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') && !path.is_empty() => (path, Some(tag.to_owned())),
            _ => (rest, None),
        };
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(malformed());
        }
        let (registry, repository) = match path.split_once('/') {
            Some((first, repository)) if looks_like_host(first) => (Some(first), repository),
            _ => (None, path),
        };
        if !is_repository(repository) {
            let lower = repository.to_ascii_lowercase();
            return Err(if is_repository(&lower) { ReferenceError::UpperCase(clipped(text)) } else { malformed() });
        }
        if repository.len() > MAX_REPOSITORY {
            return Err(ReferenceError::TooLong(clipped(text)));
        }
        let name = ShortName { repository: repository.to_owned(), tag, digest };
        match registry {
            Some(host) if is_host(host) => Ok(Self::Qualified(Reference::new(host, name)?)),
            Some(_) => Err(malformed()),
            // 64 hexadecimal digits are an image ID, never a name.
            None if repository.len() == 64 && repository.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err(malformed()),
            None => Ok(Self::Short(name)),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        write_suffix(formatter, self.tag.as_deref(), self.digest.as_ref())
    }
}

impl fmt::Display for ShortName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.repository)?;
        write_suffix(formatter, self.tag.as_deref(), self.digest.as_ref())
    }
}

fn write_suffix(formatter: &mut fmt::Formatter<'_>, tag: Option<&str>, digest: Option<&Digest>) -> fmt::Result {
    tag.iter().try_for_each(|tag| write!(formatter, ":{tag}"))?;
    digest.iter().try_for_each(|digest| write!(formatter, "@{digest}"))
}

/// The first component is a registry when it could not be a repository's: it has a dot, a port or an upper-case letter, or is
/// `localhost`.
fn looks_like_host(component: &str) -> bool {
    component == "localhost" || component.contains(['.', ':']) || component.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (None, port),
            _ => return false,
        },
        None => {
            let end = host.find(':').unwrap_or(host.len());
            (Some(&host[..end]), &host[end..])
        }
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    name.is_none_or(|name| name.split('.').all(label)) && (port.is_empty() || port.strip_prefix(':').is_some_and(digits))
}

fn is_repository(path: &str) -> bool {
    path.split('/').all(is_component)
}

/// `[a-z0-9]+` joined by one dot, one or two underscores, or any number of dashes.
fn is_component(component: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().copied().is_some_and(word) || !bytes.last().copied().is_some_and(word) {
        return false;
    }
    let separator = |run: &[u8]| matches!(run, b"" | b"." | b"_" | b"__") || run.iter().all(|&byte| byte == b'-');
    bytes.split(|&byte| word(byte)).all(separator)
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= MAX_TAG && tag.bytes().next().is_some_and(word) && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

/// Enough of a hostile name to recognise it by.
fn clipped(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_with_a_registry_are_read_as_docker_reads_them() {
        let digested = format!("quay.io/a/b@{DIGEST}");
        let both = format!("quay.io/a/b:1@{DIGEST}");
        for (text, registry, repository, tag) in [
            ("docker.io/busybox", "docker.io", "library/busybox", None),
            ("index.docker.io/busybox:1", "docker.io", "library/busybox", Some("1")),
            ("docker.io/library/busybox", "docker.io", "library/busybox", None),
            ("quay.io/podman/stable:v5", "quay.io", "podman/stable", Some("v5")),
            ("localhost/x", "localhost", "x", None),
            ("localhost:5000/x:2", "localhost:5000", "x", Some("2")),
            ("Registry/x", "Registry", "x", None),
            ("[::1]:5000/a/b__c--d.e:T_1.x-y", "[::1]:5000", "a/b__c--d.e", Some("T_1.x-y")),
            (&digested, "quay.io", "a/b", None),
            (&both, "quay.io", "a/b", Some("1")),
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((reference.registry(), reference.repository(), reference.tag()), (registry, repository, tag), "{text}");
            assert_eq!(reference.digest().is_some(), text.contains('@'));
        }
    }

    #[test]
    fn names_without_a_registry_are_short() {
        for text in ["busybox", "a/b:1", "library/x", "dead/beef"] {
            assert!(matches!(text.parse(), Ok(ImageName::Short(_))), "{text}");
            assert!(matches!(text.parse::<Reference>(), Err(ReferenceError::ShortName(_))), "{text}");
        }
        assert_eq!(Reference::normalized("busybox:1").unwrap().to_string(), "docker.io/library/busybox:1");
        assert_eq!(Reference::normalized("a/b").unwrap().to_string(), "docker.io/a/b");
    }

    #[test]
    fn malformed_names_are_refused() {
        let id = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for text in [
            "",
            ":",
            "@",
            "/",
            "a//b",
            "a/",
            "/a",
            "a:",
            ":a",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a b",
            "a:b:c",
            "a\n",
            "ä",
            "a@sha256:1",
            "a@b@c",
            "-x.io/a",
            "x.io-/a",
            "x.io:/a",
            "x.io:b/a",
            "[::g]/a",
            "[::1/a",
            "quay.io/",
            "a:-b",
            "a/../b",
            id,
        ] {
            assert!(text.parse::<ImageName>().is_err(), "{text:?}");
        }
        assert!(matches!("quay.io/Foo".parse::<ImageName>(), Err(ReferenceError::UpperCase(_))));
        assert!(format!("x.io/a:{}", "t".repeat(128)).parse::<Reference>().is_ok());
        assert!(format!("x.io/a:{}", "t".repeat(129)).parse::<Reference>().is_err());
        assert!(format!("x.io/{}", "r".repeat(255)).parse::<Reference>().is_ok());
        assert!(matches!(format!("x.io/{}", "r".repeat(256)).parse::<Reference>(), Err(ReferenceError::TooLong(_))));
    }

    #[test]
    fn short_names_take_a_registry_or_an_alias() {
        let Ok(ImageName::Short(name)) = "fedora:40".parse() else { panic!("short") };
        assert_eq!(name.at("docker.io").unwrap().to_string(), "docker.io/library/fedora:40");
        assert_eq!(name.at("quay.io/team").unwrap().to_string(), "quay.io/team/fedora:40");
        assert_eq!(name.aliased("registry.example/fedora").unwrap().to_string(), "registry.example/fedora:40");
        assert!(name.at("quay.io/Team").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_reads_back_from_its_own_words(text in "\\PC{0,80}") {
            if let Ok(reference) = Reference::normalized(&text) {
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
            }
        }

        #[test]
        fn what_the_grammar_allows_is_accepted(
            text in "([a-z0-9]{1,8}\\.[a-z]{2,3}(:[0-9]{1,5})?/)?[a-z0-9]{1,8}((_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,8}){0,2}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?"
        ) {
            let reference = Reference::normalized(&text).unwrap();
            prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
        }
    }
}
