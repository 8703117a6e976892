//! From a runtime specification to typed steps: pure, so that it can be printed and tested. `init` executes them.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Linux, LinuxIdMapping, LinuxNamespaceType, PosixRlimitType, Process, Spec};

use crate::userns::{IdMap, IdMapping};

use super::Error;
use super::capability::CapabilitySets;
use super::options::{Bind, Options};

/// What a container's first process is to do before it executes the container's program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// `CLONE_NEW*` of the namespaces to make.
    pub namespaces: i32,
    /// Namespaces to join, the user namespace first.
    pub joins: Vec<Join>,
    /// The maps of the new user namespace.
    pub id_map: Option<IdMap>,
    /// Propagation of the whole tree: `MS_*`.
    pub propagation: u64,
    pub readonly_root: bool,
    pub mounts: Vec<Mount>,
    pub devices: Vec<Device>,
    /// (path below /proc/sys, value)
    pub sysctls: Vec<(CString, String)>,
    pub masked: Vec<CString>,
    pub readonly: Vec<CString>,
    /// A /dev of the container's own that becomes read-only once everything is in it.
    pub readonly_dev: bool,
    pub hostname: Option<String>,
    pub domainname: Option<String>,
    pub process: ProcessPlan,
}

/// A namespace to join by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub path: PathBuf,
    pub kind: i32,
}

/// One mount of the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub destination: CString,
    pub source: Source,
    pub options: Options,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file or directory of the host.
    Bind { path: CString, recursive: bool },
    /// A new file system. Where the kernel does not allow it (its namespace is the host's), the host's own at this path is bound.
    New { kind: CString, name: CString, instead: Option<CString> },
}

impl Source {
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New { .. })
    }
}

/// A device node, bound from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub path: CString,
    pub source: CString,
}

/// What distinguishes the container's process: for the first one and for those executed later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessPlan {
    pub arguments: Vec<CString>,
    pub environment: Vec<CString>,
    pub cwd: CString,
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub umask: u32,
    /// (`RLIMIT_*`, soft, hard)
    pub limits: Vec<(u32, u64, u64)>,
    pub oom_score_adj: Option<i32>,
    /// `None`: all that the user namespace gives.
    pub capabilities: Option<CapabilitySets>,
    pub no_new_privileges: bool,
    /// Rows and columns, where a terminal is asked for.
    pub terminal: Option<(u16, u16)>,
}

/// The devices every container has, runtime-spec "Default Devices".
const DEFAULT_DEVICES: [&std::ffi::CStr; 6] = [c"/dev/null", c"/dev/zero", c"/dev/full", c"/dev/random", c"/dev/urandom", c"/dev/tty"];

