//! What `run` and `create` are asked for: parsed, but with nothing of the image known yet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::oci::Platform;
use crate::spec::environment::Environment;
use crate::storage::ContainerConfig;

/// A container to be created. `config` holds what the flags alone decide; the rest is merged with the image's configuration.
#[derive(Clone, Debug, Default)]
pub struct CreateRequest {
    pub source: Source,
    pub config: ContainerConfig,
    /// The operands after the image.
    pub command: Vec<String>,
    /// `--entrypoint`; its presence also drops the image's command.
    pub entrypoint: Option<Vec<String>>,
    pub environment: EnvironmentRequest,
    pub user: Option<String>,
    pub workdir: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub stop_signal: Option<i32>,
    /// `-p` as given.
    pub publish: Vec<String>,
    pub uidmap: Vec<String>,
    pub gidmap: Vec<String>,
    pub subuidname: Option<String>,
    pub subgidname: Option<String>,
    /// Remove a container of the same name first.
    pub replace: bool,
}

/// Where the root file system is to come from.
#[derive(Clone, Debug)]
pub enum Source {
    Image { name: String, pull: Pull },
    Rootfs { path: PathBuf, overlay: bool },
}

impl Default for Source {
    fn default() -> Self {
        Self::Image { name: String::new(), pull: Pull::default() }
    }
}

/// How an image that is needed is fetched.
#[derive(Clone, Debug, Default)]
pub struct Pull {
    pub policy: PullPolicy,
    pub platform: Option<Platform>,
    pub authfile: Option<PathBuf>,
    pub creds: Option<String>,
    pub tls_verify: Option<bool>,
    pub retry: Option<u32>,
    pub retry_delay: Option<String>,
    pub quiet: bool,
}

/// `--pull`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    #[default]
    Missing,
    Always,
    Never,
    /// Pull where the registry has something newer; a failing registry is no error if there is a local image.
    Newer,
}

/// The environment's parts in rising precedence: image, proxies, host, `merge` and `unset` applied to these, then `set`.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentRequest {
    pub unset_all: bool,
    pub unset: Vec<String>,
    pub http_proxy: bool,
    pub host: bool,
    pub merge: Vec<String>,
    /// `--env-file` and `-e`.
    pub set: Environment,
}
