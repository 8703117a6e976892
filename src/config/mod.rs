//! The user's configuration: XDG directories and the container ecosystem's own files.
//!
//! [`Config::load`] reads containers.conf alone, since every command wants it and it costs a few failed opens where there is none;
//! registries.conf, policy.json and auth.json are read when a registry is spoken to.

mod auth;
mod containers;
mod error;
mod files;
mod paths;
mod policy;
mod registries;
mod short_names;

pub use auth::{AuthFiles, Credentials};
pub use containers::{ContainersTable, EngineTable, NetworkTable};
pub use error::Error;
pub use paths::{Paths, PathsError};
pub use policy::Policy;
pub use registries::{Endpoint, Registries, ShortNameMode};
pub use short_names::Aliases;

/// containers.conf(5), all its files merged, and where the other files are looked for.
#[derive(Clone, Debug)]
pub struct Config {
    pub paths: Paths,
    /// `[containers]`
    pub containers: ContainersTable,
    /// `[engine]`
    pub engine: EngineTable,
    /// `[network]`
    pub network: NetworkTable,
}

impl Config {
    /// Reads the system's and the user's containers.conf with their drop-ins.
    pub fn load(paths: &Paths) -> Result<Self, Error> {
        containers::load(paths)
    }

    /// Reads registries.conf and its drop-ins.
    pub fn registries(&self) -> Result<Registries, Error> {
        Registries::load(&self.paths)
    }

    /// Reads policy.json, or `file` instead.
    pub fn policy(&self, file: Option<&std::path::Path>) -> Result<Policy, Error> {
        Policy::load(&self.paths, file)
    }
}
