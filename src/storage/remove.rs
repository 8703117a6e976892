//! Removing trees: fast where all is the user's own, through a process in the user namespace where it is not.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::{Dir, Type};

use super::Error;
use super::task::{self, Task};
use crate::sys::path as at;

/// Removes a file or a directory with all in it, whatever the owners, modes and depth of what a container has made there. That it is not
/// there is no error.
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    match remove(path) {
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied) => task::run(&Task::Remove { path: path.to_owned() }, &[]),
        other => other.map_err(Error::io("remove", path)),
    }
}

/// Removes what this process may remove.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let missing = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(ErrorKind::InvalidInput.into()) };
    let parent = match File::open(parent) {
        Err(error) if missing(&error) => return Ok(()),
        other => other?,
    };
    let name = name.as_bytes();
    match at::unlink_at(&parent, name, true) {
        Err(error) if missing(&error) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return at::unlink_at(&parent, name, false),
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
        other => return other,
    }
    let top = open(&parent, name)?;
    // Deep directories are moved up, so that one round may not be all.
    while !empty(&top, &top, 0)? {}
    at::unlink_at(&parent, name, true)
}

/// Directories deeper than this are moved to the top first: a container can nest them deeper than there are descriptors.
const DEPTH: usize = 100;

/// Removes what is in `directory`; tells whether nothing was moved to `top` meanwhile.
fn empty(top: &File, directory: &File, depth: usize) -> io::Result<bool> {
    let mut clean = true;
    for (name, is_directory) in entries(directory)? {
        if !is_directory {
            ignore_missing(at::unlink_at(directory, &name, false))?;
            continue;
        }
        match at::unlink_at(directory, &name, true) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
            other => {
                ignore_missing(other)?;
                continue;
            }
        }
        if depth == DEPTH {
            move_up(directory, &name, top)?;
            clean = false;
            continue;
        }
        let inner = open(directory, &name)?;
        clean &= empty(top, &inner, depth + 1)?;
        ignore_missing(at::unlink_at(directory, &name, true))?;
    }
    Ok(clean)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn move_up(directory: &File, name: &[u8], top: &File) -> io::Result<()> {
    for number in 0_u64.. {
        match at::rename_at(directory, name, top, format!(".deep-{number}").as_bytes()) {
            // A file or directory of this name is there.
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => {}
            other => return other,
        }
    }
    Ok(())
}

/// Names in a directory, and which are directories.
pub(super) fn entries(directory: &File) -> io::Result<Vec<(Vec<u8>, bool)>> {
    let mut names = Vec::new();
    let mut stream = Dir::from_fd(directory.try_clone()?.into())?;
    for entry in stream.iter() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let is_directory = match entry.file_type() {
            Some(kind) => kind == Type::Directory,
            None => at::stat_at(directory, name)?.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR,
        };
        names.push((name.to_vec(), is_directory));
    }
    Ok(names)
}

/// Opens a directory; one that its owner may not read (overlay's work directory has mode 0) is made readable.
fn open(parent: &File, name: &[u8]) -> io::Result<File> {
    use nix::fcntl::{OFlag, openat};
    use nix::sys::stat::Mode;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open = || -> io::Result<File> { Ok(openat(parent, std::ffi::OsStr::from_bytes(name), flags, Mode::empty())?.into()) };
    let directory = match open() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            at::chmod_at(parent, name, 0o700)?;
            open()?
        }
        other => other?,
    };
    // Without these bits nothing in it can be removed, although it can be read.
    use std::os::unix::fs::PermissionsExt;
    let mode = directory.metadata()?.permissions().mode();
    if mode & 0o300 != 0o300 {
        // A foreign directory cannot be changed; removing in it will then say so.
        let _ = directory.set_permissions(fs::Permissions::from_mode(0o700));
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn deep_and_locked_trees_go() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().join("top");
        fs::create_dir(&top).unwrap();
        fs::write(top.join(".deep-0"), "in the way").unwrap();
        let mut current = File::open(&top).unwrap();
        for _ in 0..450 {
            at::mkdir_at(&current, b"a long enough name for a path of more than four thousand bytes", 0o700).unwrap();
            at::create_at(&current, b"file", 0o400).unwrap();
            current = open(&current, b"a long enough name for a path of more than four thousand bytes").unwrap();
        }
        let locked = top.join("locked");
        fs::create_dir_all(locked.join("inner")).unwrap();
        fs::set_permissions(locked.join("inner"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
        std::os::unix::fs::symlink("/", top.join("link")).unwrap();
        remove(&top).unwrap();
        assert!(!top.exists());
        remove(&top).unwrap();
    }
}
