//! Extended attributes, xattr(7).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

/// Sets an attribute of an open file (not one opened with `O_PATH`).
pub fn set(file: impl AsFd, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: name is a C string, value is readable for its length, the descriptor is open while `file` is borrowed.
    let result = unsafe { libc::fsetxattr(file.as_fd().as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    check(result as isize).map(drop)
}

/// Sets an attribute of the file at `path`, a symbolic link's own too.
pub fn set_path(path: &CStr, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: path and name are C strings, value is readable for its length.
    let result = unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    check(result as isize).map(drop)
}

/// The value of an attribute of an open file, `None` where it has no such.
pub fn get(file: impl AsFd, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let file = file.as_fd().as_raw_fd();
    // SAFETY: name is a C string; the kernel writes at most `length` bytes into a buffer that long, or none where it is 0.
    grow(|buffer, length| unsafe { libc::fgetxattr(file, name.as_ptr(), buffer.cast(), length) })
}

/// The names of an open file's attributes.
pub fn list(file: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let file = file.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `length` bytes into a buffer that long, or none where it is 0.
    let names = grow(|buffer, length| unsafe { libc::flistxattr(file, buffer.cast(), length) })?.unwrap_or_default();
    Ok(names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

/// Calls with a growing buffer, since a value may change between asking for its length and reading it.
fn grow(call: impl Fn(*mut u8, usize) -> isize) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = Vec::with_capacity(256);
    loop {
        match check(call(buffer.as_mut_ptr(), buffer.capacity())) {
            Ok(length) => {
                // SAFETY: the call has just written `length` bytes, which are no more than the capacity it was given.
                unsafe { buffer.set_len(length) };
                return Ok(Some(buffer));
            }
            Err(error) if error.raw_os_error() == Some(libc::ENODATA) => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && buffer.capacity() < 1 << 20 => {
                buffer.reserve(buffer.capacity() * 2);
            }
            Err(error) => return Err(error),
        }
    }
}

fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_as_they_were_set() {
        let file = tempfile::NamedTempFile::new_in("/var/tmp").unwrap();
        let file = file.as_file();
        assert_eq!(get(file, c"user.dulse").unwrap(), None);
        set(file, c"user.dulse", &[7; 1000]).unwrap();
        assert_eq!(get(file, c"user.dulse").unwrap().unwrap(), vec![7; 1000]);
        assert!(list(file).unwrap().contains(&b"user.dulse".to_vec()));
    }
}
