//! The runtime specification of a container: podman's default rootless one, changed by what the configuration says.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxCapabilities, LinuxIdMapping, LinuxIdMappingBuilder, LinuxNamespace, LinuxNamespaceType,
    PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process, Root, Spec, User,
};

use super::mounts::{self, Backing};
use super::users::ResolvedUser;
use super::{Error, environment::Environment, ulimit};
use crate::storage::{ContainerConfig, Namespace, NetworkMode, Systemd};
use crate::userns::IdMapping;

/// What the host and this start contribute.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    pub files: &'a Files,
    pub user: &'a ResolvedUser,
    /// One for each of the configuration's mounts.
    pub backings: &'a [Backing],
    pub joined: &'a Joined,
    /// Device nodes of the host, for `--privileged`.
    pub devices: &'a [PathBuf],
    /// Soft and hard limit of this process by runtime-spec name.
    pub limit: fn(&str) -> Option<(u64, u64)>,
    /// Where the root file system will be.
    pub rootfs: &'a Path,
}

/// Generated files on the host, each mounted at its place; `None` leaves the image's.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub hosts: Option<PathBuf>,
    pub resolv_conf: Option<PathBuf>,
    pub hostname: Option<PathBuf>,
    pub containerenv: Option<PathBuf>,
    pub passwd: Option<PathBuf>,
    pub group: Option<PathBuf>,
    pub localtime: Option<PathBuf>,
    /// The init program, which then runs the command.
    pub init: Option<PathBuf>,
}

/// Namespaces that are not made but entered.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    pub pid: Option<PathBuf>,
    pub ipc: Option<PathBuf>,
    pub uts: Option<PathBuf>,
    pub cgroup: Option<PathBuf>,
    pub network: Option<PathBuf>,
    pub user: Option<PathBuf>,
}

/// podman 5.8's masked paths.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
    "/proc/interrupts",
];

const READ_ONLY: [&str; 6] = ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The specification for one start.
pub fn generate(config: &ContainerConfig, host: &Host<'_>) -> Result<Spec, Error> {
    let mut root = Root::default();
    root.set_path(host.rootfs.to_owned());
    root.set_readonly(config.security.read_only.then_some(true));

    let mut spec = Spec::default();
    spec.set_version("1.2.1".into());
    spec.set_root(Some(root));
    spec.set_mounts(Some(mounts::list(config, host)));
    spec.set_process(Some(process(config, host)?));
    let own_uts = !matches!(config.namespaces.uts, Namespace::Host | Namespace::Container(_) | Namespace::Path(_));
    spec.set_hostname(own_uts.then(|| config.hostname.clone()));
    spec.set_linux(Some(linux(config, host)?));
    let mut annotations: HashMap<String, String> =
        HashMap::from([("org.opencontainers.image.stopSignal".to_owned(), config.stop_signal.to_string())]);
    annotations.extend(config.annotations.iter().map(|(key, value)| (key.clone(), value.clone())));
    spec.set_annotations(Some(annotations));
    Ok(spec)
}

fn process(config: &ContainerConfig, host: &Host<'_>) -> Result<Process, Error> {
    let settings = &config.process;
    if settings.args.is_empty() {
        return Err(Error::NoCommand);
    }
    let mut process = Process::default();
    process.set_terminal(settings.terminal.then_some(true));
    process.set_console_size(None);
    let mut user = user(host.user, &settings.umask);
    if !settings.user.is_empty() {
        // As podman does for a user that was asked for: its own group is among the supplementary ones, too.
        let mut groups = user.additional_gids().clone().unwrap_or_default();
        if !groups.contains(&user.gid()) {
            groups.insert(0, user.gid());
        }
        user.set_additional_gids(Some(groups));
    }
    process.set_user(user);
    let mut args = settings.args.clone();
    if host.files.init.is_some() {
        args.splice(0..0, [super::init::DESTINATION.to_owned(), "--".to_owned()]);
    }
    process.set_args(Some(args));
    process.set_env(Some(environment(config, host.user)));
    process.set_cwd(PathBuf::from(if settings.workdir.is_empty() { "/" } else { &settings.workdir }));
    process.set_capabilities(Some(capabilities(config, host.user.uid == 0)));
    process.set_no_new_privileges(config.security.no_new_privileges.then_some(true));
    process.set_apparmor_profile(Some(config.security.apparmor.clone()).filter(|profile| !matches!(profile.as_str(), "" | "unconfined")));
    process.set_oom_score_adj(settings.oom_score_adj);
    process.set_rlimits(Some(limits(config, host.limit)?));
    Ok(process)
}

/// The resource limits of a process of the container.
pub fn limits(config: &ContainerConfig, limit_of: fn(&str) -> Option<(u64, u64)>) -> Result<Vec<PosixRlimit>, Error> {
    let settings = &config.process;
    let limits = if settings.host_limits {
        settings.rlimits.clone()
    } else {
        ulimit::with_defaults(settings.rlimits.clone(), |kind| limit_of(kind).map_or(u64::MAX, |(_, hard)| hard))
    };
    let mut rlimits = Vec::with_capacity(limits.len());
    for limit in limits {
        // Without root, a hard limit can only be lowered.
        let ceiling = limit_of(&limit.kind).map_or(u64::MAX, |(_, hard)| hard);
        let kind = limit.kind.parse::<PosixRlimitType>().map_err(|_| Error::Invalid(format!("invalid ulimit type: {}", limit.kind)))?;
        rlimits.push(PosixRlimitBuilder::default().typ(kind).soft(limit.soft.min(ceiling)).hard(limit.hard.min(ceiling)).build()?);
    }
    Ok(rlimits)
}