impl Plan {
    /// The plan of a container whose relative paths start at `bundle`.
    pub fn new(spec: &Spec, bundle: &Path) -> Result<Self, Error> {
        let linux = spec.linux().as_ref();
        let mut plan = Self {
            propagation: root_propagation(linux.and_then(|linux| linux.rootfs_propagation().as_deref()))?,
            readonly_root: spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false),
            hostname: spec.hostname().clone().filter(|name| !name.is_empty()),
            domainname: spec.domainname().clone().filter(|name| !name.is_empty()),
            process: ProcessPlan::new(spec.process().as_ref().ok_or_else(|| Error::Spec("process is missing".into()))?)?,
            ..Self::default()
        };
        for namespace in linux.and_then(|linux| linux.namespaces().as_ref()).into_iter().flatten() {
            let kind = clone_flag(namespace.typ());
            match namespace.path() {
                Some(path) => plan.joins.push(Join { path: path.clone(), kind }),
                None => plan.namespaces |= kind,
            }
        }
        plan.joins.sort_by_key(|join| join.kind != libc::CLONE_NEWUSER);
        if plan.namespaces & libc::CLONE_NEWNS == 0 {
            return Err(Error::Spec("a mount namespace of its own is needed".into()));
        }
        if plan.namespaces & libc::CLONE_NEWUSER != 0 {
            plan.id_map = linux.map(id_map);
        }
        for mount in spec.mounts().iter().flatten() {
            plan.mounts.push(Mount::new(mount, bundle)?);
        }
        for mount in plan.mounts.iter_mut().filter(|mount| mount.destination.as_c_str() == c"/dev" && mount.source.is_new()) {
            plan.readonly_dev |= mount.options.attributes.set & libc::MOUNT_ATTR_RDONLY != 0;
            mount.options.attributes.set &= !libc::MOUNT_ATTR_RDONLY;
        }
        plan.add_devices(spec)?;
        for (name, value) in linux.and_then(|linux| linux.sysctl().as_ref()).into_iter().flatten() {
            if name.split(['.', '/']).any(|part| part.is_empty()) {
                return Err(Error::Spec(format!("sysctl name {name:?} is not valid")));
            }
            plan.sysctls.push((c_string(sysctl_path(name).as_bytes())?, value.clone()));
        }
        let paths =
            |paths: Option<&Vec<String>>| paths.into_iter().flatten().map(|path| c_string(path.as_bytes())).collect::<Result<Vec<_>, _>>();
        plan.masked = paths(linux.and_then(|linux| linux.masked_paths().as_ref()))?;
        plan.readonly = paths(linux.and_then(|linux| linux.readonly_paths().as_ref()))?;
        Ok(plan)
    }

    fn add_devices(&mut self, spec: &Spec) -> Result<(), Error> {
        // A /dev of the host comes with its devices.
        let dev = self.mounts.iter().rfind(|mount| mount.destination.as_bytes() == b"/dev");
        if dev.is_some_and(|mount| matches!(mount.source, Source::Bind { .. })) {
            return Ok(());
        }
        self.devices.extend(DEFAULT_DEVICES.map(|path| Device { path: path.to_owned(), source: path.to_owned() }));
        for device in spec.linux().as_ref().and_then(|linux| linux.devices().as_ref()).into_iter().flatten() {
            let path = c_string(device.path().as_os_str().as_bytes())?;
            if !self.devices.iter().any(|other| other.path == path) {
                self.devices.push(Device { source: path.clone(), path });
            }
        }
        // A mount of the specification goes before.
        let mounts = &self.mounts;
        self.devices.retain(|device| !mounts.iter().any(|mount| mount.destination == device.path));
        Ok(())
    }

    /// The calling user is the new namespace's root, so that nothing has to wait for the ID maps but the use of other IDs.
    pub fn caller_is_root(&self, uid: u32, gid: u32) -> bool {
        self.id_map.as_ref().is_some_and(|map| map.host_uid(0) == Some(uid) && map.host_gid(0) == Some(gid))
    }
}

impl Mount {
    fn new(mount: &oci_spec::runtime::Mount, bundle: &Path) -> Result<Self, Error> {
        let destination = c_string(mount.destination().as_os_str().as_bytes())?;
        let options = Options::parse(mount.options().as_deref().unwrap_or_default());
        let kind = mount.typ().as_deref().unwrap_or("none");
        let source = mount.source().as_deref();
        let bind = if kind == "bind" { options.bind.or(Some(Bind::Recursive)) } else { options.bind };
        let source = match bind {
            Some(bind) => {
                let path = source.ok_or_else(|| Error::Spec(format!("mount {destination:?} has no source")))?;
                Source::Bind { path: c_string(bundle.join(path).as_os_str().as_bytes())?, recursive: bind == Bind::Recursive }
            }
            None => new_file_system(kind, source)?,
        };
        Ok(Self { destination, source, options })
    }

    /// Its parameters name users or groups, which only mean something once the ID maps are written.
    pub fn names_ids(&self) -> bool {
        // An overlay makes its work directory, of mode 0, with the rights of whoever creates it.
        self.is_new("overlay")
            || self.options.parameters.iter().any(|(name, _)| matches!(name.as_str(), "uid" | "gid" | "user_id" | "group_id"))
    }

    /// A new file system of this type.
    pub fn is_new(&self, wanted: &str) -> bool {
        matches!(&self.source, Source::New { kind, .. } if kind.as_bytes() == wanted.as_bytes())
    }
}

