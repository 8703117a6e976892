//! Paths of foreign making (tar entries, whatever a container has put in its files), resolved without ever leaving a directory.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag};
use nix::libc;
use nix::sys::stat::Mode;

/// Opens `path` as if `root` were `/`: symbolic links and `..` in it, absolute ones too, stay within. openat2(2), Linux 5.6.
pub fn open_in_root_at(root: impl AsFd, path: &[u8], flags: OFlag) -> io::Result<File> {
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let path = if path.is_empty() { b"." } else { path };
    loop {
        match nix::fcntl::openat2(root.as_fd(), OsStr::from_bytes(path), how) {
            // The kernel asks for another try when something was renamed or mounted meanwhile.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            other => return Ok(other?.into()),
        }
    }
}

/// Opens the directory `path` below `root` for use as the parent of others.
pub fn open_directory_at(root: impl AsFd, path: &[u8]) -> io::Result<File> {
    open_in_root_at(root, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)
}

/// As [`open_directory_at`], and gives the path without the symbolic links that were followed.
pub fn open_canonical_directory_at(root: impl AsFd, path: &[u8]) -> io::Result<(File, Vec<u8>)> {
    let root = root.as_fd();
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let name = if path.is_empty() { b"." } else { path };
    match nix::fcntl::openat2(root, OsStr::from_bytes(name), how) {
        Ok(file) => Ok((file.into(), path.to_vec())),
        Err(Errno::ELOOP) => {
            let canonical = canonical_at(root, path)?;
            Ok((open_directory_at(root, &canonical)?, canonical))
        }
        Err(errno) => Err(errno.into()),
    }
}

/// `path` with every symbolic link in it followed, as if `root` were `/`. Meant for directories that nobody else changes.
fn canonical_at(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<Vec<u8>> {
    let components = |path: &[u8]| -> Vec<Vec<u8>> { path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect() };
    let mut ahead = components(path);
    let mut done: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while let Some(component) = ahead.pop() {
        match component.as_slice() {
            b"" | b"." => {}
            b".." => drop(done.pop()),
            name => {
                let parent = open_directory_at(root, &done.join(&b'/'))?;
                match readlink_at(&parent, name) {
                    Err(error) if error.raw_os_error() == Some(libc::EINVAL) => done.push(component),
                    Err(error) => return Err(error),
                    Ok(target) => {
                        links += 1;
                        // The kernel's own limit.
                        if links > 40 {
                            return Err(Errno::ELOOP.into());
                        }
                        if target.starts_with(b"/") {
                            done.clear();
                        }
                        ahead.extend(components(&target));
                    }
                }
            }
        }
    }
    Ok(done.join(&b'/'))
}

/// Creates the file `name` (one component, which must not exist) in a directory.
pub fn create_at(parent: impl AsFd, name: &[u8], mode: u32) -> io::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(nix::fcntl::openat(parent, OsStr::from_bytes(name), flags, Mode::from_bits_truncate(mode))?.into())
}

/// Makes the directory `name` (one component).
pub fn mkdir_at(parent: impl AsFd, name: &[u8], mode: u32) -> io::Result<()> {
    Ok(nix::sys::stat::mkdirat(parent, OsStr::from_bytes(name), Mode::from_bits_truncate(mode))?)
}

/// Makes a device, FIFO or socket node. In a user namespace the kernel allows of devices only the whiteout, 0/0 (Linux 5.8).
pub fn mknod_at(parent: impl AsFd, name: &[u8], kind: nix::sys::stat::SFlag, mode: u32, device: u64) -> io::Result<()> {
    Ok(nix::sys::stat::mknodat(parent, OsStr::from_bytes(name), kind, Mode::from_bits_truncate(mode), device)?)
}

