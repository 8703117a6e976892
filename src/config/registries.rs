//! containers-registries.conf(5), version 2: where names lead, which registries are blocked, insecure or mirrored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::{drop_ins, from_environment, read};
use super::{Error, Paths};
use crate::oci::Reference;

/// All of registries.conf, drop-ins merged.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    pub unqualified_search: Vec<String>,
    pub short_name_mode: ShortNameMode,
    /// Short name to fully qualified repository.
    pub aliases: BTreeMap<String, String>,
    /// `containers-auth.json` for the files, else names of helper programs, in order.
    pub credential_helpers: Vec<String>,
    registries: Vec<Registry>,
    /// The file that search registries come from, for messages.
    pub path: PathBuf,
}

/// What to do where a short name has no alias and more than one registry is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShortNameMode {
    /// Ask on a terminal, fail without.
    #[default]
    Enforcing,
    /// Ask on a terminal, try all in order without.
    Permissive,
    /// Try all in order.
    Disabled,
}

/// One place to fetch an image from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The image's name at this place.
    pub reference: Reference,
    /// TLS errors are overlooked and plain HTTP is allowed.
    pub insecure: bool,
    pub mirror: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Document {
    unqualified_search_registries: Option<Vec<String>>,
    short_name_mode: Option<ShortNameMode>,
    credential_helpers: Option<Vec<String>>,
    aliases: BTreeMap<String, String>,
    registry: Vec<Registry>,
    /// Version 1's table, which nothing writes any more.
    registries: Option<toml::Table>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Mirror {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

impl Registries {
    /// Reads `CONTAINERS_REGISTRIES_CONF`, else the user's file, else the system's, then the system's and the user's drop-ins.
    pub fn load(paths: &Paths) -> Result<Self, Error> {
        let system = Path::new("/etc/containers");
        let main = match from_environment("CONTAINERS_REGISTRIES_CONF") {
            Some(file) => vec![file],
            None => vec![paths.config.join("registries.conf"), system.join("registries.conf")],
        };
        let mut registries = Self::default();
        for path in main {
            if let Some(text) = read(&path)? {
                registries.add(&path, &text)?;
                break;
            }
        }
        for directory in [system, &paths.config] {
            for path in drop_ins(&directory.join("registries.conf.d")) {
                if let Some(text) = read(&path)? {
                    registries.add(&path, &text)?;
                }
            }
        }
        Ok(registries)
    }

    /// Puts the file `text` over what was read before.
    fn add(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        let document: Document = toml::from_str(text).map_err(|error| Error::Toml(path.into(), Box::new(error)))?;
        let invalid = |message: String| Error::Value { path: path.into(), message };
        if document.registries.is_some() {
            return Err(invalid("registries.conf of version 1 is not supported; write it in version 2".into()));
        }
        if let Some(search) = document.unqualified_search_registries {
            self.unqualified_search = search;
            self.path = path.into();
        }
        self.short_name_mode = document.short_name_mode.unwrap_or(self.short_name_mode);
        if let Some(helpers) = document.credential_helpers {
            self.credential_helpers = helpers;
        }
        for (name, target) in document.aliases {
            // An empty target takes an alias of an earlier file away.
            match target.is_empty() {
                true => self.aliases.remove(&name),
                false => self.aliases.insert(name, target),
            };
        }
        for mut registry in document.registry {
            if registry.prefix.is_empty() {
                registry.prefix.clone_from(&registry.location);
            }
            if registry.prefix.is_empty() {
                return Err(invalid("a [[registry]] needs a prefix or a location".into()));
            }
            if registry.location.is_empty() && !registry.prefix.starts_with("*.") {
                registry.location.clone_from(&registry.prefix);
            }
            if let Some(mirror) = registry.mirror.iter().find(|mirror| mirror.location.is_empty()) {
                return Err(invalid(format!("a mirror of {} has no location ({mirror:?})", registry.prefix)));
            }
            self.registries.retain(|other| other.prefix != registry.prefix);
            self.registries.push(registry);
        }
        Ok(())
    }

    /// The places to try for `reference`, in order; an error where its registry is blocked.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, Error> {
        let name = reference.to_string();
        let best = self.registries.iter().filter(|registry| matches(&registry.prefix, &name)).max_by_key(|registry| registry.prefix.len());
        let Some(registry) = best else {
            return Ok(vec![Endpoint { reference: reference.clone(), insecure: false, mirror: false }]);
        };
        let invalid = |message: String| Error::Value { path: "registries.conf".into(), message };
        if registry.blocked {
            return Err(invalid(format!("registry {} is blocked, so {name} cannot be fetched", registry.prefix)));
        }
        let at = |location: &str, insecure: bool, mirror: bool| {
            let rewritten = match registry.prefix.starts_with("*.") {
                true if location.is_empty() => name.clone(),
                true => format!("{location}{}", &name[reference.registry().len()..]),
                false => format!("{location}{}", &name[registry.prefix.len()..]),
            };
            let parsed = rewritten.parse().map_err(|error| invalid(format!("{name} is rewritten to {rewritten}: {error}")))?;
            Ok(Endpoint { reference: parsed, insecure, mirror })
        };
        let by_digest = reference.digest().is_some();
        let wanted = |mirror: &&Mirror| match mirror.pull_from_mirror.as_str() {
            "digest-only" => by_digest,
            "tag-only" => !by_digest,
            _ => by_digest || !registry.mirror_by_digest_only,
        };
        let mirrors = registry.mirror.iter().filter(wanted).map(|mirror| at(&mirror.location, mirror.insecure, true));
        mirrors.chain([at(&registry.location, registry.insecure, false)]).collect()
    }
}

/// Whether `prefix` (a host, a namespace, a repository, a tagged image or `*.domain`) covers `name`.
fn matches(prefix: &str, name: &str) -> bool {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = name.split('/').next().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        return domain.starts_with('.') && host.len() > domain.len() && host.ends_with(domain);
    }
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = r#"
        unqualified-search-registries = ["docker.io", "quay.io"]
        [[registry]]
        prefix = "docker.io/library"
        location = "mirror.example:5000/hub"
        [[registry]]
        location = "docker.io"
        insecure = true
        [[registry.mirror]]
        location = "127.0.0.1:5000"
        insecure = true
        [[registry.mirror]]
        location = "digests.example/x"
        pull-from-mirror = "digest-only"
        [[registry]]
        prefix = "*.blocked.example"
        blocked = true
        [aliases]
        "fedora" = "registry.fedoraproject.org/fedora"
    "#;

    fn registries(texts: &[&str]) -> Registries {
        let mut registries = Registries::default();
        texts.iter().for_each(|text| registries.add(Path::new("test.conf"), text).unwrap());
        registries
    }

    fn names(registries: &Registries, name: &str) -> Vec<String> {
        let endpoints = registries.endpoints(&name.parse().unwrap()).unwrap();
        endpoints.iter().map(|endpoint| endpoint.reference.to_string()).collect()
    }

    #[test]
    fn names_are_rewritten_by_the_longest_prefix() {
        let registries = registries(&[MAIN]);
        assert_eq!(names(&registries, "docker.io/busybox:1"), ["mirror.example:5000/hub/busybox:1"]);
        assert_eq!(names(&registries, "docker.io/a/b:1"), ["127.0.0.1:5000/a/b:1", "docker.io/a/b:1"]);
        assert_eq!(names(&registries, "docker.iox/a/b:1"), ["docker.iox/a/b:1"]);
        let digest = "docker.io/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(names(&registries, digest).len(), 3);
        assert!(registries.endpoints(&"x.blocked.example:99/y".parse().unwrap()).is_err());
        assert!(registries.endpoints(&"blocked.example/y".parse().unwrap()).is_ok());
    }

    #[test]
    fn drop_ins_override_and_add() {
        let registries = registries(&[
            MAIN,
            "short-name-mode = \"permissive\"\n[[registry]]\nprefix = \"docker.io/library\"\nblocked = true\n[aliases]\nfedora = \"\"\nx = \"quay.io/x\"",
        ]);
        assert_eq!(registries.unqualified_search, ["docker.io", "quay.io"]);
        assert_eq!(registries.short_name_mode, ShortNameMode::Permissive);
        assert_eq!(registries.aliases.keys().collect::<Vec<_>>(), ["x"]);
        assert!(registries.endpoints(&"docker.io/busybox".parse().unwrap()).is_err());
    }

    #[test]
    fn files_without_sense_are_refused() {
        for text in
            ["[registries.search]\nregistries = []", "[[registry]]\ninsecure = true", "[[registry]]\nlocation=\"a.b\"\n[[registry.mirror]]"]
        {
            assert!(Registries::default().add(Path::new("test.conf"), text).is_err(), "{text}");
        }
    }
}