impl ProcessPlan {
    /// The plan of one process.
    pub fn new(process: &Process) -> Result<Self, Error> {
        let strings = |strings: &[String]| strings.iter().map(|text| c_string(text.as_bytes())).collect::<Result<Vec<_>, _>>();
        let arguments = strings(process.args().as_deref().unwrap_or_default())?;
        if arguments.is_empty() {
            return Err(Error::Spec("process.args is empty".into()));
        }
        if !process.cwd().is_absolute() {
            return Err(Error::Spec(format!("process.cwd {} is not absolute", process.cwd().display())));
        }
        let user = process.user();
        let clamp = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
        let size = process.console_size().map_or((0, 0), |size| (clamp(size.height()), clamp(size.width())));
        Ok(Self {
            arguments,
            environment: strings(process.env().as_deref().unwrap_or_default())?,
            cwd: c_string(process.cwd().as_os_str().as_bytes())?,
            uid: user.uid(),
            gid: user.gid(),
            groups: user.additional_gids().clone().unwrap_or_default(),
            umask: user.umask().unwrap_or(0o022),
            limits: process.rlimits().iter().flatten().map(|limit| (resource(limit.typ()), limit.soft(), limit.hard())).collect(),
            oom_score_adj: process.oom_score_adj(),
            capabilities: process.capabilities().as_ref().map(|capabilities| CapabilitySets::of(Some(capabilities))),
            no_new_privileges: process.no_new_privileges().unwrap_or(false),
            terminal: process.terminal().unwrap_or(false).then_some(size),
        })
    }
}

fn new_file_system(kind: &str, source: Option<&Path>) -> Result<Source, Error> {
    // Only the second version of control groups has namespaces that an unprivileged user may mount.
    let kind = if kind == "cgroup" { "cgroup2" } else { kind };
    let instead = match kind {
        "proc" => Some(c"/proc"),
        "sysfs" => Some(c"/sys"),
        "mqueue" => Some(c"/dev/mqueue"),
        "cgroup2" => Some(c"/sys/fs/cgroup"),
        _ => None,
    };
    let name = c_string(source.map_or(kind.as_bytes(), |source| source.as_os_str().as_bytes()))?;
    Ok(Source::New { kind: c_string(kind.as_bytes())?, name, instead: instead.map(ToOwned::to_owned) })
}

fn c_string(bytes: &[u8]) -> Result<CString, Error> {
    CString::new(bytes).map_err(|_| Error::Spec(format!("{:?} contains a NUL", String::from_utf8_lossy(bytes))))
}

/// The maps of a specification.
pub(super) fn id_map(linux: &Linux) -> IdMap {
    let mappings = |mappings: &Option<Vec<LinuxIdMapping>>| mappings.iter().flatten().map(mapping).collect();
    IdMap { uids: mappings(linux.uid_mappings()), gids: mappings(linux.gid_mappings()) }
}

fn mapping(mapping: &LinuxIdMapping) -> IdMapping {
    IdMapping { container: mapping.container_id(), host: mapping.host_id(), size: mapping.size() }
}

/// `net.ipv4.ip_forward` as a path below /proc/sys. With a slash in it, slashes separate and dots belong to names: sysctl(8).
fn sysctl_path(name: &str) -> String {
    let dots_separate = name.find(['.', '/']).is_none_or(|first| name.as_bytes().get(first) == Some(&b'.'));
    if dots_separate {
        name.chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect()
    } else {
        name.to_owned()
    }
}

fn root_propagation(name: Option<&str>) -> Result<u64, Error> {
    Ok(match name.unwrap_or_default() {
        "" | "private" | "rprivate" => libc::MS_PRIVATE,
        // In a user namespace less privileged than the host's mounts, shared copies receive and do not send.
        "slave" | "rslave" | "shared" | "rshared" => libc::MS_SLAVE,
        "unbindable" | "runbindable" => libc::MS_UNBINDABLE,
        other => return Err(Error::Spec(format!("rootfsPropagation {other:?} is not known"))),
    })
}

pub(super) fn clone_flag(kind: LinuxNamespaceType) -> i32 {
    match kind {
        LinuxNamespaceType::Mount => libc::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => libc::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => libc::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => libc::CLONE_NEWIPC,
        LinuxNamespaceType::User => libc::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => libc::CLONE_NEWPID,
        LinuxNamespaceType::Network => libc::CLONE_NEWNET,
        LinuxNamespaceType::Time => libc::CLONE_NEWTIME,
    }
}

