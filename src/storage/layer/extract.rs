//! Puts the entries of a layer's archive into a directory, never outside of it.
//!
//! The directory becomes an overlay's lower layer mounted with `userxattr`: what the archive says by `.wh.` names is written as 0/0 devices
//! and as the attribute `user.overlay.opaque`. Parents are opened with openat2 as if the layer were the root directory, so that links
//! in it mean what they mean in a container; the last component is never followed.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::rc::Rc;

use nix::sys::stat::SFlag;

use super::archive::{ArchiveError, Entry, Kind, drain, next_entry, show, skip_padding};
use super::record::{Recorder, Replaced};
use super::stream::Stream;
use crate::sys::path::{self as at, Moment};
use crate::sys::xattr;
use crate::userns::IdMap;

const OPAQUE: &std::ffi::CStr = c"user.overlay.opaque";

/// Open directories that the next entries will probably lie in.
const CACHED_PARENTS: usize = 12;

/// What unpacking has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub entries: u64,
    pub size: u64,
    pub root_mode: Option<u32>,
    pub squashed: u64,
    pub replaced: Vec<Replaced>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("cannot {action} {path:?} of the layer: {source}")]
    Io { action: &'static str, path: String, source: io::Error },
    #[error("{path:?} belongs to {kind} ID {id}, which is outside the {available} {kind} IDs that the user has for containers")]
    Id { path: String, kind: &'static str, id: u64, available: u32 },
    #[error("the entry {path:?} {reason}")]
    Refused { path: String, reason: &'static str },
}

fn io_error(action: &'static str, path: &[u8]) -> impl FnOnce(io::Error) -> ExtractError {
    move |source| ExtractError::Io { action, path: show(path), source }
}

fn refused(path: &[u8], reason: &'static str) -> ExtractError {
    ExtractError::Refused { path: show(path), reason }
}

/// Unpacks `stream` into `diff`, writing the record of everything else; `aside` makes the directory for replaced files when it is needed.
/// The process runs as ID 0 of a user namespace with `map`, with umask 0.
pub fn extract<R: Read>(
    stream: &mut Stream<R>,
    record: &mut Recorder,
    diff: &File,
    map: &IdMap,
    aside: &dyn Fn() -> io::Result<File>,
) -> Result<Summary, ExtractError> {
    let mut extractor =
        Extractor { diff, map, single: map.is_single(), aside, parents: VecDeque::new(), times: Vec::new(), summary: Summary::default() };
    while let Some(entry) = next_entry(stream, record)? {
        extractor.summary.entries += 1;
        extractor.entry(&entry, stream, record)?;
        skip_padding(stream, record, entry.stored)?;
    }
    drain(stream, record)?;
    extractor.set_times()?;
    Ok(extractor.summary)
}

struct Extractor<'a> {
    diff: &'a File,
    map: &'a IdMap,
    single: bool,
    aside: &'a dyn Fn() -> io::Result<File>,
    parents: VecDeque<Parent>,
    /// Directories' times, which are set when nothing is put into them any more.
    times: Vec<(Vec<u8>, Moment)>,
    summary: Summary,
}

struct Parent {
    /// As entries call it.
    path: Vec<u8>,
    directory: Rc<Directory>,
}

/// An open directory of the layer.
struct Directory {
    file: File,
    /// Without symbolic links in it: what the record calls files by, because a later entry may replace a link.
    path: Vec<u8>,
    /// New files inherit the directory's group, which is not wanted.
    set_group_id: bool,
}

/// Where an entry goes.
struct Place<'a> {
    parent: Rc<Directory>,
    name: &'a [u8],
    path: Vec<u8>,
}

impl<'a> Place<'a> {
    fn new(parent: Rc<Directory>, name: &'a [u8]) -> Self {
        let path = if parent.path.is_empty() { name.to_vec() } else { [&parent.path, &b"/"[..], name].concat() };
        Self { parent, name, path }
    }
}

