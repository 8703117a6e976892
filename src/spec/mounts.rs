//! The list of mounts: podman's default ones, the generated files, the user's, in the order they must be made.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount as SpecMount;

use super::Host;
use crate::storage::{ContainerConfig, Mount, MountKind, Namespace, NetworkMode, Systemd};

/// What stands behind a mount of the configuration on this host at this start.
#[derive(Clone, Debug, Default)]
pub enum Backing {
    /// Nothing: tmpfs and the like.
    #[default]
    None,
    /// Host path of a bind mount or of a volume's files.
    Path(PathBuf),
    /// Directories topmost first; upper and work directory unless it is read-only.
    Overlay { lower: Vec<PathBuf>, upper: Option<(PathBuf, PathBuf)> },
}

/// All mounts, sorted by the depth of their destination; what the user mounts takes the place of ours at the same destination.
pub fn list(config: &ContainerConfig, host: &Host<'_>) -> Vec<SpecMount> {
    let mut mounts = List::default();
    kernel(&mut mounts, config);
    if config.security.privileged {
        for device in host.devices {
            mounts.bind(device, device, &["slave", "nosuid", "noexec", "rw", "rbind"]);
        }
    }
    for device in &config.devices {
        let access = if device.permissions.contains('w') { "rw" } else { "ro" };
        mounts.bind(Path::new(&device.host), Path::new(&device.container), &["slave", "nosuid", "noexec", access, "rbind"]);
    }
    generated(&mut mounts, config, host);
    if config.systemd == Systemd::Always {
        for destination in ["/run", "/run/lock", "/tmp", "/var/log/journal"] {
            mounts.add(destination, "tmpfs", "tmpfs", &["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"]);
        }
    } else if config.security.read_only && config.security.read_only_tmpfs {
        for destination in ["/run", "/tmp", "/var/tmp"] {
            mounts.add(destination, "tmpfs", "tmpfs", &["rw", "rprivate", "nosuid", "nodev", "tmpcopyup"]);
        }
    }
    for (mount, backing) in config.mounts.iter().zip(host.backings) {
        user(&mut mounts, mount, backing);
    }
    let mut list = mounts.0;
    list.sort_by_key(|mount| depth(mount.destination()));
    list
}

fn depth(path: &Path) -> usize {
    path.components().count()
}

