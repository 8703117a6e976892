//! What a registry can answer, or fail to.

use std::time::Duration;

use oci_distribution::errors::OciEnvelope;
use reqwest::StatusCode;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("pinging container registry {registry}")]
    Unreachable { registry: String, source: reqwest::Error },
    #[error("reading {what} from {registry}")]
    Transfer { what: String, registry: String, source: reqwest::Error },
    #[error("{what}: {answer}")]
    Refused { what: String, status: StatusCode, answer: Answer },
    #[error("requesting access to {name}: {answer}")]
    Denied { name: String, answer: Answer },
    #[error("unable to retrieve auth token for {name}: {reason}")]
    Token { name: String, reason: String },
    #[error("{what} is larger than {limit} bytes")]
    TooLarge { what: String, limit: u64 },
    #[error("{what} ended after {received} of {expected} bytes")]
    Short { what: String, received: u64, expected: u64 },
    #[error("{what}: the registry sent more than the {expected} bytes that the manifest names")]
    Long { what: String, expected: u64 },
    #[error("{what}: the registry answers a range request with another range ({range})")]
    Range { what: String, range: String },
    #[error("certificate {path}: {reason}")]
    Certificate { path: std::path::PathBuf, reason: String },
    #[error("setting up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// The status and what the body says of it.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub message: String,
}

impl Answer {
    /// Reads a body as the specification's error envelope; anything else is clipped, as it may be a page of HTML.
    pub fn new(status: StatusCode, body: &[u8]) -> Self {
        let envelope = serde_json::from_slice::<OciEnvelope>(body).ok();
        let message = match envelope.and_then(|envelope| envelope.errors.into_iter().next()) {
            Some(error) if error.message.is_empty() => serde_json::to_value(&error.code)
                .ok()
                .and_then(|code| Some(code.as_str()?.to_lowercase().replace('_', " ")))
                .unwrap_or_default(),
            Some(error) => error.message,
            None => String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default()).trim().to_owned(),
        };
        Self { status, message }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = self.status.canonical_reason().unwrap_or("unknown status");
        match (self.message.is_empty(), self.status) {
            (true, _) => write!(formatter, "received unexpected HTTP status: {} {reason}", self.status.as_u16()),
            (false, StatusCode::UNAUTHORIZED) => write!(formatter, "unauthorized: {}", self.message),
            (false, StatusCode::FORBIDDEN) => write!(formatter, "denied: {}", self.message),
            (false, StatusCode::NOT_FOUND) => formatter.write_str(&self.message),
            (false, _) => write!(formatter, "received unexpected HTTP status: {} {reason}: {}", self.status.as_u16(), self.message),
        }
    }
}

impl Error {
    /// Whether the same request may succeed later: the connection failed, or the registry is overloaded.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Transfer { .. } | Self::Short { .. } => true,
            Self::Refused { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            _ => false,
        }
    }

    /// Whether the registry says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, .. })
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { name, .. } | Self::Token { name, .. } => {
                let registry = name.split('/').next().unwrap_or(name);
                Some(format!(
                    "log in with the registry's credentials, for example --creds USER:PASSWORD, or an entry for {registry} in auth.json"
                ))
            }
            Self::Refused { status: StatusCode::TOO_MANY_REQUESTS, .. } => {
                Some("the registry limits how often it may be asked: wait, or log in for a higher limit".into())
            }
            _ => None,
        }
    }
}

/// How long to wait before attempt `attempt` (from 0): what the registry asks for, else `delay`, else 2 seconds doubled each time.
pub fn pause(attempt: u32, retry_after: Option<Duration>, delay: Option<Duration>) -> Duration {
    const LONGEST: Duration = Duration::from_secs(60);
    retry_after.or(delay).unwrap_or_else(|| Duration::from_secs(2 << attempt.min(5))).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_show_the_registrys_own_words() {
        let body = br#"{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": {}}]}"#;
        assert_eq!(Answer::new(StatusCode::NOT_FOUND, body).to_string(), "manifest unknown");
        let answer = Answer::new(StatusCode::INTERNAL_SERVER_ERROR, b"<html>oops");
        assert_eq!(answer.to_string(), "received unexpected HTTP status: 500 Internal Server Error: <html>oops");
        assert_eq!(Answer::new(StatusCode::BAD_GATEWAY, b"").to_string(), "received unexpected HTTP status: 502 Bad Gateway");
    }

    #[test]
    fn pauses_grow_but_obey_the_registry() {
        assert_eq!(pause(0, None, None), Duration::from_secs(2));
        assert_eq!(pause(2, None, None), Duration::from_secs(8));
        assert_eq!(pause(2, None, Some(Duration::from_millis(5))), Duration::from_millis(5));
        assert_eq!(pause(0, Some(Duration::from_secs(7)), Some(Duration::ZERO)), Duration::from_secs(7));
        assert_eq!(pause(0, Some(Duration::from_secs(7000)), None), Duration::from_secs(60));
    }
}
