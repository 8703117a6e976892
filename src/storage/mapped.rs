//! Layers through another ID map than they were unpacked in, without copying their data.
//!
//! For each image and map a tree with the same names is made whose files are holes with the wanted owners, pointing to the originals by
//! overlay's attributes: the originals become data-only lower layers. One tree for all layers together, since the kernel follows such a
//! reference only from the lowest of the other layers. That needs Linux 6.16 with `userxattr`; it is tried, not guessed. Where it fails,
//! or where the map lacks the IDs that own the originals (their bodies could not be read then), each layer is copied whole.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::copy::{self, Bodies, Rules};
use super::sweep::Temporary;
use super::task::{self, Task};
use super::{Error, Store, layer};
use crate::oci::Digest;
use crate::sys::lock::{Lock, Mode};
use crate::sys::mount::Context;
use crate::userns::{IdMap, IdMapping};

/// The directories of an overlay, both topmost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    pub lower: Vec<PathBuf>,
    /// Data-only lower layers, which the lower ones' files refer to.
    pub data: Vec<PathBuf>,
}

/// The directories of `layers` (lowest first) for a container with `map`; those that are missing are made first.
pub fn layers(store: &Store, layers: &[Digest], map: &IdMap) -> Result<Layers, Error> {
    let whole = task::user_map()?;
    let originals = || layers.iter().rev().map(|layer| layer::directory(store, layer)).collect();
    if is_same(&whole, map) {
        return Ok(Layers { lower: originals(), data: Vec::new() });
    }
    let base = store.data().join("mapped").join(key(map));
    let chain = base.join(chain(layers)).join("tree");
    let copies: Vec<PathBuf> = layers.iter().map(|layer| base.join(layer.hex()).join("tree")).collect();
    let is_made = || chain.is_dir() || copies.iter().all(|copy| copy.is_dir());
    if !is_made() {
        let path = store.data().join("locks").join(format!("mapped-{}", key(map)));
        let _lock = Lock::file(&path, Mode::Exclusive).map_err(Error::io("lock", &path))?;
        if !is_made() {
            fs::create_dir_all(&base).map_err(Error::io("create", &base))?;
            let readable = contains(&map.uids, &whole.uids) && contains(&map.gids, &whole.gids);
            let layers = layers.iter().map(|layer| layer.hex().to_owned()).collect();
            let order = Order { data: store.data().to_owned(), base, layers, whole, map: map.clone(), readable };
            task::run(&Task::Map(order), &[])?;
        }
    }
    if chain.is_dir() {
        return Ok(Layers { lower: vec![chain], data: originals() });
    }
    Ok(Layers { lower: copies.into_iter().rev().collect(), data: Vec::new() })
}

/// The work of the process in the user namespace of the user's whole map.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    data: PathBuf,
    /// The directory of the map.
    base: PathBuf,
    /// Hexadecimal diff IDs, lowest first.
    layers: Vec<String>,
    whole: IdMap,
    map: IdMap,
    /// The map has all IDs that own the originals.
    readable: bool,
}

/// The directory name of these layers taken together.
pub(super) fn chain(layers: &[impl ToString]) -> String {
    let text: Vec<String> = layers.iter().map(ToString::to_string).collect();
    format!("chain-{}", &Digest::sha256(text.join(" ").as_bytes()).hex()[..32])
}

/// Whether `map` maps every ID that it has as `whole` does: then a layer looks right as it is.
fn is_same(whole: &IdMap, map: &IdMap) -> bool {
    let same = |own: &[IdMapping], to_host: &dyn Fn(u32) -> Option<u32>| {
        own.iter().all(|mapping| {
            let last = mapping.size.saturating_sub(1);
            let host = |offset: u32| mapping.container.checked_add(offset).and_then(to_host);
            // Ranges are contiguous on both sides but for the first ID of `whole`, which is the user's own.
            [0, 1.min(last), last].iter().all(|offset| host(*offset) == mapping.host.checked_add(*offset))
        })
    };
    same(&map.uids, &|id| whole.host_uid(id)) && same(&map.gids, &|id| whole.host_gid(id))
}

/// Whether every host ID of `inner` is one of `outer`'s.
fn contains(outer: &[IdMapping], inner: &[IdMapping]) -> bool {
    inner.iter().all(|mapping| {
        let mut next = u64::from(mapping.host);
        let end = next + u64::from(mapping.size);
        while next < end {
            let around = |other: &&IdMapping| u64::from(other.host) <= next && next < u64::from(other.host) + u64::from(other.size);
            match outer.iter().find(around) {
                Some(other) => next = u64::from(other.host) + u64::from(other.size),
                None => return false,
            }
        }
        true
    })
}

/// The directory name of a map.
pub(super) fn key(map: &IdMap) -> String {
    let text = serde_json::to_vec(map).unwrap_or_default();
    Digest::sha256(&text).hex()[..16].to_owned()
}

