//! Files of an image on disk: in a directory, or in a tar archive that is read in place.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::Error;

/// Where an image's files are.
#[derive(Debug)]
pub enum Files {
    Directory(PathBuf),
    Archive { path: PathBuf, file: Arc<File>, entries: HashMap<String, Entry> },
}

/// What an archive has under a name.
#[derive(Clone, Debug)]
pub enum Entry {
    Body {
        offset: u64,
        size: u64,
    },
    /// Old `docker save` archives name a layer that two images share by a link.
    Link(String),
}

/// A part of a file, read by position: several can be read at once.
#[derive(Clone, Debug)]
pub struct Region {
    file: Arc<File>,
    position: u64,
    end: u64,
}

/// Names in an archive: more are no image.
const MOST_ENTRIES: usize = 100_000;

impl Files {
    /// The archive in `file`, an index of its entries made by reading its headers.
    pub fn archive(path: &Path, mut file: File) -> Result<Self, Error> {
        let read = |file: &mut File| -> io::Result<HashMap<String, Entry>> {
            file.seek(SeekFrom::Start(0))?;
            let mut entries = HashMap::new();
            let mut archive = tar::Archive::new(file);
            for entry in archive.entries_with_seek()? {
                let entry = entry?;
                if entries.len() >= MOST_ENTRIES {
                    return Err(io::Error::other("too many entries"));
                }
                let name = normal(&entry.path()?);
                let kind = entry.header().entry_type();
                let known = if kind.is_symlink() || kind.is_hard_link() {
                    let target = entry.link_name()?.unwrap_or_default().into_owned();
                    let base = if kind.is_symlink() { Path::new(&name).parent().map(Path::to_owned) } else { None };
                    Entry::Link(normal(&base.unwrap_or_default().join(target)))
                } else {
                    Entry::Body { offset: entry.raw_file_position(), size: entry.size() }
                };
                entries.insert(name, known);
            }
            Ok(entries)
        };
        let entries = read(&mut file).map_err(Error::io("read the archive", path))?;
        Ok(Self::Archive { path: path.to_owned(), file: Arc::new(file), entries })
    }

    /// The file of this name; `None` where there is none.
    pub fn open(&self, name: &str) -> Result<Option<Region>, Error> {
        match self {
            Self::Directory(directory) => {
                let path = directory.join(normal(Path::new(name)));
                match File::open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(Error::io("open", path)(error)),
                    Ok(file) => {
                        let end = file.metadata().map_err(Error::io("open", path))?.len();
                        Ok(Some(Region { file: Arc::new(file), position: 0, end }))
                    }
                }
            }
            Self::Archive { file, entries, .. } => {
                let mut name = normal(Path::new(name));
                for _ in 0..8 {
                    match entries.get(&name) {
                        Some(Entry::Body { offset, size }) => {
                            return Ok(Some(Region { file: file.clone(), position: *offset, end: offset.saturating_add(*size) }));
                        }
                        Some(Entry::Link(target)) => name.clone_from(target),
                        None => return Ok(None),
                    }
                }
                Ok(None)
            }
        }
    }

    /// The whole of a small file.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(mut region) = self.open(name)? else { return Ok(None) };
        if region.len() > limit {
            return Err(Error::invalid(self.shown(name), format!("{} bytes are too many", region.len())));
        }
        let mut bytes = Vec::new();
        region.read_to_end(&mut bytes).map_err(Error::io("read", self.shown(name)))?;
        Ok(Some(bytes))
    }

    /// A name for messages.
    pub fn shown(&self, name: &str) -> String {
        match self {
            Self::Directory(path) | Self::Archive { path, .. } => format!("{name} in {}", path.display()),
        }
    }
}

/// A path as names only: `..`, `.` and a leading `/` mean nothing in an image.
fn normal(path: &Path) -> String {
    let mut names: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.extend(name.to_str()),
            Component::ParentDir => drop(names.pop()),
            _ => {}
        }
    }
    names.join("/")
}

impl Region {
    pub fn len(&self) -> u64 {
        self.end - self.position
    }
}

impl Read for Region {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.len()).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.position)?;
        if count == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_lead_out() {
        assert_eq!(normal(Path::new("/a/./b/../c")), "a/c");
        assert_eq!(normal(Path::new("../../etc/passwd")), "etc/passwd");
    }

    #[test]
    fn archives_are_read_in_place_and_links_followed() {
        let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        builder.append_data(&mut header, "a/layer.tar", &b"hello"[..]).unwrap();
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        builder.append_link(&mut link, "b/layer.tar", "../a/layer.tar").unwrap();
        builder.append_link(&mut link, "loop", "loop").unwrap();
        let files = Files::archive(Path::new("x"), builder.into_inner().unwrap()).unwrap();
        assert_eq!(files.read("b/layer.tar", 100).unwrap().unwrap(), b"hello");
        assert!(files.open("loop").unwrap().is_none());
        assert!(files.open("none").unwrap().is_none());
        assert!(files.read("a/layer.tar", 4).is_err());
    }
}
