//! Paths in the container's root, opened and created so that nothing in the image can lead out of it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::fcntl::{OFlag, openat};
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

/// Opens `path` within `root` to mount on. What is missing is created: directories on the way, and a directory or an empty file at its end.
/// A dangling symbolic link on the way gets what it points to.
pub fn open_or_create(root: BorrowedFd<'_>, path: &CStr, missing: Missing) -> io::Result<OwnedFd> {
    match open_in_root(root, path, libc::O_PATH, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => match create_in_parent(root, path, missing)? {
            Some(made) => Ok(made),
            None => create(root, path, missing),
        },
        result => result,
    }
}

/// The most frequent case in few system calls: only the last name is missing.
fn create_in_parent(root: BorrowedFd<'_>, path: &CStr, missing: Missing) -> io::Result<Option<OwnedFd>> {
    let bytes = path.to_bytes();
    let Some(slash) = bytes.iter().rposition(|byte| *byte == b'/') else { return Ok(None) };
    let (parent, name) = (bytes.get(..slash.max(1)).unwrap_or_default(), bytes.get(slash + 1..).unwrap_or_default());
    if matches!(name, b"" | b"." | b"..") {
        return Ok(None);
    }
    let (parent, name) = (c_string(parent.to_vec())?, c_string(name.to_vec())?);
    let Ok(parent) = open_in_root(root, &parent, libc::O_PATH | libc::O_DIRECTORY, 0) else { return Ok(None) };
    new_entry(parent.as_fd(), &name, missing)
}

/// Makes a directory or an empty file that is not there yet; `None` where there is something, be it a dangling link.
pub fn new_entry(directory: BorrowedFd<'_>, name: &CStr, what: Missing) -> io::Result<Option<OwnedFd>> {
    let made = match what {
        Missing::Directory => mkdirat(directory, name, Mode::from_bits_truncate(0o755)).and_then(|()| {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(directory, name, flags, Mode::empty())
        }),
        Missing::File => {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            openat(directory, name, flags, Mode::from_bits_truncate(0o644))
        }
    };
    match made {
        Err(nix::Error::EEXIST) => Ok(None),
        result => Ok(Some(result?)),
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
                new_entry(here.as_fd(), &c_string(name)?, if last { missing } else { Missing::Directory })?;
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

fn c_string(bytes: Vec<u8>) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}
