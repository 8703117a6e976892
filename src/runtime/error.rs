//! What can go wrong in starting a container, and the exit code it means.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("invalid specification: {0}")]
    Spec(String),
    #[error(transparent)]
    Userns(#[from] crate::userns::Error),
    /// A step on our side of the clone.
    #[error("{step}")]
    System { step: String, source: io::Error },
    /// A step of the init process inside the new namespaces.
    #[error("container {id}: {step}")]
    Init { id: String, step: String, source: io::Error },
    #[error("container {id}: init ended before it was ready (killed, or out of memory)")]
    InitDied { id: String },
    /// Exit code 127. The text is in the words of the OCI runtimes that scripts know.
    #[error("{0}: OCI runtime attempted to invoke a command that was not found")]
    CommandNotFound(String),
    /// Exit code 126.
    #[error("{0}: OCI permission denied")]
    NotExecutable(String),
    /// Exit code 126.
    #[error("workdir {path:?} {problem}")]
    Workdir { path: String, problem: String },
    #[error("container {0} is not running")]
    NotRunning(String),
}

impl Error {
    /// podman's exit code: 127 for a command not found, 126 for one that cannot be executed, else 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::CommandNotFound(_) => 127,
            Self::NotExecutable(_) | Self::Workdir { .. } => 126,
            _ => 125,
        }
    }

    /// The exact command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Userns(error) => error.hint(),
            _ => None,
        }
    }
}
