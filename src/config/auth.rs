//! containers-auth.json(5): credentials for registries, and the helper programs that keep them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde::Deserialize;
use serde_json::{Value, json};

use super::files::{from_environment, read};
use super::{Error, Paths};
use crate::oci::Reference;

/// What a registry is told about who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    Password {
        username: String,
        password: String,
    },
    /// An OAuth2 refresh token, from `identitytoken` or a helper whose user is `<token>`.
    IdentityToken(String),
}

impl fmt::Debug for Credentials {
    /// Without the secret: it must not get into a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => write!(formatter, "Password({username})"),
            Self::IdentityToken(_) => formatter.write_str("IdentityToken"),
        }
    }
}

/// The files that may hold credentials, the first match wins.
#[derive(Clone, Debug)]
pub struct AuthFiles(Vec<PathBuf>);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    auths: BTreeMap<String, Value>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

impl AuthFiles {
    /// `explicit` (`--authfile`) or `REGISTRY_AUTH_FILE` alone, else the runtime directory's file, the user's configuration's, Docker's.
    pub fn find(paths: &Paths, explicit: Option<&Path>) -> Self {
        if let Some(only) = explicit.map(Path::to_owned).or_else(|| from_environment("REGISTRY_AUTH_FILE")) {
            return Self(vec![only]);
        }
        let runtime = from_environment("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json"));
        let home = from_environment("HOME");
        let docker = from_environment("DOCKER_CONFIG").or_else(|| home.as_ref().map(|home| home.join(".docker")));
        let files = runtime
            .into_iter()
            .chain([paths.config.join("auth.json")])
            .chain(docker.map(|directory| directory.join("config.json")))
            .chain(home.map(|home| home.join(".dockercfg")));
        Self(files.collect())
    }

    /// The credentials for `reference`: of its repository, of a namespace above it, or of its registry. `helpers` are those that
    /// registries.conf names for all registries.
    pub fn credentials(&self, reference: &Reference, helpers: &[String]) -> Result<Option<Credentials>, Error> {
        for path in &self.0 {
            let Some(text) = read(path)? else { continue };
            let document = parse(path, &text)?;
            if let Some(found) = lookup(path, &document, reference)? {
                return Ok(Some(found));
            }
        }
        for helper in helpers.iter().filter(|helper| *helper != "containers-auth.json") {
            let entry = json!({ "credsStore": helper });
            if let Some(found) = ask(Path::new(helper), &entry, server(reference.registry()))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn parse(path: &Path, text: &str) -> Result<Document, Error> {
    let invalid = |error| Error::Json(path.into(), error);
    if text.trim().is_empty() {
        return Ok(Document::default());
    }
    if path.file_name().is_some_and(|name| name == ".dockercfg") {
        // The oldest format is what `auths` holds, without a name around it.
        return Ok(Document { auths: serde_json::from_str(text).map_err(invalid)?, ..Document::default() });
    }
    serde_json::from_str(text).map_err(invalid)
}

fn lookup(path: &Path, document: &Document, reference: &Reference) -> Result<Option<Credentials>, Error> {
    let registry = reference.registry();
    let names = std::iter::once(registry).chain((registry == "docker.io").then_some(server(registry)));
    for name in names {
        if let Some(helper) = document.cred_helpers.get(name).filter(|helper| !helper.is_empty()) {
            return ask(path, &json!({ "credHelpers": { name: helper } }), name);
        }
    }
    let key = keys(reference).find_map(|key| {
        let entry = document.auths.get_key_value(&key).or_else(|| document.auths.iter().find(|(name, _)| bare(name) == key))?;
        has_secret(entry.1).then_some(entry)
    });
    if let Some((name, entry)) = key {
        return ask(path, &json!({ "auths": { name: entry } }), name);
    }
    match &document.creds_store {
        Some(store) if !store.is_empty() => ask(path, &json!({ "credsStore": store }), server(registry)),
        _ => Ok(None),
    }
}

/// `host/a/b`, `host/a`, `host`.
fn keys(reference: &Reference) -> impl Iterator<Item = String> {
    let name = reference.name();
    let ends: Vec<usize> = name.rmatch_indices('/').map(|(index, _)| index).collect();
    std::iter::once(name.len()).chain(ends).map(move |end| name[..end].to_owned())
}

/// The registry in a key as Docker writes it: `https://index.docker.io/v1/` is docker.io. Keys with a namespace are not of that kind.
fn bare(key: &str) -> &str {
    let without_scheme = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let host = match without_scheme {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => key,
    };
    if matches!(host, "index.docker.io" | "registry-1.docker.io") { "docker.io" } else { host }
}

/// Docker leaves an empty entry where a store keeps the secret.
fn has_secret(entry: &Value) -> bool {
    ["auth", "identitytoken", "username"].iter().any(|field| entry[field].as_str().is_some_and(|value| !value.is_empty()))
}

/// The name by which Docker's helpers know a registry.
fn server(registry: &str) -> &str {
    if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry }
}

/// Reads the one entry of `document`, by a helper program where it names one.
fn ask(path: &Path, document: &Value, server: &str) -> Result<Option<Credentials>, Error> {
    let failed = |message: String| Error::Credentials { path: path.into(), server: server.into(), message };
    match get_credential_from_reader(document.to_string().as_bytes(), server) {
        Ok(DockerCredential::UsernamePassword(username, password)) => Ok(Some(Credentials::Password { username, password })),
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credentials::IdentityToken(token))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // Helpers say so on standard output, and with a failure: the registry is then asked anonymously.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { helper, stdout, stderr }) => {
            Err(failed(format!("{helper} failed: {}{}", stdout.trim(), stderr.trim())))
        }
        Err(CredentialRetrievalError::HelperCommunicationError) => Err(failed("the credential helper cannot be run".into())),
        Err(other) => Err(failed(other.to_string().to_lowercase())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, name: &str) -> Option<String> {
        let document = parse(Path::new("auth.json"), text).unwrap();
        lookup(Path::new("auth.json"), &document, &name.parse().unwrap()).unwrap().map(|credentials| match credentials {
            Credentials::Password { username, password } => format!("{username}:{password}"),
            Credentials::IdentityToken(token) => token,
        })
    }

    #[test]
    fn the_most_specific_entry_wins() {
        // user:registry, user:team, user:repo in base64
        let text = r#"{"auths": {"quay.io": {"auth": "dXNlcjpyZWdpc3RyeQ=="}, "quay.io/team": {"auth": "dXNlcjp0ZWFt"},
            "quay.io/team/repo": {"auth": "dXNlcjpyZXBv"}, "token.io": {"auth": "eDp5", "identitytoken": "secret"}, "empty.io": {}}}"#;
        assert_eq!(find(text, "quay.io/team/repo:1").as_deref(), Some("user:repo"));
        assert_eq!(find(text, "quay.io/team/other").as_deref(), Some("user:team"));
        assert_eq!(find(text, "quay.io/x").as_deref(), Some("user:registry"));
        assert_eq!(find(text, "token.io/x").as_deref(), Some("secret"));
        assert_eq!(find(text, "empty.io/x"), None);
        assert_eq!(find(text, "quay.iox/x"), None);
    }

    #[test]
    fn dockers_own_keys_are_understood() {
        let text =
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dXNlcjpodWI="}, "https://reg.example:5000/v2/": {"auth": "dXNlcjpy"}}}"#;
        assert_eq!(find(text, "docker.io/library/busybox").as_deref(), Some("user:hub"));
        assert_eq!(find(text, "reg.example:5000/x").as_deref(), Some("user:r"));
        assert_eq!(find("", "quay.io/x"), None);
    }

    #[test]
    fn an_explicit_file_stands_alone() {
        let paths = Paths { data: "/d".into(), runtime: "/r".into(), cache: "/c".into(), config: "/cfg".into() };
        assert_eq!(AuthFiles::find(&paths, Some(Path::new("/x"))).0, [PathBuf::from("/x")]);
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let shown = format!("{:?}", Credentials::Password { username: "u".into(), password: "hidden".into() });
        assert!(!shown.contains("hidden"));
    }
}
