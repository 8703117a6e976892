//! JSON files that are replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::OFlag;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Error;

/// Whether a file has to be on the disk before its name shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// The kernel writes it within half a minute; after a power cut it may be empty and is then made up from other files.
    Lazy,
    /// Losing it would lose something that nothing else holds.
    Synced,
}

/// Reads a JSON file; `None` where there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    decode(path, File::open(path))
}

/// Reads the JSON file at `relative` to a directory: no long path is walked, which counts when there are a thousand.
pub(super) fn read_at<T: DeserializeOwned>(directory: &File, relative: &str, path: &dyn Fn() -> PathBuf) -> Result<Option<T>, Error> {
    let file = nix::fcntl::openat(directory, relative, OFlag::O_RDONLY | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty());
    match decode(Path::new(relative), file.map(File::from).map_err(io::Error::from)) {
        Err(Error::Damaged { reason, .. }) => Err(Error::Damaged { path: path(), reason }),
        other => other,
    }
}

fn decode<T: DeserializeOwned>(path: &Path, file: io::Result<File>) -> Result<Option<T>, Error> {
    let file = match file {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        other => other.map_err(Error::io("read", path))?,
    };
    let bytes = whole(file).map_err(Error::io("read", path))?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            Err(Error::Damaged { path: path.to_owned(), reason: if bytes.is_empty() { "empty".into() } else { error.to_string() } })
        }
    }
}

/// What is in a small file, in one call: a read that comes back short has met its end.
fn whole(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 16 * 1024];
    let mut length = 0;
    loop {
        match file.read(&mut bytes[length..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(count) => {
                length += count;
                if length < bytes.len() {
                    bytes.truncate(length);
                    return Ok(bytes);
                }
                bytes.resize(length * 2, 0);
            }
        }
    }
}

/// Writes a file that does not exist yet, or that no reader can know of.
pub(super) fn write_new<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    write(path, &encode(path, value)?).map(drop)
}

/// Puts `value` in the place of the file at `path`: a reader sees the old one or the new one.
pub(super) fn replace<T: Serialize>(path: &Path, value: &T, durability: Durability) -> Result<(), Error> {
    // Writers of one object hold its lock, but a killed one may have left its temporary file behind, and threads share a PID.
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let temporary = path.with_extension(format!("{}.{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    let result = (|| {
        let file = write(&temporary, &encode(path, value)?)?;
        if durability == Durability::Synced {
            file.sync_data().map_err(Error::io("sync", path))?;
        }
        fs::rename(&temporary, path).map_err(Error::io("write", path))
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn encode<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Damaged { path: path.to_owned(), reason: error.to_string() })
}

fn write(path: &Path, bytes: &[u8]) -> Result<File, Error> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    Ok(file)
}
