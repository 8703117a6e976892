//! Copies of trees with owners changed: whole, or of the metadata only, with the bodies left to an overlay's data layer.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, fchown};

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, SFlag};
use serde::{Deserialize, Serialize};

use crate::sys::path::{self as at, Moment};
use crate::sys::xattr;
use crate::userns::IdMap;

const METACOPY: &CStr = c"user.overlay.metacopy";
const REDIRECT: &CStr = c"user.overlay.redirect";
const CAPABILITY: &CStr = c"security.capability";

/// What becomes of file bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Bodies {
    /// They are copied, or shared where the file system can.
    Copied,
    /// The copy is a hole of the same length that points to the path in the data layer: Linux 6.16 reads that without further options.
    Referred,
}

/// How a tree is copied. This process runs in the user namespace of `whole`, all of the user's IDs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rules {
    pub whole: IdMap,
    /// The map in which the copy is to look as the original looks in `whole`.
    pub map: IdMap,
    pub bodies: Bodies,
    /// Whiteouts and opaque marks are copied: the copy is a layer, too.
    pub layer: bool,
}

impl Rules {
    /// The owner of the copy, in this process's words, of a file with this owner.
    fn owner(&self, stat: &FileStat) -> io::Result<(u32, u32)> {
        let unmapped =
            |kind: &str, id: u32| io::Error::new(ErrorKind::InvalidInput, format!("{kind} ID {id} is not in the container's ID map"));
        let uid = self.map.host_uid(stat.st_uid).and_then(|host| self.whole.container_uid(host));
        let gid = self.map.host_gid(stat.st_gid).and_then(|host| self.whole.container_gid(host));
        Ok((uid.ok_or_else(|| unmapped("user", stat.st_uid))?, gid.ok_or_else(|| unmapped("group", stat.st_gid))?))
    }

    /// The container's root in this process's words: file capabilities hold for one user namespace, that of this user.
    fn root(&self) -> u32 {
        self.map.host_uid(0).and_then(|host| self.whole.container_uid(host)).unwrap_or(0)
    }
}

/// A tree that is being copied.
struct Copy<'a> {
    rules: &'a Rules,
    /// Copies of files with several names, by device and inode: where in the new tree the first one is.
    linked: HashMap<(u64, u64), (Vec<u8>, CString)>,
    root: &'a File,
    path: Vec<u8>,
}

/// Copies the attributes of the directory `from` and all in it to the directory `to`, which is empty. `path` is where `from` is in its
/// layer, for [`Bodies::Referred`].
pub(super) fn tree(from: &File, to: &File, rules: &Rules) -> Result<(), (Vec<u8>, io::Error)> {
    let mut copy = Copy { rules, linked: HashMap::new(), root: to, path: Vec::new() };
    copy.directory(from, to).map_err(|error| (std::mem::take(&mut copy.path), error))
}

/// Copies owner, mode, attributes and times of the directory `from` to `to`.
pub(super) fn attributes(from: &File, to: &File, rules: &Rules) -> io::Result<()> {
    let stat = nix::sys::stat::fstat(from)?;
    let copy = Copy { rules, linked: HashMap::new(), root: to, path: Vec::new() };
    copy.finish(from, to, &stat)
}

impl Copy<'_> {
    /// On an error, `path` names what it was at.
    fn directory(&mut self, from: &File, to: &File) -> io::Result<()> {
        let names: Vec<CString> =
            Dir::from_fd(openat(from, c".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)?
                .iter()
                .map(|entry| entry.map(|entry| entry.file_name().to_owned()))
                .collect::<Result<_, _>>()?;
        for name in names.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(name.to_bytes());
            self.entry(from, to, name)?;
            self.path.truncate(length);
        }
        let stat = nix::sys::stat::fstat(from)?;
        self.finish(from, to, &stat)
    }

    fn entry(&mut self, from: &File, to: &File, name: &CStr) -> io::Result<()> {
        let bytes = name.to_bytes();
        let stat = at::stat_at(from, bytes)?;
        let (uid, gid) = self.rules.owner(&stat)?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind != SFlag::S_IFDIR && stat.st_nlink > 1 {
            if let Some((parent, first)) = self.linked.get(&(stat.st_dev, stat.st_ino)) {
                let parent = at::open_directory_at(self.root, parent)?;
                return at::link_at(&parent, first.to_bytes(), to, bytes);
            }
            let parent = self.path[..self.path.len() - bytes.len() - 1].to_vec();
            self.linked.insert((stat.st_dev, stat.st_ino), (parent, name.to_owned()));
        }
        match kind {
            SFlag::S_IFDIR => {
                at::mkdir_at(to, bytes, 0o700)?;
                let source = open_at(from, name, OFlag::O_DIRECTORY)?;
                let target = open_at(to, name, OFlag::O_DIRECTORY)?;
                self.directory(&source, &target)
            }
            SFlag::S_IFREG => {
                let source = open_at(from, name, OFlag::O_NONBLOCK)?;
                let target = at::create_at(to, bytes, 0o600)?;
                self.body(&source, &target, &stat)?;
                self.finish(&source, &target, &stat)
            }
            SFlag::S_IFLNK => {
                at::symlink_at(&at::readlink_at(from, bytes)?, to, bytes)?;
                self.finish_at(to, bytes, uid, gid, &stat)
            }
            SFlag::S_IFCHR if stat.st_rdev == 0 && self.rules.layer => at::mknod_at(to, bytes, SFlag::S_IFCHR, 0, 0),
            SFlag::S_IFIFO | SFlag::S_IFSOCK => {
                at::mknod_at(to, bytes, kind, 0o600, 0)?;
                self.finish_at(to, bytes, uid, gid, &stat)?;
                at::chmod_at(to, bytes, stat.st_mode & 0o7777)
            }
            // Devices are not there in layers, and would mean nothing in a volume.
            _ => Ok(()),
        }
    }

    fn body(&self, from: &File, to: &File, stat: &FileStat) -> io::Result<()> {
        if stat.st_size == 0 {
            return Ok(());
        }
        if self.rules.bodies == Bodies::Referred {
            to.set_len(stat.st_size as u64)?;
            xattr::set(to, METACOPY, b"")?;
            return xattr::set(to, REDIRECT, &self.path);
        }
        if share(from, to).is_ok() {
            return Ok(());
        }
        copy_pieces(from, to, stat.st_size as u64)
    }

    fn finish(&self, from: &File, to: &File, stat: &FileStat) -> io::Result<()> {
        let (uid, gid) = self.rules.owner(stat)?;
        fchown(to, Some(uid), Some(gid))?;
        to.set_permissions(Permissions::from_mode(stat.st_mode & 0o7777))?;
        for name in xattr::list(from)? {
            let marks = name.starts_with(b"user.overlay.");
            if marks && !(self.rules.layer && name == b"user.overlay.opaque") {
                continue;
            }
            let Ok(name) = CString::new(name) else { continue };
            let Some(mut value) = xattr::get(from, &name)? else { continue };
            if name.as_c_str() == CAPABILITY {
                value = rooted_capability(&value, self.rules.root());
            }
            match xattr::set(to, &name, &value) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EOPNOTSUPP)) => {}
                other => other?,
            }
        }
        at::set_time(to, moment(stat))
    }

    fn finish_at(&self, to: &File, name: &[u8], uid: u32, gid: u32, stat: &FileStat) -> io::Result<()> {
        at::chown_at(to, name, uid, gid)?;
        at::set_time_at(to, name, moment(stat))
    }
}

