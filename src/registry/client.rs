//! One repository of one registry: requests, authentication, attempts.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};

use super::blob::Blob;
use super::challenge::{self, Challenge};
use super::error::{Answer, Error, pause};
use super::token;
use crate::config::Credentials;
use crate::oci::{Digest, Reference, media_type};

/// How a registry is spoken to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Certificates are not checked, and plain HTTP will do where there is no TLS.
    pub insecure: bool,
    /// Directories with further certificates (`*.crt`), as containers-certs.d(5) lays them out.
    pub certificates: Vec<PathBuf>,
    pub credentials: Option<Credentials>,
    /// Attempts after the first one.
    pub retry: u32,
    /// Between attempts; else it grows from 2 seconds.
    pub retry_delay: Option<Duration>,
}

/// A manifest or index as it was sent.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub bytes: Vec<u8>,
    /// The Content-Type, without parameters.
    pub media_type: String,
    /// `Docker-Content-Digest`.
    pub announced: Option<String>,
}

/// A repository in a registry.
pub struct Repository {
    http: reqwest::Client,
    reference: Reference,
    settings: Settings,
    /// `https` or `http`; settled by the first request.
    scheme: Cell<Option<&'static str>>,
    /// The Authorization header that was accepted.
    authorization: RefCell<Option<String>>,
}

/// Bytes of a manifest at most, as the distribution specification recommends to accept at least.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// Manifest types that are asked for.
const MANIFESTS: [&str; 4] = [media_type::OCI_MANIFEST, media_type::OCI_INDEX, media_type::DOCKER_MANIFEST, media_type::DOCKER_INDEX];

impl Repository {
    /// A client for the repository that `reference` names. Nothing is sent yet.
    pub fn new(reference: &Reference, settings: Settings) -> Result<Self, Error> {
        // Several libraries could install it; the first one wins and they are all this one.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("dulse/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(30))
            .read_timeout(Duration::from_secs(120))
            .redirect(redirects(settings.insecure))
            .tls_danger_accept_invalid_certs(settings.insecure)
            .tls_certs_merge(certificates(&settings.certificates)?);
        if is_loopback(reference.registry()) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(Error::Client)?;
        Ok(Self { http, reference: reference.clone(), settings, scheme: Cell::new(None), authorization: RefCell::new(None) })
    }

