//! What can be wrong with a configuration file.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("reading {0}")]
    Read(PathBuf, #[source] std::io::Error),
    #[error("writing {0}")]
    Write(PathBuf, #[source] std::io::Error),
    #[error("{0} is not valid TOML")]
    Toml(PathBuf, #[source] Box<toml::de::Error>),
    #[error("{0} is not valid JSON")]
    Json(PathBuf, #[source] serde_json::Error),
    #[error("{path}: {message}")]
    Value { path: PathBuf, message: String },
    #[error("credentials for {server} from {path}: {message}")]
    Credentials { path: PathBuf, server: String, message: String },
}
