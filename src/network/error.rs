//! What can go wrong with a network, and the command that mends it.

use std::io;
use std::path::PathBuf;

use super::Backend;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not find {}, the network namespace can't be configured", .0.program())]
    NoHelper(Backend),
    #[error("/dev/net/tun {0}, the network namespace can't be configured")]
    NoTun(&'static str, Option<String>),
    #[error("cannot run {program}", program = .0.program())]
    Run(Backend, #[source] io::Error),
    #[error("{program} failed with exit code {code}:\n{message}", program = .backend.program())]
    Failed { backend: Backend, code: i32, message: String },
    /// A port of the host that cannot be listened on; `reason` is in the words that scripts look for.
    #[error("listen {protocol} {address}: bind: {reason}")]
    Listen { protocol: String, address: String, reason: String, hint: Option<String> },
    #[error("can't forward protocol: {0}")]
    Protocol(String),
    #[error("no free port of the host for {0}/{1}")]
    NoFreePort(u16, String),
    /// Bad input of the user; the text is the whole message.
    #[error("{0}")]
    Invalid(String),
    #[error("{action} {path}", path = .path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl Error {
    /// For `map_err`: names what was done to which path.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// podman's exit codes: 125 for what the command line says, 126 for what happens at a start.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Invalid(_)) { 125 } else { 126 }
    }

    /// The exact command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoHelper(Backend::Pasta) => Some("sudo apt-get install passt (or run with --network none or --network host)".into()),
            Self::NoHelper(Backend::Slirp4netns) => Some("sudo apt-get install slirp4netns (or run with --network none)".into()),
            Self::NoTun(_, hint) | Self::Listen { hint, .. } => hint.clone(),
            Self::Failed { message, .. } if message.contains("routable interface") || message.contains("external interface") => {
                Some("the host has no default route: run with --network none, or install slirp4netns".into())
            }
            _ => None,
        }
    }
}

/// For the early return of a parser.
pub(super) fn invalid<T>(message: String) -> Result<T, Error> {
    Err(Error::Invalid(message))
}
