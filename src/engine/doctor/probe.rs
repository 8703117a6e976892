//! Looking at the host.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::statfs::statfs;
use nix::sys::statvfs::statvfs;

use super::{Access, Distribution, Facts, Program, overlay};
use crate::config::Paths;
use crate::engine::Options;
use crate::sys;
use crate::userns::{self, IdMap, SubIds};

impl Facts {
    /// Probes this host for the calling user; `options` say where the store is. To be called while the process has one thread.
    pub fn probe(options: &Options) -> Self {
        let mut facts = Self {
            distribution: Distribution::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
            uid: sys::host::uid(),
            gid: sys::host::gid(),
            executable: std::env::current_exe().unwrap_or_else(|_| "dulse".into()),
            kernel: setting("kernel/osrelease").unwrap_or_default(),
            max_user_namespaces: number("user/max_user_namespaces"),
            unprivileged_userns_clone: number("kernel/unprivileged_userns_clone"),
            apparmor_restricts: userns::apparmor_restriction().is_some(),
            newuidmap: helper("newuidmap"),
            newgidmap: helper("newgidmap"),
            fuse: device("/dev/fuse"),
            tun: device("/dev/net/tun"),
            pasta: program("pasta"),
            slirp4netns: program("slirp4netns"),
            default_route: has_default_route(),
            ping_group_range: ping_group_range(),
            unprivileged_port_start: number("net/ipv4/ip_unprivileged_port_start"),
            systemd: Path::new("/run/systemd/system").is_dir(),
            seccomp: setting("kernel/seccomp/actions_avail").is_some_and(|actions| actions.contains("errno")),
            max_keys: number("kernel/keys/maxkeys"),
            max_inotify_instances: number("fs/inotify/max_user_instances"),
            ..Self::default()
        };
        facts.user = facts.uid.to_string();
        let map = facts.probe_ids();
        facts.probe_directories(options, &map);
        facts.probe_session();
        facts
    }

    /// Subordinate IDs and user namespaces; gives the default map.
    fn probe_ids(&mut self) -> IdMap {
        let single = IdMap::single(0, 0, self.uid, self.gid);
        // A mount tells the namespaces that AppArmor leaves without capabilities from real ones.
        let mount = || match sys::mount::mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
        };
        let attempt = |map: &IdMap| match userns::fork_mapped(map, mount) {
            Ok(0) => None,
            Ok(errno) => Some(std::io::Error::from_raw_os_error(errno).to_string()),
            Err(error) => Some(whole(&error)),
        };
        self.namespace = attempt(&single);
        let map = match SubIds::of_user() {
            Ok(ids) => {
                let count = |ranges: &[userns::Range]| ranges.iter().map(|range| u64::from(range.size)).sum();
                (self.subuids, self.subgids) = (count(&ids.uids), count(&ids.gids));
                self.user = ids.user.clone();
                userns::default_map(&ids)
            }
            Err(error) => {
                self.subids_error = Some(whole(&error));
                single
            }
        };
        self.add_subids = userns::add_range(&self.user, 65_536);
        self.mapped = if self.namespace.is_some() { self.namespace.clone() } else { attempt(&map) };
        map
    }

    fn probe_directories(&mut self, options: &Options, map: &IdMap) {
        self.xdg_runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let paths = match Paths::resolve(options.root.as_deref(), options.runroot.as_deref()) {
            Ok(paths) => paths,
            Err(error) => {
                self.runtime_error = Some(whole(&error));
                // The store does not depend on the runtime directory.
                match Paths::resolve(options.root.as_deref(), Some(Path::new("/"))) {
                    Ok(paths) => paths,
                    Err(error) => {
                        self.data_error = Some(whole(&error));
                        return;
                    }
                }
            }
        };
        self.runtime = paths.runtime;
        self.data = paths.data;
        self.data_error = writable(&self.data).err().map(|error| error.to_string());
        let existing = self.data.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned();
        if let Ok(found) = statfs(&existing) {
            self.file_system = file_system_name(found.filesystem_type().0);
        }
        if let Ok(space) = statvfs(&existing) {
            self.free = space.blocks_available().saturating_mul(space.fragment_size());
            self.total = space.blocks().saturating_mul(space.fragment_size());
            // btrfs and others count none.
            self.free_inodes = (space.files() > 0).then(|| space.files_available());
        }
        if self.data_error.is_none() && self.mapped.is_none() {
            let outcome = overlay::attempt(&self.data, map);
            (self.overlay, self.data_only_layers) = (outcome.error, outcome.data_only);
        } else {
            self.overlay = Some("not tried".into());
        }
    }

    fn probe_session(&mut self) {
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers");
        self.cgroup_version = match fs::read_to_string("/proc/self/cgroup") {
            _ if !Path::new("/sys/fs/cgroup").is_dir() => 0,
            Ok(_) if unified.exists() => 2,
            Ok(text) if !text.is_empty() => 1,
            _ => 0,
        };
        if self.cgroup_version == 2 {
            let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned();
            let service = format!("user.slice/user-{0}.slice/user@{0}.service", self.uid);
            let directory = if self.systemd { service } else { own };
            let file = Path::new("/sys/fs/cgroup").join(directory).join("cgroup.controllers");
            self.controllers = fs::read_to_string(file).unwrap_or_default().split_whitespace().map(Into::into).collect();
        }
        let bus = self.xdg_runtime_dir.clone().unwrap_or_else(|| format!("/run/user/{}", self.uid).into()).join("bus");
        self.user_bus = bus.exists();
        self.linger = self.systemd.then(|| Path::new("/var/lib/systemd/linger").join(&self.user).exists());
    }
}

