//! Where dulse keeps things, by the XDG Base Directory specification.

use std::path::PathBuf;

/// The directories of one user. Nothing here is created by resolving it: see [`Paths::resolve`].
#[derive(Clone, Debug)]
pub struct Paths {
    /// `$XDG_DATA_HOME/dulse`, or `--root`: images, layers, containers, volumes.
    pub data: PathBuf,
    /// `$XDG_RUNTIME_DIR/dulse`, or `--runroot`: locks, sockets, what is gone after a reboot.
    pub runtime: PathBuf,
    /// `$XDG_CACHE_HOME/dulse`: compiled seccomp filters, probes.
    pub cache: PathBuf,
    /// `$XDG_CONFIG_HOME/containers`.
    pub config: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    #[error("no home directory: HOME is not set and uid {0} has no entry in /etc/passwd")]
    NoHome(u32),
    #[error("runtime directory {0} belongs to uid {1}, not to uid {2}")]
    ForeignOwner(PathBuf, u32, u32),
    #[error("runtime directory {0} is open to others (mode {1:o}); run: chmod 700 {0}")]
    OpenToOthers(PathBuf, u32),
    #[error("{0}")]
    Io(PathBuf, #[source] std::io::Error),
}
