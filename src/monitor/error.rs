//! What can go wrong between a client and a monitor.

use std::io;
use std::path::PathBuf;

use super::LaunchError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The monitor could not start the process; `code` is what the command ends with.
    #[error("{}", .0.message)]
    Launch(LaunchError),
    /// The monitor went away without a word: it was killed.
    #[error("the monitor ended without reporting an exit status")]
    Lost,
    #[error("connecting to the monitor at {path}")]
    Connect { path: PathBuf, source: io::Error },
    #[error("starting the monitor")]
    Spawn(#[source] io::Error),
    #[error("talking to the monitor")]
    Relay(#[source] io::Error),
    #[error("unexpected message from the monitor (type {0})")]
    Protocol(u8),
    #[error("{action} the terminal")]
    Terminal { action: &'static str, source: io::Error },
    #[error("log {path}")]
    Log { path: PathBuf, source: io::Error },
    #[error("log driver journald: connecting to {path}")]
    Journal { path: PathBuf, source: io::Error },
    #[error("writing the log's lines")]
    Output(#[source] io::Error),
    #[error("running journalctl, which reads the logs of the journald driver")]
    Journalctl(#[source] io::Error),
    #[error("this container is using the '{0}' log driver, cannot read logs: this container is not logging output")]
    NoLog(&'static str),
}

impl Error {
    /// What helps, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Launch(failure) => failure.hint.clone(),
            Self::Journal { .. } => Some("no journald runs here; choose --log-driver k8s-file".to_owned()),
            Self::Journalctl(_) => Some("journalctl comes with systemd; --log-driver k8s-file needs nothing".to_owned()),
            _ => None,
        }
    }
}
