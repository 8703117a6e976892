//! What can be wrong with an option, or with the image that the options are applied to.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value that its option's grammar refuses; the text says which and why, in the words podman's users know.
    #[error("{0}")]
    Invalid(String),
    #[error("{0:?}: unknown capability")]
    UnknownCapability(String),
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    #[error("workdir {0:?} does not exist on container {1}")]
    NoWorkdir(String, String),
    #[error("no command or entrypoint provided, and no CMD or ENTRYPOINT from image")]
    NoCommand,
    #[error("statfs {0}: no such file or directory")]
    NoSource(PathBuf),
    #[error("{0}: duplicate mount destination")]
    DuplicateMount(String),
    #[error("{action} {path}", path = .path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("runtime specification: {0}")]
    Specification(#[from] oci_spec::OciSpecError),
}

impl Error {
    /// For `map_err`: names what was done to which path.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// Shorthand of the grammars.
pub(super) fn invalid<T>(message: String) -> Result<T, Error> {
    Err(Error::Invalid(message))
}
