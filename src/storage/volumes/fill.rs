//! The first use of a volume: what the image has at its place is copied into it, and it gets its owner.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, chown, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use serde::{Deserialize, Serialize};

use super::{VolumeRecord, data, directory, get, save};
use crate::storage::copy::{self, Bodies, Rules, is_empty};
use crate::storage::remove::{entries, remove_tree};
use crate::storage::task::{self, Task};
use crate::storage::{Error, Store, mapped};
use crate::sys::lock::{Lock, Mode};
use crate::sys::path::{self as at, open_in_root_at};
use crate::userns::{self, IdMap};

/// How a container uses a volume.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// The image's layer directories as unpacked (not those of [`mapped`]), topmost first; none for `--rootfs`.
    pub layers: &'a [PathBuf],
    /// Where in the container it is mounted.
    pub destination: &'a str,
    /// The container's user.
    pub uid: u32,
    pub gid: u32,
    /// `false`: `nocopy`.
    pub copy: bool,
    /// The container's ID map.
    pub map: &'a IdMap,
}

/// The work of the process in the user namespace of the user's whole map.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::storage) struct Fill {
    volume: PathBuf,
    layers: Vec<PathBuf>,
    /// An empty directory, for an overlay that needs one layer more.
    empty: PathBuf,
    destination: String,
    /// In that namespace's words.
    uid: u32,
    gid: u32,
    copy: bool,
    rules: Rules,
}

/// The mark of a copy that has begun, and not ended where nobody holds the volume's lock.
const MARK: &str = "filling";

/// Readies a volume for a container that is about to start. As podman does: an empty volume takes over files, owner and mode of the image's
/// directory at its place; where the image has none, it is given to the container's user. One that holds files stays as it is.
pub fn prepare(store: &Store, name: &str, using: &Use) -> Result<(), Error> {
    let record = get(store, name)?.ok_or_else(|| Error::NoVolume(name.to_owned()))?;
    if !record.needs_copy_up && !record.needs_chown {
        return Ok(());
    }
    let path = directory(store, name);
    let lock = File::open(&path).and_then(|file| Lock::descriptor(file, Mode::Exclusive)).map_err(Error::io("lock", &path))?;
    let volume = data(store, name);
    let mark = path.join(MARK);
    if mark.exists() {
        begin_again(&volume)?;
    } else if !seems_empty(&volume)? {
        return settle(store, VolumeRecord { needs_copy_up: false, needs_chown: false, ..record });
    }
    let whole = task::user_map()?;
    let host = (using.map.host_uid(using.uid), using.map.host_gid(using.gid));
    let (Some(host_uid), Some(host_gid)) = host else { return Err(userns::Error::NotMapped(using.uid).into()) };
    let metadata = volume.metadata().map_err(Error::io("examine", &volume))?;
    let image_has_it = using.layers.iter().any(|layer| may_have(layer, using.destination));
    if image_has_it || (metadata.uid(), metadata.gid()) != (host_uid, host_gid) {
        let owner = (whole.container_uid(host_uid), whole.container_gid(host_gid));
        let (Some(uid), Some(gid)) = owner else { return Err(userns::Error::NotMapped(using.uid).into()) };
        let task = Task::Fill(Fill {
            volume: volume.clone(),
            layers: if image_has_it { using.layers.to_vec() } else { Vec::new() },
            empty: store.mount_point(),
            destination: using.destination.to_owned(),
            uid,
            gid,
            copy: using.copy && record.needs_copy_up,
            rules: Rules { whole, map: using.map.clone(), bodies: Bodies::Copied, layer: false },
        });
        File::create(&mark).map_err(Error::io("create", &mark))?;
        // The worker holds the lock as well: if this process is killed, the next one waits for the worker's end.
        task::run(&task, &[lock.as_fd()])?;
        std::fs::remove_file(&mark).map_err(Error::io("remove", &mark))?;
    }
    let done = !seems_empty(&volume)?;
    let needs = |needed: bool| needed && !done;
    let (needs_copy_up, needs_chown) = (needs(record.needs_copy_up), needs(record.needs_chown));
    settle(store, VolumeRecord { uid: Some(using.uid), gid: Some(using.gid), needs_copy_up, needs_chown, ..record })
}

