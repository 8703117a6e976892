//! `HostConfig`: how the container was set into its host, in Docker's words.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Nullable;
use super::mounts;
use super::network::{self, Binding};
use crate::storage::{ContainerConfig, Namespace, NetworkMode, RestartPolicy, Seccomp};
use crate::userns::{IdMapping, SubIds};

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename = "*define.InspectContainerHostConfig", rename_all = "PascalCase")]
pub struct HostConfig {
    binds: Vec<String>,
    cgroup_manager: &'static str,
    cgroup_mode: String,
    #[serde(rename = "ContainerIDFile")]
    container_id_file: String,
    log_config: LogConfig,
    network_mode: String,
    port_bindings: BTreeMap<String, Vec<Binding>>,
    restart_policy: Restart,
    auto_remove: bool,
    auto_remove_image: bool,
    annotations: Nullable<BTreeMap<String, String>>,
    volume_driver: &'static str,
    volumes_from: Nullable<Vec<String>>,
    cap_add: Vec<String>,
    cap_drop: Vec<String>,
    dns: Vec<String>,
    dns_options: Vec<String>,
    dns_search: Vec<String>,
    extra_hosts: Vec<String>,
    hosts_file: String,
    group_add: Vec<String>,
    ipc_mode: String,
    cgroup: &'static str,
    cgroups: &'static str,
    links: Option<()>,
    oom_score_adj: i32,
    pid_mode: String,
    privileged: bool,
    publish_all_ports: bool,
    readonly_rootfs: bool,
    security_opt: Vec<String>,
    tmpfs: BTreeMap<String, String>,
    #[serde(rename = "UTSMode")]
    uts_mode: String,
    userns_mode: String,
    #[serde(rename = "IDMappings", skip_serializing_if = "Option::is_none")]
    id_mappings: Option<IdMappings>,
    shm_size: u64,
    runtime: &'static str,
    console_size: [u16; 2],
    isolation: &'static str,
    cpu_shares: u64,
    memory: u64,
    nano_cpus: u64,
    cgroup_parent: &'static str,
    blkio_weight: u16,
    blkio_weight_device: Option<()>,
    blkio_device_read_bps: Option<()>,
    blkio_device_write_bps: Option<()>,
    #[serde(rename = "BlkioDeviceReadIOps")]
    blkio_device_read_iops: Option<()>,
    #[serde(rename = "BlkioDeviceWriteIOps")]
    blkio_device_write_iops: Option<()>,
    cpu_period: u64,
    cpu_quota: i64,
    cpu_realtime_period: u64,
    cpu_realtime_runtime: i64,
    cpuset_cpus: &'static str,
    cpuset_mems: &'static str,
    devices: Vec<Device>,
    disk_quota: u64,
    kernel_memory: i64,
    memory_reservation: i64,
    memory_swap: i64,
    memory_swappiness: i64,
    oom_kill_disable: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    init: bool,
    pids_limit: i64,
    ulimits: Vec<Ulimit>,
    cpu_count: u64,
    cpu_percent: u64,
    #[serde(rename = "IOMaximumIOps")]
    io_maximum_iops: u64,
    #[serde(rename = "IOMaximumBandwidth")]
    io_maximum_bandwidth: u64,
    cgroup_conf: Option<()>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename = "*define.InspectLogConfig", rename_all = "PascalCase")]
struct LogConfig {
    #[serde(rename = "Type")]
    kind: String,
    config: Option<()>,
    path: String,
    tag: String,
    size: String,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename = "*define.InspectRestartPolicy", rename_all = "PascalCase")]
struct Restart {
    name: &'static str,
    maximum_retry_count: u32,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename = "*define.InspectIDMappings", rename_all = "PascalCase")]
struct IdMappings {
    uid_map: Vec<String>,
    gid_map: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "define.InspectDevice", rename_all = "PascalCase")]
struct Device {
    path_on_host: String,
    path_in_container: String,
    cgroup_permissions: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "define.InspectUlimit", rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    soft: i64,
    hard: i64,
}

