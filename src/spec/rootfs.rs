//! Reading a few files of a root file system before it is mounted: through its layers, from the host's side.
//!
//! The files are the image's, so nothing of them is trusted: paths are resolved inside one layer only, symbolic links cannot lead
//! out of it, and only regular files of moderate size are read.

use std::cell::OnceCell;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use nix::fcntl::OFlag;

use crate::sys::path::open_in_root_at;

/// A root file system as directories, the topmost first.
#[derive(Debug, Default)]
pub struct RootView {
    layers: Vec<(PathBuf, OnceCell<Option<File>>)>,
}

/// Far beyond any sane /etc/passwd.
const LIMIT: u64 = 4 << 20;

impl RootView {
    pub fn new(layers: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { layers: layers.into_iter().map(|layer| (layer, OnceCell::new())).collect() }
    }

    /// The text of the file at `path` (relative, as `etc/passwd`); empty where there is none or it is no regular file.
    pub fn read(&self, path: &str) -> String {
        let Some((file, metadata)) = self.find(path) else { return String::new() };
        if !metadata.is_file() {
            return String::new();
        }
        let mut bytes = Vec::new();
        match file.take(LIMIT).read_to_end(&mut bytes) {
            Ok(_) => String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            Err(_) => String::new(),
        }
    }

    /// Whether `path` (relative) is there as a directory.
    pub fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || self.find(path).is_some_and(|(_, metadata)| metadata.is_dir())
    }

    /// The topmost file at `path`.
    fn find(&self, path: &str) -> Option<(File, Metadata)> {
        for (directory, opened) in &self.layers {
            let Some(root) = opened.get_or_init(|| File::open(directory).ok()) else { continue };
            // O_NONBLOCK: a FIFO in the image must not keep us waiting.
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
            match open_in_root_at(root, path.as_bytes(), flags) {
                Ok(file) => {
                    let metadata = file.metadata().ok()?;
                    return (!is_whiteout(&metadata)).then_some((file, metadata));
                }
                Err(_) if hides(root, path) => return None,
                Err(_) => {}
            }
        }
        None
    }
}

/// overlayfs's mark for a removed file: a character device 0:0.
fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
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
        if found.metadata().is_ok_and(|metadata| is_whiteout(&metadata)) || is_opaque(root, prefix) {
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_topmost_layer_wins_and_links_stay_within() {
        let top = tempfile::tempdir().unwrap();
        let bottom = tempfile::tempdir().unwrap();
        for layer in [&top, &bottom] {
            fs::create_dir(layer.path().join("etc")).unwrap();
        }
        fs::write(bottom.path().join("etc/passwd"), "bottom").unwrap();
        fs::write(bottom.path().join("etc/group"), "bottom").unwrap();
        fs::write(top.path().join("etc/group"), "top").unwrap();
        symlink("/etc/hostname", top.path().join("etc/escape")).unwrap();
        symlink("../../../../etc/group", top.path().join("etc/inside")).unwrap();
        let view = RootView::new([top.path().to_owned(), bottom.path().to_owned()]);
        assert_eq!(view.read("etc/passwd"), "bottom");
        assert_eq!(view.read("etc/group"), "top");
        assert_eq!(view.read("etc/escape"), "");
        assert_eq!(view.read("etc/inside"), "top");
        assert!(view.is_directory("etc") && !view.is_directory("etc/group") && !view.is_directory("nope"));
    }

    #[test]
    fn fifos_and_devices_are_not_read() {
        let layer = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&layer.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(RootView::new([layer.path().to_owned()]).read("fifo"), "");
    }

    #[test]
    fn an_opaque_directory_hides_what_is_below() {
        let top = tempfile::tempdir().unwrap();
        let bottom = tempfile::tempdir().unwrap();
        for layer in [&top, &bottom] {
            fs::create_dir(layer.path().join("etc")).unwrap();
        }
        fs::write(bottom.path().join("etc/passwd"), "bottom").unwrap();
        let etc = File::open(top.path().join("etc")).unwrap();
        // Not every file system that tests run on takes user attributes.
        if crate::sys::xattr::set(&etc, c"user.overlay.opaque", b"y").is_ok() {
            assert_eq!(RootView::new([top.path().to_owned(), bottom.path().to_owned()]).read("etc/passwd"), "");
        }
    }
}
