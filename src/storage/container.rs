//! What a container is, as kept on disk: the configuration fixed when it was created and the state that changes.
//!
//! Both are JSON files in the container's directory. `ps` reads [`ContainerState`] alone, so that holds all that it shows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::network::PortMapping;
use crate::userns::IdMap;

/// Everything `create` decided: flags, image defaults and containers.conf already resolved into one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerConfig {
    /// 64 hexadecimal digits.
    pub id: String,
    pub name: String,
    /// RFC 3339 with nanoseconds and zone.
    pub created: String,
    /// The command line that made it (`dulse run …`), as `inspect` shows it.
    pub create_command: Vec<String>,
    pub root: Root,
    pub process: Process,
    pub hostname: String,
    /// The hostname was asked for, rather than the first 12 digits of the ID.
    pub hostname_set: bool,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
    /// `--image-volume`: bind, tmpfs or ignore. Image volumes are already among `mounts`.
    pub image_volume: String,
    pub volumes_from: Vec<String>,
    pub devices: Vec<Device>,
    pub shm_size: u64,
    pub sysctls: BTreeMap<String, String>,
    pub security: Security,
    pub namespaces: Namespaces,
    /// The mapping of the container's user namespace.
    pub id_map: IdMap,
    /// `--uidmap` or `--gidmap` said so, whatever `namespaces.user` is.
    pub id_map_custom: bool,
    pub network: Network,
    pub restart: RestartPolicy,
    pub stop_signal: i32,
    /// Seconds between the stop signal and SIGKILL; negative waits for ever.
    pub stop_timeout: i64,
    /// `--timeout`: seconds until the container is killed; 0 is never.
    pub timeout: u64,
    pub log: LogConfig,
    pub auto_remove: bool,
    /// `--rmi`: remove the image as well, unless something else uses it.
    pub remove_image: bool,
    pub pid_file: Option<PathBuf>,
    pub cid_file: Option<PathBuf>,
    pub conmon_pid_file: Option<PathBuf>,
    /// After creation `Always` or `Never`: what `Auto` means depends on the command.
    pub systemd: Systemd,
    pub init: bool,
    pub init_path: Option<PathBuf>,
}

/// Where the root file system comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    Image {
        /// Image ID: the hexadecimal digest of its configuration.
        id: String,
        /// The name shown by `ps`: fully qualified where the user named it, else the ID.
        name: String,
        /// Manifest digest.
        digest: String,
        /// What the user typed.
        raw_name: String,
        /// Layer directories' diff IDs, lowest first.
        layers: Vec<String>,
    },
    /// `--rootfs PATH[:O]`.
    Directory { path: PathBuf, overlay: bool },
}

impl Default for Root {
    fn default() -> Self {
        Self::Directory { path: PathBuf::new(), overlay: false }
    }
}

/// The container's first process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// What is executed: entrypoint and command together.
    pub args: Vec<String>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub env: Vec<String>,
    pub workdir: String,
    /// `-w` was given: then the directory must exist, else it is the image's and made where missing.
    pub workdir_set: bool,
    /// `--user` or the image's USER, unresolved: it is looked up in the rootfs at each start.
    pub user: String,
    /// `--group-add`; `keep-groups` stands alone.
    pub groups: Vec<String>,
    pub terminal: bool,
    pub stdin_open: bool,
    /// Streams of `-a`; empty: all that apply.
    pub attach: Vec<String>,
    pub umask: String,
    pub timezone: String,
    /// `name=soft:hard` in runtime-spec words (RLIMIT_NOFILE …).
    pub rlimits: Vec<Rlimit>,
    /// `--ulimit host`: those of the caller stay.
    pub host_limits: bool,
    pub oom_score_adj: Option<i32>,
    pub preserve_fds: u32,
    /// `--passwd`: add an entry for an unknown user to /etc/passwd and /etc/group.
    pub passwd: bool,
    pub passwd_entry: String,
    pub group_entry: String,
    pub host_users: Vec<String>,
    pub personality: Option<String>,
}

/// `--systemd`: prepare the container for systemd as its first process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Systemd {
    #[default]
    Never,
    Auto,
    Always,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rlimit {
    pub kind: String,
    pub soft: u64,
    pub hard: u64,
}

/// One mount beside the default ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    pub kind: MountKind,
    /// Bind: host path. Volume: volume name. Image: image ID. Overlay: the lower directory.
    pub source: String,
    pub destination: String,
    /// mount(8)-style options in podman's words: ro, nosuid, rprivate, size=…, U, copy, nocopy, upperdir=…
    pub options: Vec<String>,
    /// The volume was made for this container and goes with it (`--rm`, `rm -v`).
    pub anonymous: bool,
    pub subpath: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountKind {
    #[default]
    Bind,
    Volume,
    Tmpfs,
    Ramfs,
    Devpts,
    /// A layer tree of another image, read-only unless `rw`.
    Image,
    /// `-v SRC:DST:O`: a throw-away overlay over a host directory.
    Overlay,
}