impl HostConfig {
    pub fn of(config: &ContainerConfig) -> Self {
        let security = &config.security;
        let (name, maximum_retry_count) = match config.restart {
            RestartPolicy::No => ("no", 0),
            RestartPolicy::Always => ("always", 0),
            RestartPolicy::UnlessStopped => ("unless-stopped", 0),
            RestartPolicy::OnFailure(retries) => ("on-failure", retries),
        };
        let limit = |value: u64| i64::try_from(value).unwrap_or(-1);
        let devices = if security.privileged { &[][..] } else { &config.devices };
        Self {
            binds: mounts::binds(&config.mounts),
            cgroup_manager: "none",
            cgroup_mode: mode(&config.namespaces.cgroup),
            container_id_file: config.cid_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            log_config: LogConfig {
                kind: config.log.driver.clone(),
                config: None,
                path: if matches!(config.log.driver.as_str(), "none" | "journald") {
                    String::new()
                } else {
                    config.log.path.display().to_string()
                },
                tag: config.log.tag.clone(),
                size: if config.log.max_size == 0 { "-1B".into() } else { format!("{}B", config.log.max_size) },
            },
            network_mode: network_mode(config),
            port_bindings: network::bindings(&config.network.ports),
            restart_policy: Restart { name, maximum_retry_count },
            auto_remove: config.auto_remove,
            auto_remove_image: config.remove_image,
            annotations: Nullable(config.annotations.clone()),
            volumes_from: Nullable(config.volumes_from.clone()),
            cap_add: security.cap_add.clone(),
            cap_drop: security.cap_drop.clone(),
            dns: config.network.dns.clone(),
            dns_options: config.network.dns_options.clone(),
            dns_search: config.network.dns_search.clone(),
            extra_hosts: config.network.add_hosts.clone(),
            hosts_file: config.network.hosts_file.clone(),
            group_add: config.process.groups.iter().filter(|group| *group != "keep-groups").cloned().collect(),
            ipc_mode: mode(&config.namespaces.ipc),
            cgroups: "default",
            oom_score_adj: config.process.oom_score_adj.unwrap_or(0),
            pid_mode: mode(&config.namespaces.pid),
            privileged: security.privileged,
            publish_all_ports: config.network.publish_all,
            readonly_rootfs: security.read_only,
            security_opt: security_options(config),
            tmpfs: mounts::tmpfs(&config.mounts),
            uts_mode: mode(&config.namespaces.uts),
            userns_mode: if has_default_map(config) || config.namespaces.user.starts_with("auto") {
                String::new()
            } else {
                "private".into()
            },
            id_mappings: (!has_default_map(config)).then(|| id_mappings(config)),
            shm_size: config.shm_size,
            runtime: "oci",
            devices: devices
                .iter()
                .map(|device| Device {
                    path_on_host: device.host.clone(),
                    path_in_container: device.container.clone(),
                    cgroup_permissions: device.permissions.clone(),
                })
                .collect(),
            init: config.init,
            ulimits: config
                .process
                .rlimits
                .iter()
                .map(|rlimit| Ulimit { name: rlimit.kind.clone(), soft: limit(rlimit.soft), hard: limit(rlimit.hard) })
                .collect(),
            ..Self::default()
        }
    }
}

fn mode(namespace: &Namespace) -> String {
    match namespace {
        Namespace::Private => "private".into(),
        Namespace::Host => "host".into(),
        Namespace::Shareable => "shareable".into(),
        Namespace::None => "none".into(),
        Namespace::Container(id) => format!("container:{id}"),
        Namespace::Path(path) => format!("ns:{}", path.display()),
    }
}

fn network_mode(config: &ContainerConfig) -> String {
    let with_options = |name: &str| match config.network.options.is_empty() {
        true => name.to_owned(),
        false => format!("{name}:{}", config.network.options.join(",")),
    };
    match &config.network.mode {
        NetworkMode::Pasta => with_options("pasta"),
        NetworkMode::Slirp4netns => with_options("slirp4netns"),
        NetworkMode::Host => "host".into(),
        NetworkMode::None => "none".into(),
        NetworkMode::Container(id) => format!("container:{id}"),
        NetworkMode::Path(path) => format!("ns:{}", path.display()),
    }
}

fn security_options(config: &ContainerConfig) -> Vec<String> {
    let security = &config.security;
    let mut options: Vec<String> = security.label.iter().map(|label| format!("label={label}")).collect();
    if security.no_new_privileges {
        options.push("no-new-privileges".into());
    }
    match &security.seccomp {
        Seccomp::Unconfined if !security.privileged => options.push("seccomp=unconfined".into()),
        Seccomp::Profile(path) => options.push(format!("seccomp={}", path.display())),
        _ => {}
    }
    if !security.apparmor.is_empty() {
        options.push(format!("apparmor={}", security.apparmor));
    }
    if security.privileged {
        options.push("unmask=all".into());
    } else if !security.unmask.is_empty() {
        options.push(format!("unmask={}", security.unmask.join(":")));
    }
    options
}

/// The user is root in the container, as without `--userns`.
fn has_default_map(config: &ContainerConfig) -> bool {
    matches!(config.namespaces.user.as_str(), "" | "host")
        && (config.id_map.uids.first()).is_none_or(|first| first.container == 0 && first.size == 1)
}

/// The map in the IDs of the user's own range, as podman has it: 0 is the user, 1 the first subordinate ID.
fn id_mappings(config: &ContainerConfig) -> IdMappings {
    let own = SubIds::of_user().unwrap_or_default();
    let line = |mapping: &IdMapping, user: u32, ranges: &[crate::userns::Range]| {
        let mut next = 1;
        let mut host = if mapping.host == user { Some(0) } else { None };
        for range in ranges {
            if let Some(offset) = mapping.host.checked_sub(range.start).filter(|offset| *offset < range.size) {
                host = host.or(Some(next + offset));
            }
            next += range.size;
        }
        format!("{}:{}:{}", mapping.container, host.unwrap_or(mapping.host), mapping.size)
    };
    IdMappings {
        uid_map: config.id_map.uids.iter().map(|mapping| line(mapping, own.uid, &own.uids)).collect(),
        gid_map: config.id_map.gids.iter().map(|mapping| line(mapping, own.gid, &own.gids)).collect(),
    }
}
