//! What can be wrong with an image on its way into the store.

use std::path::PathBuf;

use crate::oci::{Digest, ReferenceError};
use crate::{config, registry, storage, userns};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Storage(#[from] storage::Error),
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Userns(#[from] userns::Error),
    #[error("initializing source {source_name}")]
    Source {
        source_name: String,
        #[source]
        cause: registry::Error,
    },
    #[error("copying from {source_name}")]
    Copy {
        source_name: String,
        #[source]
        cause: registry::Error,
    },
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("{0}: image not known")]
    NotKnown(String),
    /// The text is the whole message.
    #[error("{0}")]
    ShortName(String),
    #[error("{what}: digest is {found}, not {expected}")]
    Digest { what: String, expected: Digest, found: Digest },
    #[error("{what}: size is {found} bytes, not {expected}")]
    Size { what: String, expected: u64, found: u64 },
    #[error("{what} is not valid")]
    Json {
        what: String,
        #[source]
        cause: serde_json::Error,
    },
    #[error("{what}: {reason}")]
    Invalid { what: String, reason: String },
    #[error("no image found in {name} for architecture {architecture:?}, variant {variant:?}, OS {os:?}")]
    NoPlatform { name: String, os: String, architecture: String, variant: String },
    #[error("{action} {path}", path = .path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("the pull was ended: {0}")]
    Runtime(#[source] std::io::Error),
}

impl Error {
    /// For `map_err`: names what was done to which path.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { action, path, cause }
    }

    pub(super) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }

    /// The exact command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Source { cause, .. } | Self::Copy { cause, .. } => cause.hint(),
            Self::Storage(error) => error.hint(),
            Self::Userns(error) => error.hint(),
            Self::ShortName(_) => Some("name the registry, for example docker.io/library/NAME".into()),
            _ => None,
        }
    }
}
