//! What a command can fail with, and the exit code it means.

use std::path::PathBuf;

use crate::{config, image, monitor, network, runtime, seccomp, spec, storage, userns};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Paths(#[from] config::PathsError),
    #[error(transparent)]
    Storage(#[from] storage::Error),
    #[error(transparent)]
    Spec(#[from] spec::Error),
    #[error(transparent)]
    Userns(#[from] userns::Error),
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    #[error(transparent)]
    Monitor(#[from] monitor::Error),
    #[error(transparent)]
    Config(#[from] config::Error),
    #[error(transparent)]
    Network(#[from] network::Error),
    #[error(transparent)]
    Image(#[from] image::Error),
    #[error(transparent)]
    Seccomp(#[from] seccomp::Error),
    /// What the user asked for contradicts itself or the state of things; the text is the whole message.
    #[error("{0}")]
    Invalid(String),
    /// A container could not be started; the code is podman's 125, 126 or 127.
    #[error("{message}")]
    Launch { code: u8, message: String, hint: Option<String> },
    /// The container is not in a state that allows what was asked for.
    #[error("{message}: container state improper")]
    State { code: u8, message: String },
    #[error("{action} {path}", path = .path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
}

impl Error {
    /// For `map_err`: names what was done to which path.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// The exit code of a command that fails with this, where the verb has no code of its own for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Launch { code, .. } | Self::State { code, .. } => *code,
            Self::Network(error) => error.exit_code(),
            Self::Runtime(error) => error.exit_code(),
            Self::Monitor(monitor::Error::Launch(failure)) => failure.code,
            Self::Spec(spec::Error::UnknownUser(_) | spec::Error::UnknownGroup(_) | spec::Error::NoWorkdir(..)) => 126,
            _ => 125,
        }
    }

    /// The message with those of its causes.
    pub fn message(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }

    /// The exact command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Launch { hint, .. } => hint.clone(),
            Self::Network(error) => error.hint(),
            Self::Userns(error) => error.hint(),
            Self::Image(error) => error.hint(),
            Self::Storage(error) => error.hint(),
            Self::Runtime(error) => error.hint(),
            Self::Monitor(monitor::Error::Launch(failure)) => failure.hint.clone(),
            _ => None,
        }
    }
}
