//! Paths in the container's root, opened and created so that nothing in the image can lead out of it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};

use crate::sys::resolve::open_in_root;

/// Symbolic links followed in one path, as the kernel's MAXSYMLINKS.
const LINKS: usize = 40;

/// What is to be at a path that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Directory,
    File,
}

/// Opens `path` within `root` as `O_PATH`. What is missing is created: directories on the way, and a directory or an empty file at its end.
/// A dangling symbolic link on the way gets what it points to.
pub fn open_or_create(root: BorrowedFd<'_>, path: &CStr, missing: Missing) -> io::Result<OwnedFd> {
    match open_in_root(root, path, libc::O_PATH, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => create(root, path, missing),
        result => result,
    }
}

fn create(root: BorrowedFd<'_>, path: &CStr, missing: Missing) -> io::Result<OwnedFd> {
    let mut pending = components(path.to_bytes());
    let mut here = root.try_clone_to_owned()?;
    // The path of `here` within the root, so that `..` and links are resolved by openat2 as ever.
    let mut done = Vec::new();
    let mut links = 0;
    while let Some(name) = pending.pop() {
        let candidate = c_string([done.as_slice(), b"/", &name].concat())?;
        let last = pending.is_empty();
        let found = match open_in_root(root, &candidate, libc::O_PATH | libc::O_NOFOLLOW, 0) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                make(here.as_fd(), &c_string(name)?, if last { missing } else { Missing::Directory })?;
                open_in_root(root, &candidate, libc::O_PATH | libc::O_NOFOLLOW, 0)?
            }
            result => result?,
        };
        if SFlag::from_bits_truncate(fstat(&found)?.st_mode) & SFlag::S_IFMT != SFlag::S_IFLNK {
            here = found;
            done = candidate.into_bytes();
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let target = nix::fcntl::readlinkat(&found, "")?;
        let target = target.as_bytes();
        if target.starts_with(b"/") {
            done.clear();
            here = root.try_clone_to_owned()?;
        }
        pending.extend(components(target));
    }
    Ok(here)
}

/// A path's names, the first one last.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").map(<[u8]>::to_vec).rev().collect()
}

fn make(directory: BorrowedFd<'_>, name: &CStr, what: Missing) -> io::Result<()> {
    let made = match what {
        Missing::Directory => mkdirat(directory, name, Mode::from_bits_truncate(0o755)),
        Missing::File => {
            let flags =
                nix::fcntl::OFlag::O_CREAT | nix::fcntl::OFlag::O_EXCL | nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_CLOEXEC;
            nix::fcntl::openat(directory, name, flags, Mode::from_bits_truncate(0o644)).map(drop)
        }
    };
    match made {
        Err(nix::Error::EEXIST) => Ok(()),
        result => Ok(result?),
    }
}

fn c_string(bytes: Vec<u8>) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}