fn settle(store: &Store, record: VolumeRecord) -> Result<(), Error> {
    if get(store, &record.name)?.as_ref() == Some(&record) { Ok(()) } else { save(store, &record) }
}

/// Removes what a copy that was killed has left.
fn begin_again(volume: &Path) -> Result<(), Error> {
    remove_tree(volume)?;
    std::fs::create_dir(volume).map_err(Error::io("create", volume))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(volume, mode).map_err(Error::io("change the mode of", volume))
}

/// A directory that only another user may read has been given to that user before, with its files.
fn seems_empty(volume: &Path) -> Result<bool, Error> {
    match File::open(volume).and_then(|directory| is_empty(&directory)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
        other => other.map_err(Error::io("read", volume)),
    }
}

/// Whether a layer has something at `destination`, or a symbolic link on the way, which may lead to another layer.
fn may_have(layer: &Path, destination: &str) -> bool {
    let Ok(layer) = File::open(layer) else { return true };
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    !matches!(openat2(&layer, destination, how), Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR))
}

/// The worker's part of [`prepare`].
pub(in crate::storage) fn fill(task: &Fill) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot fill the volume {}: {error}", task.volume.display());
    let volume = File::open(&task.volume).map_err(failed)?;
    if !task.layers.is_empty() {
        let view = mapped::view(&task.layers, &task.empty).map_err(failed)?;
        match open_in_root_at(&view, task.destination.as_bytes(), OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(failed(error)),
            Ok(source) if task.copy => {
                let copied = copy::tree(&source, &volume, &task.rules);
                return copied.map_err(|(path, error)| {
                    format!(
                        "cannot copy {}{} of the image into the volume {}: {error}",
                        task.destination,
                        copy::show(&path),
                        task.volume.display()
                    )
                });
            }
            Ok(source) => return copy::attributes(&source, &volume, &task.rules).map_err(failed),
        }
    }
    chown(&task.volume, Some(task.uid), Some(task.gid)).map_err(failed)
}

/// Gives a tree to a user of a container: the option `U` of a mount. `path` may be any directory that belongs to the user's IDs.
pub fn give(path: &Path, uid: u32, gid: u32, map: &IdMap) -> Result<(), Error> {
    let whole = task::user_map()?;
    let uid_there = map.host_uid(uid).and_then(|uid| whole.container_uid(uid));
    let gid_there = map.host_gid(gid).and_then(|gid| whole.container_gid(gid));
    let (Some(uid), Some(gid)) = (uid_there, gid_there) else { return Err(userns::Error::NotMapped(uid).into()) };
    task::run(&Task::Give { path: path.to_owned(), uid, gid }, &[])
}

/// The worker's part of [`give`]. By descriptors: a container that has the tree mounted may exchange directories for links meanwhile.
pub(in crate::storage) fn give_tree(path: &Path, uid: u32, gid: u32) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot change the owner of {}: {error}", path.display());
    let top = File::open(path).map_err(failed)?;
    if top.metadata().map_err(failed)?.is_dir() {
        give_entries(&top, uid, gid).map_err(failed)?;
    }
    fchown(&top, Some(uid), Some(gid)).map_err(failed)
}

fn give_entries(directory: &File, uid: u32, gid: u32) -> io::Result<()> {
    for (name, is_directory) in entries(directory)? {
        if is_directory {
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let inner: File = openat(directory, OsStr::from_bytes(&name), flags, nix::sys::stat::Mode::empty())?.into();
            give_entries(&inner, uid, gid)?;
            fchown(&inner, Some(uid), Some(gid))?;
            continue;
        }
        let stat = at::stat_at(directory, &name)?;
        at::chown_at(directory, &name, uid, gid)?;
        // Changing the owner takes the set-ID bits away.
        if stat.st_mode & 0o6000 != 0 && stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFREG {
            at::chmod_at(directory, &name, stat.st_mode & 0o7777)?;
        }
    }
    Ok(())
}