/// Makes the trees; each appears by rename when it is whole and on disk.
pub(super) fn make(order: &Order) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot make the layers for another ID map: {error}");
    let Order { data, base, .. } = order;
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 1 << 19, 1 << 19);
    let diff = |hex: &String| data.join("layers").join(hex).join("diff");
    let mut rules = Rules { whole: order.whole.clone(), map: order.map.clone(), bodies: Bodies::Referred, layer: false };
    let mut made = Vec::new();
    if order.readable && probe(data).unwrap_or(false) {
        let originals: Vec<PathBuf> = order.layers.iter().rev().map(diff).collect();
        let view = view(&originals, &data.join("merged")).map_err(failed)?;
        let names: Vec<String> = order.layers.iter().map(|hex| format!("sha256:{hex}")).collect();
        made.push((tree(data, &view, &rules)?, base.join(chain(&names))));
    } else {
        rules = Rules { bodies: Bodies::Copied, layer: true, ..rules };
        for hex in order.layers.iter().filter(|hex| !base.join(hex).is_dir()) {
            made.push((tree(data, &File::open(diff(hex)).map_err(failed)?, &rules)?, base.join(hex)));
        }
    }
    File::open(data).and_then(crate::sys::path::sync_file_system).map_err(failed)?;
    made.iter().try_for_each(|(place, target)| fs::rename(&place.path, target)).map_err(failed)
}

fn tree(data: &Path, from: &File, rules: &Rules) -> Result<Temporary, String> {
    let failed = |error: io::Error| format!("cannot make a layer for another ID map: {error}");
    let place = Temporary::new(data, "mapped").map_err(failed)?;
    let path = place.path.join("tree");
    fs::create_dir(&path).map_err(failed)?;
    copy::tree(from, &File::open(&path).map_err(failed)?, rules)
        .map_err(|(path, error)| format!("cannot make {:?} of a layer for another ID map: {error}", copy::show(&path)))?;
    Ok(place)
}

/// Whether this kernel and this file system show, through a file that is a hole with references, the data layer's bytes. To be called in a
/// user namespace; `data` is the store's directory.
pub fn probe(data: &Path) -> io::Result<bool> {
    let place = Temporary::new(data, "probe")?;
    let directory = |name: &str| -> io::Result<File> {
        let path = place.path.join(name);
        fs::create_dir(&path)?;
        File::open(path)
    };
    let (upper, lower, bodies) = (directory("empty")?, directory("lower")?, directory("data")?);
    fs::write(place.path.join("data/file"), "seen")?;
    let file = File::create(place.path.join("lower/file"))?;
    file.set_len(4)?;
    crate::sys::xattr::set(&file, c"user.overlay.metacopy", b"")?;
    crate::sys::xattr::set(&file, c"user.overlay.redirect", b"/file")?;
    let context = Context::open(c"overlay")?;
    context.flag(c"userxattr")?;
    for layer in [&upper, &lower] {
        context.set_fd(c"lowerdir+", layer.as_fd())?;
    }
    context.set_fd(c"datadir+", bodies.as_fd())?;
    context.create()?;
    let root = context.mount(0)?;
    let mut seen = Vec::new();
    let mut file = crate::sys::path::open_in_root_at(&root, b"file", nix::fcntl::OFlag::O_RDONLY)?;
    io::Read::read_to_end(&mut file, &mut seen)?;
    Ok(seen == b"seen")
}

/// Mounts an overlay of lower directories read-only, not attached anywhere: a view of an image's files for this process.
pub(super) fn view(lower: &[PathBuf], empty: &Path) -> io::Result<File> {
    if let [only] = lower {
        return File::open(only);
    }
    let context = Context::open(c"overlay")?;
    context.flag(c"userxattr")?;
    for path in lower.iter().map(PathBuf::as_path).chain([empty]) {
        let result = File::open(path).and_then(|directory| context.set_fd(c"lowerdir+", directory.as_fd()));
        // Before Linux 6.13 an overlay takes no descriptors.
        if result.is_err() {
            context.set(c"lowerdir+", &CString::new(path.as_os_str().as_bytes())?)?;
        }
    }
    context.create()?;
    // What fsmount(2) gives is opened as if with O_PATH.
    crate::sys::path::open_directory_at(context.mount(0)?, b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ranges: &[(u32, u32, u32)]) -> IdMap {
        let mappings: Vec<IdMapping> =
            ranges.iter().map(|(container, host, size)| IdMapping { container: *container, host: *host, size: *size }).collect();
        IdMap { uids: mappings.clone(), gids: mappings }
    }

    #[test]
    fn only_maps_that_differ_need_clones() {
        let whole = map(&[(0, 1000, 1), (1, 100_000, 65_536)]);
        assert!(is_same(&whole, &whole));
        assert!(is_same(&whole, &map(&[(0, 1000, 1), (1, 100_000, 10)])));
        assert!(!is_same(&whole, &map(&[(0, 100_000, 1000), (1000, 1000, 1), (1001, 101_000, 64_536)])));
        assert!(!is_same(&whole, &map(&[(0, 100_000, 65_536)])));
    }

    #[test]
    fn a_map_without_the_users_own_id_cannot_read_bodies() {
        let whole = map(&[(0, 1000, 1), (1, 100_000, 65_536)]);
        let keep_id = map(&[(0, 100_000, 1000), (1000, 1000, 1), (1001, 101_000, 64_536)]);
        assert!(contains(&keep_id.uids, &whole.uids));
        assert!(!contains(&map(&[(0, 100_000, 65_536)]).uids, &whole.uids));
        assert!(!contains(&map(&[(0, 1000, 1), (1, 100_000, 65_535)]).uids, &whole.uids));
    }
}