    pub fn registry(&self) -> &str {
        self.reference.registry()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The manifest or index of a tag or digest.
    pub async fn manifest(&self, tag_or_digest: &str) -> Result<Manifest, Error> {
        let what = format!("reading manifest {tag_or_digest} in {}", self.reference.name());
        let accept = MANIFESTS.join(", ");
        let response = self.get(&format!("manifests/{tag_or_digest}"), &what, &[(ACCEPT, &accept)]).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kind = header(CONTENT_TYPE.as_str()).unwrap_or_default();
        let media_type = kind.split(';').next().unwrap_or_default().trim().to_owned();
        let announced = header("docker-content-digest");
        let bytes = self.body(response, &what, MANIFEST_LIMIT).await?;
        Ok(Manifest { bytes, media_type, announced })
    }

    /// A blob of the size that its descriptor names, as a stream.
    pub fn blob<'a>(&'a self, digest: &Digest, size: u64) -> Blob<'a> {
        Blob::new(self, digest, size)
    }

    /// All tags, following the pages of a long list.
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        #[derive(serde::Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let what = format!("fetching tags list of {}", self.reference.name());
        let mut tags = Vec::new();
        let mut path = "tags/list".to_owned();
        // A registry that never ends its list must not keep us for ever.
        for _ in 0..1000 {
            let response = self.get(&path, &what, &[]).await?;
            let next = response.headers().get("link").and_then(|link| next_page(link.to_str().ok()?));
            let bytes = self.body(response, &what, MANIFEST_LIMIT).await?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| Error::Refused {
                what: what.clone(),
                status: StatusCode::OK,
                answer: Answer { status: StatusCode::OK, message: error.to_string() },
            })?;
            tags.extend(page.tags.unwrap_or_default());
            match next {
                Some(query) => path = format!("tags/list?{query}"),
                None => break,
            }
        }
        Ok(tags)
    }

    async fn body(&self, mut response: Response, what: &str, limit: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let failed = |source: reqwest::Error| Error::Transfer {
            what: what.to_owned(),
            registry: self.registry().to_owned(),
            source: source.without_url(),
        };
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(Error::TooLarge { what: what.to_owned(), limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// A GET below the repository, authenticated where that is wanted, again where the registry is overloaded. The answer is a success.
    pub(super) async fn get(&self, path: &str, what: &str, headers: &[(HeaderName, &str)]) -> Result<Response, Error> {
        let mut attempt = 0;
        loop {
            let (error, retry_after) = match self.attempt(path, what, headers).await {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            if attempt >= self.settings.retry || !error.is_transient() {
                return Err(error);
            }
            tokio::time::sleep(pause(attempt, retry_after, self.settings.retry_delay)).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, path: &str, what: &str, headers: &[(HeaderName, &str)]) -> Result<Response, (Error, Option<Duration>)> {
        let final_error = |error| (error, None);
        let mut response = self.send(path, headers).await.map_err(final_error)?;
        if response.status() == StatusCode::UNAUTHORIZED {
            let values = response.headers().get_all(WWW_AUTHENTICATE);
            let asked = challenge::parse(values.iter().filter_map(|value| value.to_str().ok()));
            if let Some(asked) = asked
                && self.authenticate(&asked).await.map_err(final_error)?
            {
                response = self.send(path, headers).await.map_err(final_error)?;
            }
        }
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let body = self.body(response, what, 64 << 10).await.unwrap_or_default();
        let answer = Answer::new(status, &body);
        let error = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Denied { name: self.reference.name(), answer },
            _ => Error::Refused { what: what.to_owned(), status, answer },
        };
        Err((error, retry_after))
    }

    fn unreachable(&self, source: reqwest::Error) -> Error {
        Error::Unreachable { registry: self.registry().to_owned(), source: source.without_url() }
    }

    /// Answers a challenge; `false` where there is nothing new to say.
    async fn authenticate(&self, asked: &Challenge) -> Result<bool, Error> {
        let credentials = self.settings.credentials.as_ref();
        let header = match (asked, credentials) {
            (Challenge::Basic, Some(Credentials::Password { username, password })) => {
                use base64::Engine as _;
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}")))
            }
            (Challenge::Basic, _) => return Ok(false),
            (Challenge::Bearer { realm, service, scope }, _) => {
                let pull = format!("repository:{}:pull", self.reference.repository());
                let scope = scope.as_deref().filter(|scope| !scope.is_empty()).unwrap_or(&pull);
                let fetched = token::fetch(&self.http, realm, service.as_deref(), scope, credentials, self.settings.insecure).await;
                let token = fetched.map_err(|reason| Error::Token { name: self.reference.name(), reason })?;
                format!("Bearer {token}")
            }
        };
        let known = self.authorization.replace(Some(header.clone()));
        Ok(known.as_deref() != Some(&header))
    }

    /// Sends one request by the scheme that works: TLS, else plain HTTP to where that is allowed.
    async fn send(&self, path: &str, headers: &[(HeaderName, &str)]) -> Result<Response, Error> {
        let plain_allowed = self.settings.insecure || is_loopback(self.registry());
        let schemes: &[&'static str] = match self.scheme.get() {
            Some("http") => &["http"],
            Some(_) => &["https"],
            None if plain_allowed => &["https", "http"],
            None => &["https"],
        };
        let mut failure = None;
        for scheme in schemes {
            let host = if self.registry() == "docker.io" { "registry-1.docker.io" } else { self.registry() };
            let mut request = self.http.get(format!("{scheme}://{host}/v2/{}/{path}", self.reference.repository()));
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            if let Some(authorization) = self.authorization.borrow().as_ref() {
                request = request.header(AUTHORIZATION, authorization);
            }
            match request.send().await {
                Ok(response) => {
                    self.scheme.set(Some(scheme));
                    return Ok(response);
                }
                // A certificate that is not trusted is no reason to go without one.
                Err(error) if is_certificate(&error) => return Err(self.unreachable(error)),
                // The first failure tells more: that of the scheme which is meant.
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        match failure {
            Some(source) => Err(self.unreachable(source)),
            None => Err(Error::Token { name: self.reference.name(), reason: "no scheme to try".into() }),
        }
    }
}

/// Whether a connection failed because the server's certificate is not trusted. The TLS library's error is wrapped several times on its
/// way here, and only its words survive.
fn is_certificate(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("certificate") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Redirects are followed, but not from TLS to where everybody listens.
fn redirects(insecure: bool) -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(move |attempt| {
        let encrypted = attempt.previous().last().is_some_and(|previous| previous.scheme() == "https");
        match attempt.previous().len() > 10 || (encrypted && attempt.url().scheme() != "https" && !insecure) {
            true => attempt.error("the registry redirects too often, or away from TLS"),
            false => attempt.follow(),
        }
    })
}

/// Whether a `host[:port]` is this machine by name or number: plain HTTP cannot be overheard there.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => registry.split(':').next().unwrap_or(registry),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The query of a `Link: </v2/…?n=…&last=…>; rel="next"` header. The path is our own: a registry cannot lead us elsewhere.
fn next_page(link: &str) -> Option<String> {
    let target = link.split(';').next()?.trim().strip_prefix('<')?.strip_suffix('>')?;
    link.contains("next").then(|| target.split_once('?').map(|(_, query)| query.to_owned()))?
}

/// The `*.crt` files of certificate directories.
fn certificates(directories: &[PathBuf]) -> Result<Vec<reqwest::Certificate>, Error> {
    let mut found = Vec::new();
    for directory in directories {
        let Ok(entries) = std::fs::read_dir(directory) else { continue };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "crt")) {
            let failed = |reason: String| Error::Certificate { path: path.clone(), reason };
            let bytes = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
            found.extend(reqwest::Certificate::from_pem_bundle(&bytes).map_err(|error| failed(error.to_string()))?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for yes in ["127.0.0.1:5000", "localhost", "localhost:80", "[::1]:5000", "127.1.2.3"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in ["localhost.example.com", "127.0.0.1.evil.org:5000", "10.0.0.1", "[::2]:1", "registry"] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[test]
    fn pages_follow_the_link() {
        assert_eq!(next_page("</v2/x/tags/list?n=2&last=b>; rel=\"next\"").as_deref(), Some("n=2&last=b"));
        assert_eq!(next_page("nonsense"), None);
    }
}
