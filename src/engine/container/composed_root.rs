//! `--rootfs /:O`: a throw-away overlay over a tree that other file systems are mounted in.
//!
//! In a user namespace the kernel refuses such a tree as an overlay's lower layer, as it would uncover what the mounts hide
//! (`clone_private_mount`, EINVAL). So the root is an empty directory of ours, and each directory of the tree in which nothing is mounted
//! gets an overlay of its own.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::engine::Error;
use crate::storage::{Mount, MountKind};

/// A place in the host's tree where another file system begins.
#[derive(Debug, PartialEq, Eq)]
struct MountPoint {
    path: PathBuf,
    kind: String,
}

/// Fills the empty directory `base` with mount points for the tree at `path`, and returns what to mount there; `None` where nothing is
/// mounted within the tree, so that one overlay will do.
pub fn compose(path: &Path, base: &Path) -> Result<Option<Vec<Mount>>, Error> {
    let file = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(file).map_err(Error::io("read", file))?;
    let points = mount_points(&text);
    let path = path.canonicalize().map_err(Error::io("open", path))?;
    if !mounted_within(&points, &path) {
        return Ok(None);
    }
    let mut mounts = Vec::new();
    fill(&points, &path, base, Path::new("/"), &mut mounts)?;
    Ok(Some(mounts))
}

/// Mount points and file system types of a mountinfo file, proc_pid_mountinfo(5).
fn mount_points(text: &str) -> Vec<MountPoint> {
    let point = |line: &str| {
        let path = line.split(' ').nth(4)?;
        let kind = line.split(" - ").nth(1)?.split(' ').next()?;
        // Octal escapes: space, tab, line feed and backslash.
        let path = path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\");
        Some(MountPoint { path: path.into(), kind: kind.into() })
    };
    text.lines().filter_map(point).collect()
}

fn mounted_within(points: &[MountPoint], path: &Path) -> bool {
    points.iter().any(|point| point.path != path && point.path.starts_with(path))
}

fn fill(points: &[MountPoint], host: &Path, base: &Path, inside: &Path, mounts: &mut Vec<Mount>) -> Result<(), Error> {
    // A directory that the user may not list stays empty, as it is for them on the host.
    let Ok(entries) = fs::read_dir(host) else { return Ok(()) };
    for entry in entries.flatten() {
        let (source, target, inside) = (entry.path(), base.join(entry.file_name()), inside.join(entry.file_name()));
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_symlink() {
            if let Ok(link) = fs::read_link(&source) {
                symlink(link, &target).map_err(Error::io("create", &target))?;
            }
        } else if metadata.is_dir() {
            let kind = points.iter().rev().find(|point| point.path == source).map(|point| point.kind.as_str());
            DirBuilder::new().mode(0o755).create(&target).map_err(Error::io("create", &target))?;
            if kind.is_some_and(is_transient) {
                let mode = fs::Permissions::from_mode(metadata.permissions().mode() & 0o7777);
                fs::set_permissions(&target, mode).map_err(Error::io("set the mode of", &target))?;
            } else if mounted_within(points, &source) {
                fill(points, &source, &target, &inside, mounts)?;
            } else {
                mounts.push(mount(MountKind::Overlay, &source, &inside));
            }
        } else if metadata.is_file() {
            fs::write(&target, "").map_err(Error::io("create", &target))?;
            mounts.push(Mount { options: vec!["ro".into()], ..mount(MountKind::Bind, &source, &inside) });
        }
    }
    Ok(())
}

/// File systems that hold nothing of the host's userland: the container has its own, or starts with an empty one.
fn is_transient(kind: &str) -> bool {
    const KINDS: [&str; 16] = [
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "hugetlbfs",
        "mqueue",
        "proc",
        "ramfs",
        "securityfs",
        "sysfs",
        "tmpfs",
    ];
    KINDS.contains(&kind)
}

fn mount(kind: MountKind, source: &Path, destination: &Path) -> Mount {
    let [source, destination] = [source, destination].map(|path| path.to_string_lossy().into_owned());
    Mount { kind, source, destination, ..Mount::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
24 22 0:22 / /mnt/with\\040space rw - ext4 /dev/vdb rw
";

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let points = mount_points(MOUNTS);
        assert_eq!(points[2], MountPoint { path: "/mnt/with space".into(), kind: "ext4".into() });
        assert!(mounted_within(&points, Path::new("/")));
        assert!(mounted_within(&points, Path::new("/mnt")));
        assert!(!mounted_within(&points, Path::new("/mnt/with space")));
        assert!(!mounted_within(&points, Path::new("/m")));
    }

    #[test]
    fn each_directory_without_mounts_gets_an_overlay_and_links_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (host, base) = (directory.path().join("host"), directory.path().join("base"));
        for path in ["usr/bin", "var/lib/other", "var/log", "proc"] {
            fs::create_dir_all(host.join(path)).unwrap();
        }
        symlink("usr/bin", host.join("bin")).unwrap();
        fs::create_dir(&base).unwrap();
        let point = |path: &str, kind: &str| MountPoint { path: host.join(path), kind: kind.into() };
        let points = [point("proc", "proc"), point("var/lib/other", "ext4")];
        let mut mounts = Vec::new();
        fill(&points, &host, &base, Path::new("/"), &mut mounts).unwrap();
        let mut destinations: Vec<_> = mounts.iter().map(|mount| mount.destination.as_str()).collect();
        destinations.sort_unstable();
        assert_eq!(destinations, ["/usr", "/var/lib/other", "/var/log"]);
        assert_eq!(fs::read_link(base.join("bin")).unwrap(), Path::new("usr/bin"));
        assert!(base.join("proc").is_dir());
    }
}
