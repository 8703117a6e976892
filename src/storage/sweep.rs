//! Work in progress under `tmp/`, and the sweeping of what killed processes have left there.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::remove::remove;
use crate::sys::lock::{Lock, Mode};

/// A directory under `tmp/` whose lock says that somebody is at it. Dropped, it is removed, unless it was renamed away.
pub(super) struct Temporary {
    pub path: PathBuf,
    _lock: Lock,
}

impl Temporary {
    /// Makes one in the store whose directory is `data`.
    pub fn new(data: &Path, prefix: &str) -> io::Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        // Between making the directory and locking it, the sweeper is kept out.
        let _no_sweeping = Lock::file(&gate(data), Mode::Shared)?;
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = data.join("tmp").join(format!("{prefix}-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o711).create(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => {
                    other?;
                    let lock = Lock::descriptor(File::open(&path)?, Mode::Exclusive)?;
                    return Ok(Self { path, _lock: lock });
                }
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = remove(&self.path);
    }
}

fn gate(data: &Path) -> PathBuf {
    data.join("locks/tmp")
}

/// Links and files under `tmp/` live for microseconds, unless their maker was killed.
const FILE_AGE: Duration = Duration::from_secs(60);

/// Removes from the store at `data` what nobody is at any more: directories and lock files whose lock is free, old files. The caller must
/// be able to remove files of mapped owners. Errors are left to the next sweep.
pub(super) fn sweep(data: &Path) {
    let mut dead = Vec::new();
    if let Ok(_no_making) = Lock::file(&gate(data), Mode::Exclusive) {
        for entry in fs::read_dir(data.join("tmp")).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(metadata) = path.symlink_metadata() else { continue };
            if metadata.is_dir() {
                if let Ok(Some(lock)) = Lock::try_directory(&path, Mode::Exclusive) {
                    dead.push((path, lock));
                }
            } else if metadata.modified().ok().and_then(|time| time.elapsed().ok()).is_some_and(|age| age > FILE_AGE) {
                let _ = fs::remove_file(&path);
            }
        }
    }
    // Their locks are held, so that two sweepers do not meet.
    for (path, _lock) in dead {
        let _ = remove(&path);
    }
    sweep_containers(data);
    for entry in fs::read_dir(data.join("locks")).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b"layer-")
            && let Ok(Some(lock)) = Lock::try_file(&path, Mode::Exclusive)
        {
            lock.remove(&path);
        }
    }
}

/// Removes what was to become a container when its maker was killed: it has no state, and nobody holds its lock.
fn sweep_containers(data: &Path) {
    for entry in fs::read_dir(data.join("containers")).into_iter().flatten().flatten() {
        let path = entry.path();
        let state = path.join("state.json");
        if entry.file_name().len() == 64
            && !state.exists()
            && let Ok(Some(_lock)) = Lock::try_directory(&path, Mode::Exclusive)
            && !state.exists()
        {
            let _ = remove(&path);
        }
    }
}