/// /proc, /dev, /sys and below.
fn kernel(mounts: &mut List, config: &ContainerConfig) {
    let security = &config.security;
    let namespaces = &config.namespaces;
    let read_write = |writable: bool| if writable { "rw" } else { "ro" };
    if namespaces.pid == Namespace::Host {
        mounts.bind(Path::new("/proc"), Path::new("/proc"), &["rbind", "nosuid", "noexec", "nodev", "rprivate"]);
    } else {
        let mut options = vec!["nosuid", "noexec", "nodev"];
        options.extend(security.proc_options.iter().map(String::as_str));
        mounts.add("/proc", "proc", "proc", &options);
    }
    let mut options = vec!["nosuid", "strictatime", "mode=755", "size=65536k"];
    if security.read_only && !security.read_only_tmpfs {
        options.push("ro");
    }
    mounts.add("/dev", "tmpfs", "tmpfs", &options);
    // sysfs shows the devices of a network namespace, and only its owner may mount it.
    if config.network.mode == NetworkMode::Host {
        let access = read_write(security.privileged);
        mounts.bind(Path::new("/sys"), Path::new("/sys"), &["rprivate", "nosuid", "noexec", "nodev", access, "rbind"]);
    } else {
        mounts.add("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", read_write(security.privileged)]);
    }
    let mut options = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    // The group tty, where the container has it: the kernel refuses one that is not mapped.
    if config.id_map.gids.is_empty() || config.id_map.host_gid(5).is_some() {
        options.push("gid=5");
    }
    mounts.add("/dev/pts", "devpts", "devpts", &options);
    match namespaces.ipc {
        Namespace::Host => {
            for directory in ["/dev/mqueue", "/dev/shm"] {
                if Path::new(directory).exists() {
                    mounts.bind(Path::new(directory), Path::new(directory), &["bind", "nosuid", "noexec", "nodev"]);
                }
            }
        }
        _ => mounts.add("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    }
    if !matches!(namespaces.ipc, Namespace::Host | Namespace::None) {
        let size = format!("size={}", config.shm_size);
        let mut options = vec!["nosuid", "noexec", "nodev", "mode=1777"];
        if config.shm_size > 0 {
            options.push(&size);
        }
        if security.read_only && !security.read_only_tmpfs {
            options.push("ro");
        }
        mounts.add("/dev/shm", "tmpfs", "shm", &options);
    }
    let writable = security.privileged || config.systemd == Systemd::Always || unmasked(config, "/sys/fs/cgroup");
    let cgroup = ["rprivate", "nosuid", "noexec", "nodev", "relatime", read_write(writable)];
    if namespaces.cgroup == Namespace::Host {
        mounts.bind(Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup"), &["rprivate", "nosuid", "noexec", "nodev", "ro", "rbind"]);
    } else {
        mounts.add("/sys/fs/cgroup", "cgroup", "cgroup", &cgroup);
    }
}

/// The files we make: hosts, resolv.conf and so on.
fn generated(mounts: &mut List, config: &ContainerConfig, host: &Host<'_>) {
    let mut options = vec!["bind", "rprivate"];
    if config.security.read_only {
        options.extend(["ro", "nosuid", "nodev", "noexec"]);
    }
    let files = host.files;
    for (source, destination) in [
        (&files.resolv_conf, "/etc/resolv.conf"),
        (&files.hosts, "/etc/hosts"),
        (&files.containerenv, "/run/.containerenv"),
        (&files.hostname, "/etc/hostname"),
        (&files.passwd, "/etc/passwd"),
        (&files.group, "/etc/group"),
        (&files.localtime, "/etc/localtime"),
    ] {
        if let Some(source) = source {
            mounts.bind(source, Path::new(destination), &options);
        }
    }
    if let Some(source) = &files.init {
        mounts.bind(source, Path::new(super::init::DESTINATION), &["bind", "ro", "private"]);
    }
}

/// One mount of the user's, with the options that podman adds to its kind.
fn user(mounts: &mut List, mount: &Mount, backing: &Backing) {
    let given = |names: &[&str]| mount.options.iter().any(|option| names.contains(&option.as_str()));
    let mut options: Vec<String> = mount
        .options
        .iter()
        .filter(|option| {
            let name = option.split('=').next().unwrap_or_default();
            !matches!(
                name,
                "z" | "Z"
                    | "U"
                    | "O"
                    | "copy"
                    | "nocopy"
                    | "nocreate"
                    | "idmap"
                    | "upperdir"
                    | "workdir"
                    | "notmpcopyup"
                    | "no-dereference"
            )
        })
        .cloned()
        .collect();
    let mut default = |alternatives: &[&str], option: &str| {
        if !given(alternatives) {
            options.push(option.to_owned());
        }
    };
    let propagation = ["shared", "rshared", "private", "rprivate", "slave", "rslave", "unbindable", "runbindable"];
    let (kind, source) = match mount.kind {
        MountKind::Bind | MountKind::Volume => {
            default(&propagation, "rprivate");
            if mount.kind == MountKind::Volume {
                default(&["suid", "nosuid"], "nosuid");
                default(&["dev", "nodev"], "nodev");
            }
            default(&["bind", "rbind"], "rbind");
            ("bind", mount.source.clone())
        }
        MountKind::Tmpfs => {
            default(&propagation, "rprivate");
            default(&["suid", "nosuid"], "nosuid");
            default(&["dev", "nodev"], "nodev");
            default(&["tmpcopyup", "notmpcopyup"], "tmpcopyup");
            ("tmpfs", "tmpfs".into())
        }
        MountKind::Ramfs => ("ramfs", "ramfs".into()),
        MountKind::Devpts => ("devpts", "devpts".into()),
        MountKind::Image | MountKind::Overlay => ("overlay", "overlay".into()),
    };
    // These four only undo a default.
    options.retain(|option| !matches!(option.as_str(), "suid" | "dev" | "exec"));
    let source = match backing {
        Backing::None => PathBuf::from(source),
        Backing::Path(path) => path.clone(),
        Backing::Overlay { lower, upper } => {
            let escaped = |path: &Path| path.to_string_lossy().replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,");
            options.retain(|option| matches!(option.as_str(), "noatime"));
            let lower: Vec<String> = lower.iter().map(|path| escaped(path)).collect();
            options.push(format!("lowerdir={}", lower.join(":")));
            match upper {
                Some((upper, work)) => options.extend([format!("upperdir={}", escaped(upper)), format!("workdir={}", escaped(work))]),
                None => options.push("ro".into()),
            }
            options.extend(["private".into(), "userxattr".into()]);
            PathBuf::from("overlay")
        }
    };
    mounts.replace(Path::new(&mount.destination), kind, source, options);
}

/// Whether `--security-opt unmask` uncovers this path.
pub fn unmasked(config: &ContainerConfig, path: &str) -> bool {
    config.security.unmask.iter().any(|pattern| {
        pattern == "ALL" || pattern == path || globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(path))
    })
}

#[derive(Default)]
struct List(Vec<SpecMount>);

impl List {
    fn add(&mut self, destination: &str, kind: &str, source: &str, options: &[&str]) {
        self.replace(Path::new(destination), kind, source.into(), options.iter().map(ToString::to_string).collect());
    }

    fn bind(&mut self, source: &Path, destination: &Path, options: &[&str]) {
        self.replace(destination, "bind", source.to_owned(), options.iter().map(ToString::to_string).collect());
    }

    fn replace(&mut self, destination: &Path, kind: &str, source: PathBuf, options: Vec<String>) {
        let mut mount = SpecMount::default();
        mount.set_destination(destination.to_owned());
        mount.set_typ(Some(kind.to_owned()));
        mount.set_source(Some(source));
        mount.set_options(Some(options));
        self.0.retain(|other| other.destination() != destination);
        self.0.push(mount);
    }
}