fn resource(kind: PosixRlimitType) -> u32 {
    match kind {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn specification() -> Value {
        json!({
            "ociVersion": "1.2.0",
            "process": {"user": {"uid": 0, "gid": 0}, "args": ["true"], "cwd": "/"},
            "linux": {
                "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
                "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
                "namespaces": [{"type": "mount"}, {"type": "user"}, {"type": "pid"}],
            },
        })
    }

    fn plan(specification: Value) -> Result<Plan, Error> {
        Plan::new(&serde_json::from_value(specification).unwrap(), Path::new("/bundle"))
    }

    #[test]
    fn namespaces_are_made_or_joined_the_user_namespace_first() {
        let mut spec = specification();
        spec["linux"]["namespaces"] =
            json!([{"type": "network", "path": "/n"}, {"type": "mount"}, {"type": "user", "path": "/u"}, {"type": "uts"}]);
        let plan = plan(spec).unwrap();
        assert_eq!(plan.namespaces, libc::CLONE_NEWNS | libc::CLONE_NEWUTS);
        assert_eq!(plan.joins[0], Join { path: "/u".into(), kind: libc::CLONE_NEWUSER });
        assert_eq!(plan.joins[1].kind, libc::CLONE_NEWNET);
        assert_eq!(plan.id_map, None);
        assert!(!plan.caller_is_root(1000, 1000));
    }

    #[test]
    fn the_caller_may_be_the_namespaces_root() {
        let plan = plan(specification()).unwrap();
        assert!(plan.caller_is_root(1000, 1000));
        assert!(!plan.caller_is_root(1001, 1000));
    }

    #[test]
    fn mounts_are_binds_or_new_file_systems() {
        let mut spec = specification();
        spec["mounts"] = json!([
            {"destination": "/a", "type": "bind", "source": "relative", "options": ["ro"]},
            {"destination": "/b", "source": "/host", "options": ["bind"]},
            {"destination": "/c", "type": "cgroup", "source": "cgroup"},
            {"destination": "/d", "type": "tmpfs", "options": ["uid=5"]},
        ]);
        let plan = plan(spec).unwrap();
        assert_eq!(plan.mounts[0].source, Source::Bind { path: c"/bundle/relative".into(), recursive: true });
        assert_eq!(plan.mounts[1].source, Source::Bind { path: c"/host".into(), recursive: false });
        assert!(plan.mounts[2].is_new("cgroup2"));
        assert!(plan.mounts[3].names_ids() && !plan.mounts[2].names_ids());
    }

    #[test]
    fn devices_are_the_default_ones_and_what_is_asked_for() {
        let mut spec = specification();
        spec["linux"]["devices"] = json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]);
        spec["mounts"] = json!([{"destination": "/dev/tty", "type": "bind", "source": "/dev/pts/1"}]);
        let paths = |plan: &Plan| plan.devices.iter().map(|device| device.path.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        let expected = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/fuse"];
        assert_eq!(paths(&plan(spec.clone()).unwrap()), expected);
        spec["mounts"] = json!([{"destination": "/dev", "type": "bind", "source": "/dev"}]);
        assert_eq!(plan(spec).unwrap().devices, []);
    }

    #[test]
    fn sysctl_names_become_paths() {
        assert_eq!(sysctl_path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(sysctl_path("net.ipv4.conf.eth0/1.forwarding"), "net/ipv4/conf/eth0.1/forwarding");
        assert_eq!(sysctl_path("net/ipv4/conf/eth0.1/forwarding"), "net/ipv4/conf/eth0.1/forwarding");
    }

    #[test]
    fn what_cannot_be_started_is_refused() {
        for (pointer, value) in [
            ("/process/args", json!([])),
            ("/process/args", json!(["a\u{0}b"])),
            ("/process/cwd", json!("relative")),
            ("/linux/namespaces", json!([{"type": "pid"}])),
            ("/linux/sysctl", json!({"net..x": "1"})),
            ("/linux/rootfsPropagation", json!("sideways")),
            ("/mounts", json!([{"destination": "/x", "type": "bind"}])),
        ] {
            let mut spec = specification();
            spec["mounts"] = json!([]);
            spec["linux"]["sysctl"] = json!({});
            spec["linux"]["rootfsPropagation"] = json!("");
            *spec.pointer_mut(pointer).unwrap() = value;
            assert!(matches!(plan(spec), Err(Error::Spec(_))), "{pointer}");
        }
    }
}