/// Gives `name` another owner; a symbolic link itself, not what it points to.
pub fn chown_at(parent: impl AsFd, name: &[u8], uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (nix::unistd::Uid::from_raw(uid), nix::unistd::Gid::from_raw(gid));
    Ok(nix::unistd::fchownat(parent, OsStr::from_bytes(name), Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

/// Gives `name`, which must not be a symbolic link, another mode.
pub fn chmod_at(parent: impl AsFd, name: &[u8], mode: u32) -> io::Result<()> {
    let flags = nix::sys::stat::FchmodatFlags::FollowSymlink;
    Ok(nix::sys::stat::fchmodat(parent, OsStr::from_bytes(name), Mode::from_bits_truncate(mode), flags)?)
}

/// What `name` is, without following it.
pub fn stat_at(parent: impl AsFd, name: &[u8]) -> io::Result<nix::sys::stat::FileStat> {
    Ok(nix::sys::stat::fstatat(parent, OsStr::from_bytes(name), AtFlags::AT_SYMLINK_NOFOLLOW)?)
}

/// Removes the directory `name` if `directory`, else any other file.
pub fn unlink_at(parent: impl AsFd, name: &[u8], directory: bool) -> io::Result<()> {
    let flag = if directory { nix::unistd::UnlinkatFlags::RemoveDir } else { nix::unistd::UnlinkatFlags::NoRemoveDir };
    Ok(nix::unistd::unlinkat(parent, OsStr::from_bytes(name), flag)?)
}

/// Renames `name` in one directory to `new` in another.
pub fn rename_at(parent: impl AsFd, name: &[u8], new_parent: impl AsFd, new: &[u8]) -> io::Result<()> {
    Ok(nix::fcntl::renameat(parent, OsStr::from_bytes(name), new_parent, OsStr::from_bytes(new))?)
}

/// Swaps two paths in one step; both must exist.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    Ok(renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE)?)
}

/// Makes a hard link to `name`, to a symbolic link itself.
pub fn link_at(parent: impl AsFd, name: &[u8], new_parent: impl AsFd, new: &[u8]) -> io::Result<()> {
    Ok(nix::unistd::linkat(parent, OsStr::from_bytes(name), new_parent, OsStr::from_bytes(new), AtFlags::empty())?)
}

/// Makes a symbolic link with any text as its target.
pub fn symlink_at(target: &[u8], parent: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(nix::unistd::symlinkat(OsStr::from_bytes(target), parent, OsStr::from_bytes(name))?)
}

/// The target of the symbolic link `name`.
pub fn readlink_at(parent: impl AsFd, name: &[u8]) -> io::Result<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt;
    Ok(nix::fcntl::readlinkat(parent, OsStr::from_bytes(name))?.into_vec())
}

/// A moment as tar archives and stat(2) give it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    pub seconds: i64,
    pub nanoseconds: u32,
}

impl Moment {
    fn spec(self) -> nix::sys::time::TimeSpec {
        nix::sys::time::TimeSpec::new(self.seconds, i64::from(self.nanoseconds))
    }
}

/// Sets access and modification time of an open file.
pub fn set_time(file: impl AsFd, moment: Moment) -> io::Result<()> {
    Ok(nix::sys::stat::futimens(file, &moment.spec(), &moment.spec())?)
}

/// Sets access and modification time of `name`, a symbolic link's own too.
pub fn set_time_at(parent: impl AsFd, name: &[u8], moment: Moment) -> io::Result<()> {
    let flags = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    Ok(nix::sys::stat::utimensat(parent, OsStr::from_bytes(name), &moment.spec(), &moment.spec(), flags)?)
}

/// Writes everything that waits for the disk in the file system that `file` is on.
pub fn sync_file_system(file: impl AsFd) -> io::Result<()> {
    // SAFETY: syncfs(2) takes a descriptor, which is open while `file` is borrowed, and touches no memory.
    match unsafe { libc::syncfs(file.as_fd().as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes the file `to` share all blocks of `from`: FICLONE of ioctl_ficlonerange(2), for file systems that can.
pub fn clone_blocks(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    // SAFETY: FICLONE takes a descriptor by value; both are open while they are borrowed.
    match unsafe { libc::ioctl(to.as_fd().as_raw_fd(), libc::FICLONE, from.as_fd().as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether two paths lie on one file system.
pub fn same_file_system(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(one.metadata()?.dev() == other.metadata()?.dev())
}

/// Enlarges a pipe's buffer as far as the user's limits allow; a small one costs only speed.
pub fn widen_pipe(pipe: impl AsFd, bytes: i32) {
    let _ = nix::fcntl::fcntl(pipe.as_fd(), nix::fcntl::FcntlArg::F_SETPIPE_SZ(bytes));
}

/// Makes `directory` the root directory of this process, and its working directory.
pub fn enter_root(directory: &OwnedFd) -> io::Result<()> {
    nix::unistd::fchdir(directory)?;
    Ok(nix::unistd::chroot(c".")?)
}

/// `bytes` as a file name or path for the kernel; `None` where a zero byte would end it early.
pub fn is_path(bytes: &[u8]) -> bool {
    !bytes.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_dots_do_not_lead_out_of_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(directory.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink("../secret", inside.join("relative")).unwrap();
        std::os::unix::fs::symlink(directory.path().join("secret"), inside.join("absolute")).unwrap();
        std::os::unix::fs::symlink("/", inside.join("top")).unwrap();
        let root = File::open(&inside).unwrap();
        for path in [&b"relative"[..], b"absolute", b"../secret", b"top/../secret"] {
            let error = open_in_root_at(&root, path, OFlag::O_RDONLY).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{}", String::from_utf8_lossy(path));
        }
        let top = open_directory_at(&root, b"top").unwrap();
        assert_eq!(top.metadata().unwrap().ino(), inside.metadata().unwrap().ino());
    }
}