fn open_at(parent: &File, name: &CStr, flags: OFlag) -> io::Result<File> {
    Ok(openat(parent, name, OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | flags, Mode::empty())?.into())
}

fn moment(stat: &FileStat) -> Moment {
    Moment { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 }
}

/// Shares the blocks of `from`, where the file system can (btrfs, xfs, bcachefs).
fn share(from: &File, to: &File) -> io::Result<()> {
    crate::sys::path::clone_blocks(from, to)
}

/// Copies what is not a hole.
fn copy_pieces(from: &File, to: &File, size: u64) -> io::Result<()> {
    use nix::unistd::{Whence, lseek};
    let mut buffer = vec![0; 256 * 1024];
    let mut position = 0_i64;
    while let Ok(start) = lseek(from, position, Whence::SeekData) {
        let end = lseek(from, start, Whence::SeekHole)?;
        let mut offset = start as u64;
        while offset < end as u64 {
            let wanted = buffer.len().min((end as u64 - offset) as usize);
            let count = from.read_at(&mut buffer[..wanted], offset)?;
            if count == 0 {
                break;
            }
            to.write_all_at(&buffer[..count], offset)?;
            offset += count as u64;
        }
        position = end;
    }
    to.set_len(size)
}

/// A file capability of revision 2 or 3 as revision 3 for the namespace whose root is `root`: `struct vfs_ns_cap_data`.
fn rooted_capability(value: &[u8], root: u32) -> Vec<u8> {
    const REVISION_MASK: u8 = 0xff;
    let mut rooted = value.to_vec();
    if root != 0 && matches!(value.len(), 20 | 24) && matches!(value[3] & REVISION_MASK, 2 | 3) {
        rooted[3] = 3;
        rooted.truncate(20);
        rooted.extend_from_slice(&root.to_le_bytes());
    }
    rooted
}

/// The text of a path for a message.
pub(super) fn show(path: &[u8]) -> String {
    std::ffi::OsStr::from_bytes(path).to_string_lossy().into_owned()
}

/// Whether `directory` has no entries.
pub(super) fn is_empty(directory: &File) -> io::Result<bool> {
    let mut stream = Dir::from_fd(openat(directory, c".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?)?;
    for entry in stream.iter() {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn capabilities_are_bound_to_the_containers_root() {
        let revision_2 = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let rooted = rooted_capability(&revision_2, 100_000);
        assert_eq!((rooted.len(), rooted[3], &rooted[4..20]), (24, 3, &revision_2[4..]));
        assert_eq!(rooted[20..], 100_000_u32.to_le_bytes());
        assert_eq!(rooted_capability(&revision_2, 0), revision_2);
    }

    #[test]
    fn holes_and_hard_links_stay_what_they_are() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        std::fs::create_dir(&to).unwrap();
        let file = File::create(from.join("holes")).unwrap();
        file.write_all_at(b"middle", 1 << 20).unwrap();
        file.set_len(3 << 20).unwrap();
        std::fs::create_dir(from.join("sub")).unwrap();
        std::fs::hard_link(from.join("holes"), from.join("sub/other")).unwrap();
        std::os::unix::fs::symlink("holes", from.join("link")).unwrap();
        let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
        let map = IdMap::single(uid, gid, uid, gid);
        let rules = Rules { whole: map.clone(), map, bodies: Bodies::Copied, layer: false };
        tree(&File::open(&from).unwrap(), &File::open(&to).unwrap(), &rules).unwrap();
        assert!(std::fs::read(to.join("holes")).unwrap() == std::fs::read(from.join("holes")).unwrap());
        let (one, other) = (to.join("holes").metadata().unwrap(), to.join("sub/other").metadata().unwrap());
        assert_eq!((one.ino(), one.nlink()), (other.ino(), 2));
        assert!(one.blocks() * 512 < 1 << 20);
        assert_eq!(std::fs::read_link(to.join("link")).unwrap().to_str(), Some("holes"));
    }
}
