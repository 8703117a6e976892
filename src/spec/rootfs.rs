//! Reading a few files of a root file system before it is mounted: through its layers, from the host's side.
//!
//! The files are the image's, so nothing of them is trusted: paths are resolved inside one layer only, symbolic links cannot lead
//! out of it, and only regular files of moderate size are read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::sys::path::open_in_root_at;

/// A root file system as directories, the topmost first.
#[derive(Clone, Debug, Default)]
pub struct RootView {
    pub layers: Vec<PathBuf>,
}

/// Far beyond any sane /etc/passwd.
const LIMIT: u64 = 4 << 20;

impl RootView {
    /// The text of the file at `path` (relative, as `etc/passwd`); empty where there is none or it is no regular file.
    pub fn read(&self, path: &str) -> String {
        let Some((_, mut file)) = self.find(path) else { return String::new() };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LIMIT) {
            return String::new();
        }
        let mut bytes = Vec::new();
        match file.read_to_end(&mut bytes) {
            Ok(_) => String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            Err(_) => String::new(),
        }
    }

    /// Whether `path` (relative) is there as a directory.
    pub fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || self.find(path).is_some_and(|(_, file)| file.metadata().is_ok_and(|metadata| metadata.is_dir()))
    }

    /// The topmost layer that has `path`, and the file.
    pub fn find(&self, path: &str) -> Option<(&Path, File)> {
        for layer in &self.layers {
            let Ok(root) = File::open(layer) else { continue };
            // O_NONBLOCK: a FIFO in the image must not keep us waiting.
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
            match open_in_root_at(&root, path.as_bytes(), flags) {
                Ok(file) if !is_whiteout(&file) => return Some((layer, file)),
                Ok(_) => return None,
                Err(_) if hides(&root, path) => return None,
                Err(_) => {}
            }
        }
        None
    }
}

/// overlayfs's mark for a removed file: a character device 0:0.
fn is_whiteout(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.file_type().is_char_device() && metadata.rdev() == 0)
}

/// Whether this layer removes `path` from those below, though it does not have it: a whiteout on the way, or an opaque directory.
fn hides(root: &File, path: &str) -> bool {
    let mut end = 0;
    loop {
        end = match path[end..].find('/') {
            Some(at) => end + at,
            None => path.len(),
        };
        let prefix = &path.as_bytes()[..end];
        let Ok(found) = open_in_root_at(root, prefix, OFlag::O_PATH | OFlag::O_NOFOLLOW) else { return false };
        if is_whiteout(&found) || is_opaque(root, prefix) {
            return true;
        }
        if end == path.len() {
            return false;
        }
        end += 1;
    }
}

fn is_opaque(root: &File, directory: &[u8]) -> bool {
    let Ok(found) = open_in_root_at(root, directory, OFlag::O_RDONLY | OFlag::O_DIRECTORY) else { return false };
    matches!(crate::sys::xattr::get(&found, c"user.overlay.opaque"), Ok(Some(value)) if value == b"y")
}