/// A host device given to the container (a bind mount, for a user without root).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Device {
    pub host: String,
    pub container: String,
    /// Any of r, w, m.
    pub permissions: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    pub privileged: bool,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    /// The result, `CAP_CHOWN` …, sorted.
    pub capabilities: Vec<String>,
    pub no_new_privileges: bool,
    pub seccomp: Seccomp,
    pub apparmor: String,
    pub label: Vec<String>,
    pub read_only: bool,
    pub read_only_tmpfs: bool,
    pub mask: Vec<String>,
    /// `ALL` or path globs.
    pub unmask: Vec<String>,
    pub proc_options: Vec<String>,
    /// The `--security-opt` values as given, for `inspect`.
    pub options: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seccomp {
    #[default]
    Default,
    Unconfined,
    Profile(PathBuf),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespaces {
    pub pid: Namespace,
    pub ipc: Namespace,
    pub uts: Namespace,
    pub cgroup: Namespace,
    /// `--userns` as given, for `inspect`; what it means is in `id_map`.
    pub user: String,
    /// For `--userns container:ID` and namespaces shared with a container: that container's user namespace is joined.
    pub user_of: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    #[default]
    Private,
    Host,
    /// IPC only: private, but other containers may join.
    Shareable,
    /// IPC only: private without /dev/shm.
    None,
    Container(String),
    Path(PathBuf),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    pub mode: NetworkMode,
    /// The mode was asked for by name: nothing else takes its place where its helper is missing.
    pub mode_set: bool,
    /// Options after `pasta:` or `slirp4netns:`.
    pub options: Vec<String>,
    pub ports: Vec<PortMapping>,
    pub expose: Vec<String>,
    pub publish_all: bool,
    /// `HOST:IP` as given, `host-gateway` unresolved.
    pub add_hosts: Vec<String>,
    /// `--dns`; `none` keeps the image's resolv.conf.
    pub dns: Vec<String>,
    pub dns_search: Vec<String>,
    pub dns_options: Vec<String>,
    pub no_hosts: bool,
    pub no_hostname: bool,
    /// `--hosts-file`: empty, `none`, `image` or a path.
    pub hosts_file: String,
    /// containers.conf's `host_containers_internal_ip`: empty, `none` or an address.
    pub host_address: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkMode {
    #[default]
    Pasta,
    Slirp4netns,
    Host,
    None,
    /// A new namespace with nothing but loopback is `None`; this one is left to others to configure.
    Container(String),
    Path(PathBuf),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    #[default]
    No,
    /// 0 retries: without limit.
    OnFailure(u32),
    Always,
    UnlessStopped,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// k8s-file, json-file, journald, none, passthrough or passthrough-tty.
    pub driver: String,
    pub path: PathBuf,
    /// Bytes; 0 is without limit.
    pub max_size: u64,
    pub tag: String,
    pub labels: Vec<String>,
}

/// What changes in a container's life, and what `ps` shows of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    pub id: String,
    pub status: Status,
    pub summary: Summary,
    /// PID of the container's first process, 0 when not running.
    pub pid: i32,
    /// Start time of that process in clock ticks since boot (field 22 of /proc/PID/stat): tells a reused PID.
    pub pid_start: u64,
    /// PID of the monitor.
    pub monitor_pid: i32,
    /// The boot this was written in (/proc/sys/kernel/random/boot_id): a running state of another boot is stale.
    pub boot_id: String,
    /// RFC 3339 or empty.
    pub started: String,
    pub finished: String,
    pub exit_code: i32,
    pub oom_killed: bool,
    pub error: String,
    pub restart_count: u32,
    /// `stop` or `kill` ended it: `unless-stopped` and `on-failure` stay down.
    pub stopped_by_user: bool,
    /// Ports as published at this start (random host ports chosen).
    pub ports: Vec<PortMapping>,
    /// Running exec sessions' IDs.
    pub exec_ids: Vec<String>,
}

/// libpod's container states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Created,
    Initialized,
    Running,
    Paused,
    Stopping,
    Stopped,
    Exited,
    Removing,
}

/// The part of the configuration that `ps` shows by default, repeated in the state so that one small file is enough.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    pub name: String,
    pub image: String,
    pub image_id: String,
    pub command: Vec<String>,
    pub created: String,
    pub labels: BTreeMap<String, String>,
    pub auto_remove: bool,
    pub networks: Vec<String>,
    pub expose: Vec<String>,
    pub mounts: Vec<String>,
}