/// A message with those of its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn setting(name: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc/sys").join(name)).ok().map(|text| text.trim().to_owned())
}

fn number(name: &str) -> Option<u64> {
    setting(name)?.parse().ok()
}

fn ping_group_range() -> Option<(u64, u64)> {
    let text = setting("net/ipv4/ping_group_range")?;
    let (first, last) = text.split_once(char::is_whitespace)?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// newuidmap or newgidmap, and whether it has the rights that it needs.
fn helper(name: &str) -> Option<Program> {
    let path = userns::find_program(name)?;
    let metadata = path.metadata().ok()?;
    let set_user_id = metadata.uid() == 0 && metadata.mode() & libc::S_ISUID != 0;
    let file = fs::File::open(&path);
    let capable = file.is_ok_and(|file| sys::xattr::get(&file, c"security.capability").is_ok_and(|value| value.is_some()));
    Some(Program { privileged: set_user_id || capable, path, ..Program::default() })
}

/// A network helper and its version.
fn program(name: &str) -> Option<Program> {
    let path = sys::program::find(name, &[])?;
    let output = Command::new(&path).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().unwrap_or_default().trim().to_owned();
    Some(Program { path, version, privileged: false })
}

fn device(path: &str) -> Access {
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Access::Usable,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Access::Forbidden,
        // ENODEV, ENXIO: a node without its driver.
        Err(_) => Access::Missing,
    }
}

/// Destination 00000000 with mask 00000000 in /proc/net/route, or a route of length 0 other than to lo in /proc/net/ipv6_route.
fn has_default_route() -> bool {
    let ipv4 = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let ipv6 = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let any4 = ipv4.lines().map(fields).any(|field| field.len() > 7 && field[1] == "00000000" && field[7] == "00000000");
    any4 || ipv6
        .lines()
        .map(fields)
        .any(|field| field.len() > 9 && field[1] == "00" && field[0].bytes().all(|digit| digit == b'0') && field[9] != "lo")
}

/// Makes the directory and a file in it.
fn writable(directory: &Path) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut file = tempfile::tempfile_in(directory)?;
    // A full disk takes the file but not its contents.
    std::io::Write::write_all(&mut file, &[b'x'; 4096])
}

/// statfs(2)'s numbers in stat(1)'s words.
pub fn file_system_name(magic: i64) -> String {
    let known = [
        (0xef53, "ext4"),
        (0x5846_5342, "xfs"),
        (0x9123_683e, "btrfs"),
        (0x0102_1994, "tmpfs"),
        (0x6969, "nfs"),
        (0xff53_4d42, "cifs"),
        (0xfe53_4d42, "smb2"),
        (0x794c_7630, "overlayfs"),
        (0x6573_5546, "fuse"),
        (0x2fc1_2fc1, "zfs"),
        (0xf2f5_2010, "f2fs"),
        (0xca45_1a4e, "bcachefs"),
        (0x0102_1997, "v9fs"),
        (0x5346_414f, "afs"),
        (0x0bd0_0bd0, "lustre"),
        (0x4750_4653, "gpfs"),
        (0x4d44, "msdos"),
        (0x8584_58f6, "ramfs"),
    ];
    let found = known.iter().find(|(number, _)| *number == magic & 0xffff_ffff);
    found.map_or_else(|| format!("a file system of type {magic:#x}"), |(_, name)| (*name).to_owned())
}
