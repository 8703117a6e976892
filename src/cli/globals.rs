//! The options that stand before the verb.

use std::path::PathBuf;

/// Global options, podman's names.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Globals {
    /// Directory of images, layers, containers and volumes
    #[arg(long, global = false, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Directory of transient state
    #[arg(long, value_name = "DIR")]
    pub runroot: Option<PathBuf>,
    /// Log messages at or above this level (trace, debug, info, warn, error, fatal, panic)
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub log_level: String,
    /// Storage driver: overlay (the kernel's) or fuse
    #[arg(long, value_name = "DRIVER")]
    pub storage_driver: Option<String>,
    /// Storage driver options
    #[arg(long, value_name = "OPTION")]
    pub storage_opt: Vec<String>,
    /// Cgroup manager: systemd or cgroupfs
    #[arg(long, value_name = "MANAGER")]
    pub cgroup_manager: Option<String>,
    /// OCI runtime to use instead of dulse's own
    #[arg(long, value_name = "PATH")]
    pub runtime: Option<PathBuf>,
}

impl Globals {
    /// The engine that these options ask for.
    pub fn engine(&self) -> Result<crate::engine::Engine, crate::engine::Error> {
        crate::engine::Engine::open(self.options())
    }

    /// What they say about where and how it works.
    pub fn options(&self) -> crate::engine::Options {
        crate::engine::Options {
            root: self.root.clone(),
            runroot: self.runroot.clone(),
            runtime: self.runtime.clone(),
            progress: Some(&super::progress::DISPLAY),
        }
    }
}
