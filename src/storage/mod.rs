//! The store: layers, images, containers and volumes as files, one directory per object.
//!
//! ```text
//! DATA/layers/<diff ID>/{diff/,layer.json,tar.zst,bodies/}      one unpacked layer and what rebuilds its tar
//! DATA/images/<image ID>/{image.json,config,manifest}           config and manifest are kept byte for byte
//! DATA/tags/<name>            -> ../images/<image ID>           '/' of a name is written as '+'
//! DATA/containers/<ID>/{config.json,state.json,upper/,work/}
//! DATA/containers/by-name/<name> -> the ID in base64            making this link is what reserves the name
//! DATA/volumes/<name>/{volume.json,_data/}
//! DATA/mapped/<mapping>/<layers>/tree/                          images' files seen through another ID map
//! DATA/tmp/                                                     work in progress; swept when its owner's lock is gone
//! DATA/locks/                                                   DATA/merged is every container's mount point
//! RUNTIME/containers/<ID>/{lock,…}                              the monitor holds `lock` while it lives
//! ```
//!
//! What makes it survive `kill -9` and power cuts: objects appear and disappear by rename or by one link, so there is no half of one;
//! readers take no locks; an image becomes visible only after its layers have been synced to disk; what is written without sync (a
//! container's state, which changes at every start) is small, and an empty or torn file is recognised and made up from the others.

mod container;
pub mod containers;
mod copy;
mod error;
pub mod image;
mod json;
pub mod layer;
pub mod mapped;
mod remove;
mod sweep;
mod task;
pub mod usage;
pub mod volumes;

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub use container::*;
pub use error::Error;
pub use remove::remove_tree;
pub use task::{ROLE as TASK_ROLE, main as task_main};
pub use usage::{Usage, measure, reset, usage as disk_usage};

use crate::config::Paths;
use crate::sys::lock::{Lock, Mode};

/// The store of one user. Opening it costs one system call; nothing is kept open and nothing is cached.
#[derive(Clone, Debug)]
pub struct Store {
    data: PathBuf,
    runtime: PathBuf,
}

/// The directories of a store, `containers` last: its presence says that the others are there.
const DIRECTORIES: [&str; 8] = ["layers", "images", "tags", "volumes", "tmp", "locks", "merged", "containers/by-name"];

impl Store {
    /// Opens the store, making its directories where they are missing.
    pub fn open(paths: &Paths) -> Result<Self, Error> {
        let store = Self { data: paths.data.clone(), runtime: paths.runtime.clone() };
        if !store.data.join("containers/by-name").is_dir() {
            for name in DIRECTORIES {
                let path = store.data.join(name);
                DirBuilder::new().recursive(true).mode(0o711).create(&path).map_err(Error::io("create", &path))?;
            }
        }
        Ok(store)
    }

    /// The directory of what lasts.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The directory of what a reboot clears.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Where every container mounts its root file system, each in a mount namespace of its own.
    pub fn mount_point(&self) -> PathBuf {
        self.data.join("merged")
    }

    /// Keeps images from being removed while held: taken from looking an image up until the container that uses it is created.
    pub fn hold_images(&self) -> Result<Lock, Error> {
        let path = self.data.join("locks/images");
        Lock::file(&path, Mode::Shared).map_err(Error::io("lock", &path))
    }

    /// Removes what killed processes have left under `tmp/`.
    pub fn sweep(&self) -> Result<(), Error> {
        if names_in(&self.data.join("tmp"))?.is_empty() {
            return Ok(());
        }
        task::run(&task::Task::Sweep { data: self.data.clone() }, &[])
    }

    fn lock_images(&self) -> Result<Lock, Error> {
        let path = self.data.join("locks/images");
        Lock::file(&path, Mode::Exclusive).map_err(Error::io("lock", &path))
    }
}

/// The names in a directory; a missing directory has none.
fn names_in(path: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::io("read", path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        if let Ok(name) = entry.map_err(Error::io("read", path))?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}