impl std::os::fd::AsFd for Directory {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Extractor<'_> {
    fn entry<R: Read>(&mut self, entry: &Entry, stream: &mut Stream<R>, record: &mut Recorder) -> Result<(), ExtractError> {
        let path = clean(&entry.path)?;
        if path.is_empty() {
            return self.root(entry);
        }
        let (parent_path, name) = split(&path);
        if name.starts_with(b".wh.") {
            let result = self.whiteout(&path, parent_path, name);
            // A whiteout is a name; were there a body, it would be kept in the record.
            stream.pass(entry.stored, |bytes| record.raw(bytes)).map_err(ArchiveError::from)?;
            return result;
        }
        let (uid, gid) = self.owner(entry, &path)?;
        let place = Place::new(self.parent(parent_path)?, name);
        match entry.kind {
            Kind::File => self.file(entry, &place, uid, gid, stream, record),
            Kind::Directory => self.directory(entry, &place, uid, gid),
            Kind::Symlink => {
                self.make(&place, "create the symbolic link", |place| at::symlink_at(&entry.link, &*place.parent, place.name))?;
                self.finish_node(entry, &place, uid, gid)
            }
            Kind::HardLink => self.hard_link(entry, &place),
            Kind::Fifo => {
                let mode = entry.mode & 0o777;
                self.make(&place, "create the FIFO", |place| at::mknod_at(&*place.parent, place.name, SFlag::S_IFIFO, mode, 0))?;
                self.finish_node(entry, &place, uid, gid)
            }
            // A user cannot make device nodes, and a container of his could not open them: podman leaves them out, too.
            Kind::CharacterDevice | Kind::BlockDevice => self.clear(&place).map(drop),
        }
    }

    /// The owner in the user namespace. With a single ID everything belongs to that.
    fn owner(&mut self, entry: &Entry, path: &[u8]) -> Result<(u32, u32), ExtractError> {
        if self.single {
            self.summary.squashed += u64::from(entry.uid != 0 || entry.gid != 0);
            return Ok((0, 0));
        }
        let available = |mappings: &[crate::userns::IdMapping]| mappings.iter().map(|mapping| mapping.size).sum();
        let outside = |kind, id, available| ExtractError::Id { path: show(path), kind, id, available };
        let uid = u32::try_from(entry.uid).ok().filter(|uid| self.map.host_uid(*uid).is_some());
        let gid = u32::try_from(entry.gid).ok().filter(|gid| self.map.host_gid(*gid).is_some());
        Ok((
            uid.ok_or_else(|| outside("user", entry.uid, available(&self.map.uids)))?,
            gid.ok_or_else(|| outside("group", entry.gid, available(&self.map.gids)))?,
        ))
    }

    /// Whether a new file has to be given to its owner: what this process makes belongs to ID 0, but for the group where it is inherited.
    fn is_foreign(&self, place: &Place, uid: u32, gid: u32) -> bool {
        !self.single && (uid != 0 || gid != 0 || place.parent.set_group_id)
    }