/// Only the namespaces of a container, for executing in it.
pub fn namespaces_of(config: &ContainerConfig) -> Linux {
    let mut linux = Linux::default();
    linux.set_namespaces(Some(namespaces(config, &Joined::default())));
    linux
}

/// The specification's user, with the file mode creation mask.
pub fn user(resolved: &ResolvedUser, umask: &str) -> User {
    let mut user = User::default();
    user.set_uid(resolved.uid);
    user.set_gid(resolved.gid);
    user.set_umask(Some(u32::from_str_radix(umask, 8).unwrap_or(0o022)));
    user.set_additional_gids(Some(resolved.groups.clone()).filter(|groups| !groups.is_empty()));
    user
}

fn environment(config: &ContainerConfig, user: &ResolvedUser) -> Vec<String> {
    let mut environment = Environment::from_entries(&config.process.env);
    environment.set_default("HOME", &user.home);
    if config.systemd == Systemd::Always {
        environment.set("container_uuid", config.id.get(..32).unwrap_or_default());
    }
    environment.set_default("HOSTNAME", &config.hostname);
    environment.into_entries()
}

/// The sets of a process: root has all of the bounding set, others only what was explicitly added, as podman does it.
pub fn capabilities(config: &ContainerConfig, root: bool) -> LinuxCapabilities {
    let parse = |names: &[String]| names.iter().filter_map(|name| capability(name)).collect::<Capabilities>();
    let bounding = parse(&config.security.capabilities);
    let mut sets = LinuxCapabilities::default();
    let mut held = bounding.clone();
    let mut inherited = Capabilities::new();
    if !root {
        held = parse(&config.security.cap_add);
        if config.security.cap_add.iter().any(|name| name == "ALL") {
            held.clone_from(&bounding);
        }
        inherited.clone_from(&held);
    }
    sets.set_bounding(Some(bounding));
    sets.set_effective(Some(held.clone()));
    sets.set_permitted(Some(held));
    sets.set_inheritable(Some(inherited.clone()));
    sets.set_ambient(Some(inherited));
    sets
}

/// The specification's capability for `CAP_CHOWN` and so on.
fn capability(name: &str) -> Option<Capability> {
    name.strip_prefix("CAP_").and_then(|short| short.parse().ok())
}

fn linux(config: &ContainerConfig, host: &Host<'_>) -> Result<Linux, Error> {
    let security = &config.security;
    let mut linux = Linux::default();
    linux.set_resources(None);
    linux.set_devices(None);
    linux.set_namespaces(Some(namespaces(config, host.joined)));
    if host.joined.user.is_none() {
        linux.set_uid_mappings(Some(mappings(&config.id_map.uids)?));
        linux.set_gid_mappings(Some(mappings(&config.id_map.gids)?));
    } else {
        linux.set_uid_mappings(None);
        linux.set_gid_mappings(None);
    }
    let mut sysctls: HashMap<String, String> = config.sysctls.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    if !matches!(config.network.mode, NetworkMode::Host | NetworkMode::Container(_) | NetworkMode::Path(_)) {
        sysctls.entry("net.ipv4.ping_group_range".into()).or_insert_with(|| "0 0".into());
    }
    linux.set_sysctl(Some(sysctls));
    let shown = |path: &&str| !mounts::unmasked(config, path);
    if security.privileged {
        linux.set_masked_paths(None);
        linux.set_readonly_paths(None);
    } else {
        let mut masked: Vec<String> = MASKED.iter().filter(|path| shown(path)).map(ToString::to_string).collect();
        if config.network.mode == NetworkMode::Host && shown(&"/sys/kernel") {
            masked.insert(0, "/sys/kernel".into());
        }
        masked.extend(security.mask.iter().cloned());
        linux.set_masked_paths(Some(masked));
        linux.set_readonly_paths(Some(READ_ONLY.iter().filter(|path| shown(path)).map(ToString::to_string).collect()));
    }
    Ok(linux)
}

fn mappings(list: &[IdMapping]) -> Result<Vec<LinuxIdMapping>, Error> {
    let build = |map: &IdMapping| LinuxIdMappingBuilder::default().container_id(map.container).host_id(map.host).size(map.size).build();
    Ok(list.iter().map(build).collect::<Result<_, _>>()?)
}

fn namespaces(config: &ContainerConfig, joined: &Joined) -> Vec<LinuxNamespace> {
    let settings = &config.namespaces;
    let host = |mode: &Namespace| *mode == Namespace::Host;
    let mut list = Vec::with_capacity(7);
    let mut add = |kind: LinuxNamespaceType, hosts: bool, path: Option<&PathBuf>| {
        if !hosts {
            let mut namespace = LinuxNamespace::default();
            namespace.set_typ(kind);
            namespace.set_path(path.cloned());
            list.push(namespace);
        }
    };
    add(LinuxNamespaceType::User, false, joined.user.as_ref());
    add(LinuxNamespaceType::Pid, host(&settings.pid), joined.pid.as_ref());
    add(LinuxNamespaceType::Network, config.network.mode == NetworkMode::Host, joined.network.as_ref());
    add(LinuxNamespaceType::Ipc, host(&settings.ipc), joined.ipc.as_ref());
    add(LinuxNamespaceType::Uts, host(&settings.uts), joined.uts.as_ref());
    add(LinuxNamespaceType::Mount, false, None);
    add(LinuxNamespaceType::Cgroup, host(&settings.cgroup), joined.cgroup.as_ref());
    list
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
