use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::{Files, Host, Joined, generate};
use crate::spec::capability;
use crate::spec::mounts::Backing;
use crate::spec::users::ResolvedUser;
use crate::storage::{ContainerConfig, Mount, MountKind, Namespace, NetworkMode};

fn config() -> ContainerConfig {
    let mut config =
        ContainerConfig { id: "ab".repeat(32), hostname: "abababababab".into(), stop_signal: 15, ..ContainerConfig::default() };
    config.process.args = vec!["sleep".into(), "1000".into()];
    config.process.env = vec!["PATH=/bin".into(), "container=podman".into()];
    config.process.umask = "0022".into();
    config.security.capabilities = capability::DEFAULT.iter().map(ToString::to_string).collect();
    config.security.read_only_tmpfs = true;
    config.shm_size = 65_536_000;
    config
}

fn build(config: &ContainerConfig, backings: &[Backing]) -> Spec {
    let run = |name: &str| Some(PathBuf::from(format!("/run/{name}")));
    let files = Files { hosts: run("hosts"), hostname: run("hostname"), containerenv: run("containerenv"), ..Files::default() };
    let user = ResolvedUser { home: "/root".into(), ..ResolvedUser::default() };
    let host = Host {
        files: &files,
        user: &user,
        backings,
        joined: &Joined::default(),
        devices: &[],
        limit: |_| Some((1024, 20000)),
        rootfs: Path::new("/merged"),
    };
    generate(config, &host).unwrap()
}

fn mounts(spec: &Spec) -> Vec<(String, String, Vec<String>)> {
    let list = spec.mounts().iter().flatten();
    list.map(|mount| {
        let kind = mount.typ().clone().unwrap_or_default();
        (mount.destination().display().to_string(), kind, mount.options().clone().unwrap_or_default())
    })
    .collect()
}

#[test]
fn the_default_container_is_podmans() {
    let spec = build(&config(), &[]);
    let destinations: Vec<String> = mounts(&spec).into_iter().map(|(destination, ..)| destination).collect();
    let expected = [
        "/proc",
        "/dev",
        "/sys",
        "/dev/pts",
        "/dev/mqueue",
        "/dev/shm",
        "/etc/hosts",
        "/run/.containerenv",
        "/etc/hostname",
        "/sys/fs/cgroup",
    ];
    assert_eq!(destinations.len(), expected.len());
    for destination in expected {
        assert!(destinations.contains(&destination.to_owned()), "{destination} in {destinations:?}");
    }
    let process = spec.process().as_ref().unwrap();
    assert_eq!(process.env().as_deref().unwrap_or_default(), ["PATH=/bin", "container=podman", "HOME=/root", "HOSTNAME=abababababab"]);
    let capabilities = process.capabilities().as_ref().unwrap();
    assert_eq!(capabilities.effective().as_ref().map(std::collections::HashSet::len), Some(11));
    let limits = process.rlimits().as_ref().unwrap();
    assert_eq!(limits.iter().map(|limit| (limit.soft(), limit.hard())).collect::<Vec<_>>(), [(20000, 20000); 2]);
    let linux = spec.linux().as_ref().unwrap();
    assert_eq!(linux.namespaces().as_ref().unwrap().len(), 7);
    assert_eq!(linux.masked_paths().as_ref().unwrap().len(), 12);
    assert_eq!(linux.readonly_paths().as_ref().unwrap().len(), 6);
    assert_eq!(linux.sysctl().as_ref().unwrap()["net.ipv4.ping_group_range"], "0 0");
}

#[test]
fn other_users_hold_only_what_was_added() {
    let mut config = config();
    config.security.cap_add = vec!["CAP_NET_ADMIN".into()];
    let sets = super::capabilities(&config, false);
    for set in [sets.effective(), sets.permitted(), sets.inheritable(), sets.ambient()] {
        assert_eq!(set.as_ref().map(std::collections::HashSet::len), Some(1));
    }
}

#[test]
fn the_hosts_namespaces_change_the_mounts() {
    let mut config = config();
    config.network.mode = NetworkMode::Host;
    config.namespaces.pid = Namespace::Host;
    config.namespaces.uts = Namespace::Host;
    let spec = build(&config, &[]);
    let kinds: Vec<(String, String)> = mounts(&spec).into_iter().map(|(destination, kind, _)| (destination, kind)).collect();
    assert!(kinds.contains(&("/proc".into(), "bind".into())));
    assert!(kinds.contains(&("/sys".into(), "bind".into())));
    assert_eq!(spec.hostname(), &None);
    let linux = spec.linux().as_ref().unwrap();
    let types: Vec<LinuxNamespaceType> = linux.namespaces().iter().flatten().map(|namespace| namespace.typ()).collect();
    assert!(!types.contains(&LinuxNamespaceType::Pid) && !types.contains(&LinuxNamespaceType::Network));
    assert_eq!(linux.masked_paths().as_ref().unwrap()[0], "/sys/kernel");
}

#[test]
fn user_mounts_get_podmans_options_and_take_the_place_of_ours() {
    let mut config = config();
    let mount = |kind, destination: &str, options: &[&str]| Mount {
        kind,
        destination: destination.into(),
        options: options.iter().map(ToString::to_string).collect(),
        ..Mount::default()
    };
    config.mounts = vec![
        mount(MountKind::Bind, "/etc/hosts", &["ro", "Z"]),
        mount(MountKind::Volume, "/data", &[]),
        mount(MountKind::Tmpfs, "/x", &["size=1m", "exec"]),
        mount(MountKind::Overlay, "/y", &["O"]),
    ];
    let backings = [
        Backing::Path("/etc/hosts".into()),
        Backing::Path("/volumes/data".into()),
        Backing::None,
        Backing::Overlay { lower: vec!["/a,b".into()], upper: Some(("/u".into(), "/w".into())) },
    ];
    let mounts = mounts(&build(&config, &backings));
    let options = |destination: &str| {
        let found: Vec<_> = mounts.iter().filter(|(name, ..)| name == destination).collect();
        assert_eq!(found.len(), 1, "{destination}");
        found[0].2.join(",")
    };
    assert_eq!(options("/etc/hosts"), "ro,rprivate,rbind");
    assert_eq!(options("/data"), "rprivate,nosuid,nodev,rbind");
    assert_eq!(options("/x"), "size=1m,rprivate,nosuid,nodev,tmpcopyup");
    assert_eq!(options("/y"), "lowerdir=/a\\,b,upperdir=/u,workdir=/w,private,userxattr");
}

#[test]
fn unmask_and_privileged_uncover() {
    let mut config = config();
    config.security.unmask = vec!["/proc/a*".into()];
    let masked = build(&config, &[]).linux().as_ref().unwrap().masked_paths().clone().unwrap();
    assert!(!masked.contains(&"/proc/acpi".into()) && masked.contains(&"/proc/keys".into()));
    config.security.privileged = true;
    assert_eq!(build(&config, &[]).linux().as_ref().unwrap().masked_paths(), &None);
}
