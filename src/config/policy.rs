//! containers-policy.json(5): whether an image may be taken at all.
//!
//! `insecureAcceptAnything` and `reject` are honoured. What asks for a signature is refused, since none is checked here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::read;
use super::{Error, Paths};

/// The signature policy in force; without a file everything is accepted.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    path: PathBuf,
    document: Document,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    default: Vec<Requirement>,
    transports: BTreeMap<String, BTreeMap<String, Vec<Requirement>>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Requirement {
    r#type: String,
}

impl Policy {
    /// Reads `file`, else the user's policy.json, else the system's.
    pub fn load(paths: &Paths, file: Option<&Path>) -> Result<Self, Error> {
        let candidates = match file {
            Some(file) => vec![file.to_owned()],
            None => vec![paths.config.join("policy.json"), PathBuf::from("/etc/containers/policy.json")],
        };
        for path in candidates {
            if let Some(text) = read(&path)? {
                let document = serde_json::from_str(&text).map_err(|error| Error::Json(path.clone(), error))?;
                return Ok(Self { path, document });
            }
        }
        Ok(Self::default())
    }

    /// Whether an image named `identity` may come through `transport` (`docker`, `oci`, `docker-archive`, `dir` …); `Err` says why not.
    ///
    /// For `docker` the identity is the full reference; scopes are tried from the most specific to the least.
    pub fn check(&self, transport: &str, identity: &str) -> Result<(), Error> {
        if self.path.as_os_str().is_empty() {
            return Ok(());
        }
        let refused = |message: String| Err(Error::Value { path: self.path.clone(), message });
        let requirements = self.requirements(transport, identity);
        if requirements.is_empty() {
            return refused(format!("no requirement for {transport}:{identity}, so it is rejected"));
        }
        match requirements.iter().map(|requirement| requirement.r#type.as_str()).find(|kind| *kind != "insecureAcceptAnything") {
            None => Ok(()),
            Some("reject") => refused(format!("{transport}:{identity} is rejected by policy")),
            Some(kind) => refused(format!("{transport}:{identity} must be {kind}, which is not supported")),
        }
    }

    fn requirements(&self, transport: &str, identity: &str) -> &[Requirement] {
        let scopes = self.document.transports.get(transport);
        scopes
            .and_then(|scopes| specific_to_general(identity).find_map(|scope| scopes.get(&scope)).or_else(|| scopes.get("")))
            .unwrap_or(&self.document.default)
    }
}

/// `host/a/b:tag`, `host/a/b`, `host/a`, `host`, `*.parent`, `*.top`.
fn specific_to_general(identity: &str) -> impl Iterator<Item = String> {
    let mut scopes = vec![identity.to_owned()];
    let name = identity.split('@').next().unwrap_or(identity);
    let path_start = name.find('/').unwrap_or(0);
    let mut scope = match name[path_start..].find(':') {
        Some(colon) => &name[..path_start + colon],
        None => name,
    };
    scopes.push(scope.to_owned());
    while let Some(slash) = scope.rfind('/') {
        scope = &scope[..slash];
        scopes.push(scope.to_owned());
    }
    let mut domain = scope;
    while let Some((_, parent)) = domain.split_once('.') {
        scopes.push(format!("*.{parent}"));
        domain = parent;
    }
    scopes.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Policy {
        Policy { path: "policy.json".into(), document: serde_json::from_str(text).unwrap() }
    }

    #[test]
    fn the_most_specific_scope_decides() {
        let policy = policy(
            r#"{"default": [{"type": "reject"}], "transports": {"docker": {
                "quay.io/good": [{"type": "insecureAcceptAnything"}],
                "quay.io/good/but:bad": [{"type": "reject"}],
                "*.example.com": [{"type": "insecureAcceptAnything"}],
                "signed.io": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}]},
              "dir": {"": [{"type": "insecureAcceptAnything"}]}}}"#,
        );
        for (transport, identity, accepted) in [
            ("docker", "quay.io/good/but:fine", true),
            ("docker", "quay.io/good/but:bad", false),
            ("docker", "quay.io/other:1", false),
            ("docker", "a.b.example.com/x", true),
            ("docker", "signed.io/x:1", false),
            ("dir", "/tmp/x", true),
            ("oci", "/tmp/x", false),
        ] {
            assert_eq!(policy.check(transport, identity).is_ok(), accepted, "{transport}:{identity}");
        }
    }

    #[test]
    fn no_file_accepts_everything_and_an_empty_one_nothing() {
        assert!(Policy::default().check("docker", "quay.io/x:1").is_ok());
        assert!(policy("{}").check("docker", "quay.io/x:1").is_err());
    }
}
