//! What is known of a host, as plain data.

use std::path::PathBuf;

use super::Distribution;

/// Everything the checks look at. A value that could not be read is `None`.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub distribution: Distribution,
    pub user: String,
    pub uid: u32,
    pub gid: u32,
    /// The running program.
    pub executable: PathBuf,
    /// `uname -r`
    pub kernel: String,

    pub max_user_namespaces: Option<u64>,
    pub unprivileged_userns_clone: Option<u64>,
    pub apparmor_restricts: bool,
    /// The real thing: a user namespace with one ID and a mount in it.
    pub namespace: Option<String>,
    pub newuidmap: Option<Program>,
    pub newgidmap: Option<Program>,
    /// How many subordinate IDs the user has, or why that is not known.
    pub subuids: u64,
    pub subgids: u64,
    pub subids_error: Option<String>,
    /// The command that adds a usual range.
    pub add_subids: String,
    /// What went wrong with a user namespace of the default map.
    pub mapped: Option<String>,

    /// The store's directory.
    pub data: PathBuf,
    /// Why nothing can be written there.
    pub data_error: Option<String>,
    /// The file system's name (`ext2/ext3`, `tmpfs`, `nfs` …).
    pub file_system: String,
    /// Bytes.
    pub free: u64,
    pub total: u64,
    pub free_inodes: Option<u64>,
    /// Why an overlay cannot be mounted there.
    pub overlay: Option<String>,
    /// Layers can be seen through another ID map without copies.
    pub data_only_layers: bool,

    pub xdg_runtime_dir: Option<PathBuf>,
    pub runtime: PathBuf,
    pub runtime_error: Option<String>,

    pub fuse: Access,
    pub tun: Access,
    pub pasta: Option<Program>,
    pub slirp4netns: Option<Program>,
    pub default_route: bool,
    pub ping_group_range: Option<(u64, u64)>,
    pub unprivileged_port_start: Option<u64>,

    /// 1, 2, or 0 where nothing is mounted.
    pub cgroup_version: u8,
    pub controllers: Vec<String>,
    pub systemd: bool,
    pub user_bus: bool,
    pub linger: Option<bool>,

    pub seccomp: bool,
    pub max_keys: Option<u64>,
    pub max_inotify_instances: Option<u64>,
}

/// A program of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    /// The first line that `--version` prints.
    pub version: String,
    /// Set-user-ID root or with file capabilities.
    pub privileged: bool,
}

/// A device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    #[default]
    Usable,
    Missing,
    Forbidden,
}