    fn root(&mut self, entry: &Entry) -> Result<(), ExtractError> {
        if entry.kind != Kind::Directory {
            return Err(refused(&entry.path, "is not a directory, but stands for the root directory"));
        }
        let (uid, gid) = self.owner(entry, b"/")?;
        if !self.single {
            std::os::unix::fs::fchown(self.diff, Some(uid), Some(gid)).map_err(io_error("change the owner of", b"/"))?;
        }
        self.diff.set_permissions(Permissions::from_mode(entry.mode)).map_err(io_error("change the mode of", b"/"))?;
        self.set_xattrs(entry, self.diff, b"/")?;
        self.summary.root_mode = Some(entry.mode);
        self.times.push((Vec::new(), entry.time));
        self.parents.clear();
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        entry: &Entry,
        place: &Place,
        uid: u32,
        gid: u32,
        stream: &mut Stream<R>,
        record: &mut Recorder,
    ) -> Result<(), ExtractError> {
        let failed = |action| io_error(action, &place.path);
        let special = entry.mode & 0o6000 != 0;
        let mut file = self.make(place, "create", |place| at::create_at(&*place.parent, place.name, entry.mode & 0o1777))?;
        let mut source = |length, to: &mut dyn FnMut(&[u8]) -> io::Result<()>| -> Result<(), ExtractError> {
            let mut written = Ok(());
            let read = stream.pass(length, |bytes| {
                written = to(bytes);
                if written.is_err() { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
            });
            written.map_err(failed("write"))?;
            Ok(read.map_err(ArchiveError::from)?)
        };
        match &entry.pieces {
            None if entry.stored > 0 => {
                source(entry.stored, &mut |bytes| file.write_all(bytes))?;
                record.body(self.summary.entries, &place.path, 0, entry.stored).map_err(ArchiveError::Io)?;
            }
            None => {}
            Some(pieces) => {
                for (offset, length) in pieces.iter().filter(|(_, length)| *length > 0) {
                    let mut position = *offset;
                    source(*length, &mut |bytes| {
                        file.write_all_at(bytes, position)?;
                        position += bytes.len() as u64;
                        Ok(())
                    })?;
                    record.body(self.summary.entries, &place.path, *offset, *length).map_err(ArchiveError::Io)?;
                }
                file.set_len(entry.size).map_err(failed("enlarge"))?;
            }
        }
        self.summary.size += entry.stored;
        if self.is_foreign(place, uid, gid) {
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).map_err(failed("change the owner of"))?;
        }
        // Writing and changing the owner both take these bits away.
        if special {
            file.set_permissions(Permissions::from_mode(entry.mode)).map_err(failed("change the mode of"))?;
        }
        self.set_xattrs(entry, &file, &place.path)?;
        at::set_time(&file, entry.time).map_err(failed("set the time of"))
    }

