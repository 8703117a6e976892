//! What the commands mean: the one place that decides what is written to the store.

pub mod container;
pub mod doctor;
mod error;
pub mod events;
pub mod filter;
pub mod image;
pub mod info;
pub mod inspect;
pub mod journal;
mod pattern;
pub mod system;
pub mod unshare;
pub mod volume;
pub mod when;

use std::path::PathBuf;

pub use error::Error;

use crate::config::Paths;
use crate::image::Progress;
use crate::storage::Store;

/// Where an engine works and what it was told on the command line.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--root`
    pub root: Option<PathBuf>,
    /// `--runroot`
    pub runroot: Option<PathBuf>,
    /// `--runtime`: an OCI runtime in place of ours.
    pub runtime: Option<PathBuf>,
    /// Who is told what a pull does; nobody by default.
    pub progress: Option<&'static dyn Progress>,
}

/// One user's engine. Opening it reads no configuration and starts nothing.
#[derive(Clone, Debug)]
pub struct Engine {
    pub paths: Paths,
    pub store: Store,
    pub options: Options,
}

impl Engine {
    /// Resolves the directories and opens the store.
    pub fn open(options: Options) -> Result<Self, Error> {
        let paths = Paths::resolve(options.root.as_deref(), options.runroot.as_deref())?;
        let store = Store::open(&paths)?;
        Ok(Self { paths, store, options })
    }
}
