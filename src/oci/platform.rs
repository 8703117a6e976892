//! The platform an image is for: operating system, architecture, variant.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A platform in Go's words (`GOOS`, `GOARCH`), as image indexes use them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// The platform this program was built for.
    pub fn host() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: variant.map(Into::into) }
    }
}

impl std::str::FromStr for Platform {
    type Err = PlatformError;

    /// `os/architecture[/variant]`.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture, rest @ ..] if rest.len() < 2 && parts.iter().all(|part| !part.is_empty()) => {
                Ok(Self { os: (*os).into(), architecture: (*architecture).into(), variant: rest.first().map(|variant| (*variant).into()) })
            }
            _ => Err(PlatformError(text.chars().take(100).collect())),
        }
    }
}

/// A text that is no platform.
#[derive(Debug, thiserror::Error)]
#[error("invalid platform syntax for {0:?} (use OS/ARCH[/VARIANT])")]
pub struct PlatformError(String);

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(formatter, "/{variant}"))
    }
}