    fn directory(&mut self, entry: &Entry, place: &Place, uid: u32, gid: u32) -> Result<(), ExtractError> {
        let failed = |action| io_error(action, &place.path);
        let made = match at::mkdir_at(&*place.parent, place.name, entry.mode & 0o1777) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let stat = at::stat_at(&*place.parent, place.name).map_err(failed("examine"))?;
                if is_kind(&stat, SFlag::S_IFDIR) {
                    false
                } else {
                    let was_whiteout = self.clear(place)?;
                    at::mkdir_at(&*place.parent, place.name, entry.mode & 0o1777).map_err(failed("create"))?;
                    if was_whiteout {
                        self.make_opaque(place)?;
                    }
                    true
                }
            }
            Err(error) => return Err(failed("create")(error)),
        };
        if !made && !self.single || self.is_foreign(place, uid, gid) {
            at::chown_at(&*place.parent, place.name, uid, gid).map_err(failed("change the owner of"))?;
        }
        if !made || place.parent.set_group_id || entry.mode & 0o6000 != 0 {
            at::chmod_at(&*place.parent, place.name, entry.mode).map_err(failed("change the mode of"))?;
            self.forget(&place.path);
        }
        if !entry.xattrs.is_empty() {
            let directory = at::open_directory_at(&*place.parent, place.name).map_err(failed("open"))?;
            self.set_xattrs(entry, &directory, &place.path)?;
        }
        self.times.push((place.path.clone(), entry.time));
        Ok(())
    }

    fn hard_link(&mut self, entry: &Entry, place: &Place) -> Result<(), ExtractError> {
        let target = clean(&entry.link)?;
        let missing = |path: &[u8]| refused(path, "is a hard link to a file that the layer does not have");
        let (target_parent, target_name) = split(&target);
        if target_name.is_empty() {
            return Err(missing(&place.path));
        }
        let target_parent = match self.open_parent(target_parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(&place.path)),
            other => other.map_err(io_error("open the directory of", &target))?,
        };
        let stat = match at::stat_at(&*target_parent, target_name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(&place.path)),
            other => other.map_err(io_error("examine", &target))?,
        };
        if is_kind(&stat, SFlag::S_IFDIR) || is_whiteout(&stat) {
            return Err(missing(&place.path));
        }
        // A link to itself must not remove itself first.
        if at::stat_at(&*place.parent, place.name).is_ok_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)) {
            return Ok(());
        }
        self.make(place, "link", |place| at::link_at(&*target_parent, target_name, &*place.parent, place.name))
    }

    /// Owner, mode and time of what cannot be opened.
    fn finish_node(&mut self, entry: &Entry, place: &Place, uid: u32, gid: u32) -> Result<(), ExtractError> {
        let failed = |action| io_error(action, &place.path);
        if self.is_foreign(place, uid, gid) {
            at::chown_at(&*place.parent, place.name, uid, gid).map_err(failed("change the owner of"))?;
        }
        if entry.kind == Kind::Fifo && entry.mode & 0o7000 != 0 {
            at::chmod_at(&*place.parent, place.name, entry.mode).map_err(failed("change the mode of"))?;
        }
        at::set_time_at(&*place.parent, place.name, entry.time).map_err(failed("set the time of"))
    }

    fn whiteout(&mut self, path: &[u8], parent_path: &[u8], name: &[u8]) -> Result<(), ExtractError> {
        if name == b".wh..wh..opq" {
            let parent = self.parent(parent_path)?;
            return xattr::set(&parent.file, OPAQUE, b"y").map_err(io_error("mark as opaque", parent_path));
        }
        // Marks of aufs that mean nothing outside of it.
        if name.starts_with(b".wh..wh.") {
            return Ok(());
        }
        let hidden = &name[4..];
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(refused(path, "hides no file"));
        }
        let place = Place::new(self.parent(parent_path)?, hidden);
        match at::mknod_at(&*place.parent, hidden, SFlag::S_IFCHR, 0, 0) {
            Ok(()) => Ok(()),
            // A whiteout hides what lower layers have, never what this layer has: of a directory, its lower contents.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let stat = at::stat_at(&*place.parent, hidden).map_err(io_error("examine", path))?;
                if is_kind(&stat, SFlag::S_IFDIR) { self.make_opaque(&place) } else { Ok(()) }
            }
            Err(error) => Err(io_error("create the whiteout", path)(error)),
        }
    }

    fn make_opaque(&mut self, place: &Place) -> Result<(), ExtractError> {
        let directory = at::open_directory_at(&*place.parent, place.name).map_err(io_error("open", &place.path))?;
        xattr::set(&directory, OPAQUE, b"y").map_err(io_error("mark as opaque", &place.path))
    }

    /// Makes something at a place, after putting aside what is there.
    fn make<T>(&mut self, place: &Place, action: &'static str, make: impl Fn(&Place) -> io::Result<T>) -> Result<T, ExtractError> {
        match make(place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.clear(place)?;
                make(place).map_err(io_error(action, &place.path))
            }
            other => other.map_err(io_error(action, &place.path)),
        }
    }

    /// Takes away what an entry replaces; file bodies are kept for the record. Tells whether it was a whiteout.
    fn clear(&mut self, place: &Place) -> Result<bool, ExtractError> {
        let failed = |action| io_error(action, &place.path);
        let stat = match at::stat_at(&*place.parent, place.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(failed("examine"))?,
        };
        self.parents.clear();
        let directory = is_kind(&stat, SFlag::S_IFDIR);
        if directory {
            match at::unlink_at(&*place.parent, place.name, true) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                other => return other.map(|()| false).map_err(failed("replace")),
            }
        } else if !is_kind(&stat, SFlag::S_IFREG) {
            at::unlink_at(&*place.parent, place.name, false).map_err(failed("replace"))?;
            return Ok(is_whiteout(&stat));
        }
        let aside = (self.aside)().map_err(failed("put aside"))?;
        let name = self.summary.replaced.len().to_string();
        at::rename_at(&*place.parent, place.name, &aside, name.as_bytes()).map_err(failed("put aside"))?;
        self.summary.replaced.push(Replaced { at: self.summary.entries, path: place.path.clone() });
        Ok(false)
    }

    fn set_xattrs(&self, entry: &Entry, file: &File, path: &[u8]) -> Result<(), ExtractError> {
        for (name, value) in &entry.xattrs {
            // What overlay reads as its own marks must not come from an archive.
            if name.starts_with(b"user.overlay.") || name.starts_with(b"trusted.") {
                continue;
            }
            let name = CString::new(name.as_slice()).map_err(|_| refused(path, "has an attribute whose name holds a zero byte"))?;
            match xattr::set(file, &name, value) {
                // As podman does: a user may not set all that root could (SELinux labels), and some file systems have none.
                Err(error) if matches!(error.raw_os_error(), Some(nix::libc::EPERM | nix::libc::EOPNOTSUPP)) => {}
                other => other.map_err(io_error("set an attribute of", path))?,
            }
        }
        Ok(())
    }

    /// The open directory at `path`, made with all above it where missing.
    fn parent(&mut self, path: &[u8]) -> Result<Rc<Directory>, ExtractError> {
        match self.open_parent(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) && !path.is_empty() => {
                let (above, name) = split(path);
                let place = Place::new(self.parent(above)?, name);
                let whiteout = at::stat_at(&*place.parent, name).is_ok_and(|stat| is_whiteout(&stat)) && self.clear(&place)?;
                match at::mkdir_at(&*place.parent, name, 0o755) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        return Err(refused(path, "is used as a directory, but is none"));
                    }
                    other => other.map_err(io_error("create", path))?,
                }
                if self.is_foreign(&place, 0, 0) {
                    at::chown_at(&*place.parent, name, 0, 0).map_err(io_error("change the owner of", path))?;
                }
                if whiteout {
                    self.make_opaque(&place)?;
                }
                self.open_parent(path).map_err(io_error("open", path))
            }
            other => other.map_err(io_error("open", path)),
        }
    }

    fn open_parent(&mut self, path: &[u8]) -> io::Result<Rc<Directory>> {
        if let Some(index) = self.parents.iter().position(|parent| parent.path == path) {
            // The most recent one first.
            if index > 0
                && let Some(parent) = self.parents.remove(index)
            {
                self.parents.push_front(parent);
            }
            return Ok(self.parents[0].directory.clone());
        }
        let (file, canonical) = at::open_canonical_directory_at(self.diff, path)?;
        let set_group_id = file.metadata()?.mode() & 0o2000 != 0;
        let directory = Rc::new(Directory { file, path: canonical, set_group_id });
        self.parents.truncate(CACHED_PARENTS - 1);
        self.parents.push_front(Parent { path: path.to_vec(), directory: directory.clone() });
        Ok(directory)
    }

    fn forget(&mut self, path: &[u8]) {
        self.parents.retain(|parent| parent.directory.path != path);
    }

    fn set_times(&mut self) -> Result<(), ExtractError> {
        self.parents.clear();
        for (path, moment) in &self.times {
            match at::open_in_root_at(
                self.diff,
                path,
                nix::fcntl::OFlag::O_RDONLY | nix::fcntl::OFlag::O_DIRECTORY | nix::fcntl::OFlag::O_NOFOLLOW,
            ) {
                Ok(directory) => at::set_time(&directory, *moment).map_err(io_error("set the time of", path))?,
                // Replaced by a later entry.
                Err(error) if matches!(error.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ENOTDIR | nix::libc::ELOOP)) => {}
                Err(error) => return Err(io_error("open", path)(error)),
            }
        }
        Ok(())
    }
}

fn is_kind(stat: &nix::sys::stat::FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == kind
}

fn is_whiteout(stat: &nix::sys::stat::FileStat) -> bool {
    is_kind(stat, SFlag::S_IFCHR) && stat.st_rdev == 0
}

/// The path relative to the layer: without empty components, `.` and `..`. One that leads out is refused.
fn clean(path: &[u8]) -> Result<Vec<u8>, ExtractError> {
    if !at::is_path(path) {
        return Err(refused(path, "has a zero byte in its name"));
    }
    let mut components: Vec<&[u8]> = Vec::with_capacity(8);
    for component in path.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => drop(components.pop().ok_or_else(|| refused(path, "leads out of the layer"))?),
            name => components.push(name),
        }
    }
    Ok(components.join(&b'/'))
}

/// The directory part and the last component.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}
