//! What can go wrong in the store. Where podman has words for it, they are these words.

use std::io;
use std::path::{Path, PathBuf};

use crate::userns;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error("no space left for {}: the file system is full", .0.display())]
    Full(PathBuf),

    #[error("{} is damaged ({reason})", path.display())]
    Damaged { path: PathBuf, reason: String },

    #[error("{0}: image not known")]
    NoImage(String),

    #[error("{0}: more than one image has an ID that begins so")]
    AmbiguousImage(String),

    #[error("image used by {}: image is in use by a container: consider listing external containers and force-removing image", .containers.join(", "))]
    ImageInUse { image: String, containers: Vec<String> },

    #[error("{0}: tag not known")]
    NoTag(String),

    #[error("invalid image name {0:?}")]
    ImageName(String),

    #[error("no container with name or ID {0:?} found: no such container")]
    NoContainer(String),

    #[error("more than one result for container {0:?}: container already exists")]
    AmbiguousContainer(String),

    #[error(
        "the container name {name:?} is already in use by {id}. You have to remove that container to be able to reuse that name: \
         that name is already in use"
    )]
    NameInUse { name: String, id: String },

    #[error("container {0} lost its configuration in a crash of the machine; remove it with: dulse rm {0}")]
    LostConfig(String),

    #[error("names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument: {0:?}")]
    Name(String),

    #[error("no volume with name {0:?} found: no such volume")]
    NoVolume(String),

    #[error("more than one result for volume name {0}: volume already exists")]
    AmbiguousVolume(String),

    #[error("volume with name {0} already exists: volume already exists")]
    VolumeExists(String),

    #[error("volume {name} is being used by the following container(s): {}: volume is being used", .containers.join(", "))]
    VolumeInUse { name: String, containers: Vec<String> },

    #[error("layer {0} is not in the store")]
    NoLayer(String),

    #[error("layer {layer}: {reason}")]
    Layer { layer: String, reason: String },

    #[error("layer {layer}: the file system is full: {reason}")]
    LayerFull { layer: String, reason: String },

    #[error("layer {layer}: {reason}")]
    LayerId { layer: String, reason: String, hint: String },

    #[error("{0}")]
    Task(String),

    #[error("the layer worker ended early{0}")]
    Worker(String),

    #[error(transparent)]
    Userns(#[from] userns::Error),
}

impl Error {
    /// The command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::LayerId { hint, .. } => Some(hint.clone()),
            Self::Userns(error) => error.hint(),
            _ => None,
        }
    }

    /// An I/O error at a path; a full disk is told apart.
    pub(super) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let path = path.as_ref().to_owned();
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
                _ => Self::Io { action, path, source },
            }
        }
    }
}
