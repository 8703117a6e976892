//! Advisory locks: flock(2) on files and directories, and open-file-description locks that can be asked for without being taken.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// A held flock; it ends with this value, or with the last process that inherited the descriptor.
#[derive(Debug)]
pub struct Lock(File);

/// How a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Shared,
    Exclusive,
}

impl Lock {
    /// Locks the file at `path`, which is created where missing; waits for others.
    pub fn file(path: &Path, mode: Mode) -> io::Result<Self> {
        loop {
            let file = open(path)?;
            apply(&file, mode)?;
            // Its last holder may have removed it meanwhile, and a third process made another.
            if is_at(&file, path) {
                return Ok(Self(file));
            }
        }
    }

    /// Removes the file that was locked by [`Lock::file`], which must be held exclusively.
    pub fn remove(self, path: &Path) {
        // A file that stays behind is harmless.
        let _ = std::fs::remove_file(path);
    }

    /// As [`Lock::file`], but gives `None` at once where another holds it.
    pub fn try_file(path: &Path, mode: Mode) -> io::Result<Option<Self>> {
        Ok(try_apply(open(path)?, mode)?.filter(|lock| is_at(&lock.0, path)))
    }

    /// Locks an open file or directory; waits for others.
    pub fn descriptor(file: File, mode: Mode) -> io::Result<Self> {
        apply(&file, mode)?;
        Ok(Self(file))
    }

    /// As [`Lock::descriptor`], but gives `None` at once where another holds it.
    pub fn try_descriptor(file: File, mode: Mode) -> io::Result<Option<Self>> {
        try_apply(file, mode)
    }

    /// Locks the directory at `path`, `None` where another holds it.
    pub fn try_directory(path: &Path, mode: Mode) -> io::Result<Option<Self>> {
        try_apply(File::open(path)?, mode)
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    path.metadata().is_ok_and(|there| file.metadata().is_ok_and(|here| (here.dev(), here.ino()) == (there.dev(), there.ino())))
}

fn open(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    match (open(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            open()
        }
        (other, _) => other,
    }
}

fn apply(file: &File, mode: Mode) -> io::Result<()> {
    loop {
        let result = match mode {
            Mode::Shared => file.lock_shared(),
            Mode::Exclusive => file.lock(),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn try_apply(file: File, mode: Mode) -> io::Result<Option<Lock>> {
    let result = match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    match result {
        Ok(()) => Ok(Some(Lock(file))),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// A sign of life: an exclusive open-file-description lock on a file, fcntl(2). Unlike flock it can be tested without being taken, so
/// that a test never gets in the way of the process that wants to hold it. Children inherit it with the descriptor.
#[derive(Debug)]
pub struct Beacon(File);

impl Beacon {
    /// Creates the file and takes the lock; `None` where another process holds it.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())) {
            Ok(_) => Ok(Some(Self(file))),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether some process holds the lock on the file at `path`; a missing file is not held.
    pub fn is_held(path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        let mut lock = whole_file();
        fcntl(&file, FcntlArg::F_OFD_GETLK(&mut lock))?;
        Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
    }

    /// Whether the file that this lock is on is still the one at `path`.
    pub fn is_at(&self, path: &Path) -> bool {
        is_at(&self.0, path)
    }
}

impl AsFd for Beacon {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn whole_file() -> libc::flock {
    // Length 0 reaches to the end of the file, l_pid must be 0 for open-file-description locks.
    libc::flock { l_type: libc::F_WRLCK as libc::c_short, l_whence: libc::SEEK_SET as libc::c_short, l_start: 0, l_len: 0, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_is_seen_without_being_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert!(!Beacon::is_held(&path).unwrap());
        let beacon = Beacon::take(&path).unwrap().unwrap();
        assert!(Beacon::is_held(&path).unwrap());
        assert!(Beacon::take(&path).unwrap().is_none());
        drop(beacon);
        assert!(!Beacon::is_held(&path).unwrap());
    }

    #[test]
    fn two_shared_locks_keep_an_exclusive_one_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/lock");
        let one = Lock::file(&path, Mode::Shared).unwrap();
        let two = Lock::file(&path, Mode::Shared).unwrap();
        assert!(Lock::try_file(&path, Mode::Exclusive).unwrap().is_none());
        drop((one, two));
        assert!(Lock::try_file(&path, Mode::Exclusive).unwrap().is_some());
    }
}
