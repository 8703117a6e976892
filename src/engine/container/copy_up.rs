//! A volume's first use: what the image has at its place is copied into it, and it is given to the container's user; `:U` gives a mount
//! to the user at every start. The owners are the container's, so all of it happens in a process of its user namespace.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::engine::{Engine, Error};
use crate::runtime;
use crate::spec::mounts::Backing;
use crate::spec::users::ResolvedUser;
use crate::storage::{ContainerConfig, Mount, MountKind, volumes};
use crate::sys::mount::{Clone, Context, open_tree};
use crate::sys::path::open_in_root_at;
use crate::userns;

/// What one mount needs before its container starts.
struct Work<'a> {
    destination: &'a str,
    target: &'a Path,
    copy: bool,
    give: bool,
    recursive: bool,
}

/// Prepares the volumes and `:U` mounts of a container whose root file system has these layers, the topmost first.
pub fn prepare(
    engine: &Engine,
    config: &ContainerConfig,
    layers: &[PathBuf],
    backings: &[Backing],
    user: &ResolvedUser,
) -> Result<(), Error> {
    let mut work = Vec::new();
    let mut records = Vec::new();
    for (mount, backing) in config.mounts.iter().zip(backings) {
        let Backing::Path(target) = backing else { continue };
        let recursive = mount.options.iter().any(|option| option == "U");
        let (mut copy, mut give) = (false, false);
        if mount.kind == MountKind::Volume && mount.subpath.is_empty() {
            let Some(record) = volumes::get(&engine.store, &mount.source)? else { continue };
            let first = record.needs_copy_up || record.needs_chown;
            if first && is_empty(target) {
                copy = record.needs_copy_up && !has(mount, "nocopy");
                give = record.needs_chown;
            }
            if first {
                records.push(volumes::VolumeRecord {
                    needs_copy_up: false,
                    needs_chown: false,
                    uid: Some(user.uid),
                    gid: Some(user.gid),
                    ..record
                });
            }
        }
        if copy || give || recursive {
            work.push(Work { destination: &mount.destination, target, copy, give, recursive });
        }
    }
    if !work.is_empty() {
        let mut failure = None;
        // The child shares nothing with us but its exit code; what went wrong is told over a pipe.
        let (mut reader, writer) = io::pipe().map_err(Error::io("create", "a pipe"))?;
        let status = userns::fork_mapped(&config.id_map, || match all(layers, &work, user) {
            Ok(()) => 0,
            Err(text) => {
                let _ = io::Write::write_all(&mut &writer, text.as_bytes());
                1
            }
        })?;
        drop(writer);
        if status != 0 {
            let mut text = String::new();
            let _ = io::Read::read_to_string(&mut reader, &mut text);
            failure = Some(text);
        }
        if let Some(text) = failure {
            return Err(Error::Invalid(format!("preparing the volumes: {text}")));
        }
    }
    for record in &records {
        volumes::save(&engine.store, record)?;
    }
    Ok(())
}

fn has(mount: &Mount, name: &str) -> bool {
    mount.options.iter().any(|option| option == name)
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// In the child: user 0 of the container.
fn all(layers: &[PathBuf], work: &[Work<'_>], user: &ResolvedUser) -> Result<(), String> {
    let root = if work.iter().any(|work| work.copy || work.give) {
        Some(mount_layers(layers).map_err(|error| format!("mounting the image: {error}"))?)
    } else {
        None
    };
    for work in work {
        one(root.as_ref(), work, user).map_err(|error| format!("{}: {error}", work.destination))?;
    }
    Ok(())
}

fn one(root: Option<&OwnedFd>, work: &Work<'_>, user: &ResolvedUser) -> io::Result<()> {
    let target = File::open(work.target)?;
    if let Some(root) = root {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        match open_in_root_at(root, work.destination.trim_start_matches('/').as_bytes(), flags) {
            Ok(source) => {
                let metadata = source.metadata()?;
                if work.copy {
                    runtime::copy_tree(source.as_fd(), target.as_fd())?;
                }
                std::os::unix::fs::fchown(&target, Some(metadata.uid()), Some(metadata.gid()))?;
            }
            Err(_) if work.give => std::os::unix::fs::fchown(&target, Some(user.uid), Some(user.gid))?,
            Err(_) => {}
        }
    }
    if work.recursive { give(work.target, user) } else { Ok(()) }
}

/// Gives a tree to the user; links themselves, not what they point to.
fn give(path: &Path, user: &ResolvedUser) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.uid() != user.uid || metadata.gid() != user.gid {
        std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid))?;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user)?;
        }
    }
    Ok(())
}

/// The layers as one tree: a read-only overlay, which needs two layers at least.
fn mount_layers(layers: &[PathBuf]) -> io::Result<OwnedFd> {
    if let [only] = layers {
        return File::open(only).map(OwnedFd::from);
    }
    let context = Context::open(c"overlay")?;
    context.flag(c"userxattr")?;
    for layer in layers {
        let path = CString::new(layer.as_os_str().as_bytes())?;
        let fd = open_tree(None, &path, Clone::No)?;
        match context.set_fd(c"lowerdir+", fd.as_fd()) {
            // Before Linux 6.13 an overlay takes no descriptors.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBADF)) => context.set(c"lowerdir+", &path)?,
            other => other?,
        }
    }
    context.create()?;
    context.mount(0)
}
