//! Layers: directories of unpacked files under their diff IDs, and what rebuilds the very tar archive that each came from.

mod archive;
mod extract;
mod pax;
mod range_hint;
mod record;
mod stream;
#[cfg(test)]
mod tests;
mod unpacker;
mod worker;

use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sweep::Temporary;
use super::task::{self, Task};
use super::{ContainerConfig, Error, Root, Store, containers, image, json, names_in, remove_tree};
use crate::oci::Digest;
use crate::sys::lock::{Lock, Mode};

pub use unpacker::{Begin, Job, Unpacker};
pub use worker::{ROLE as UNPACK_ROLE, main as unpack_main};

/// What is known of an unpacked layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerRecord {
    /// `sha256:…` of the uncompressed tar archive.
    pub diff_id: String,
    /// Bytes of the uncompressed tar archive: podman's size of a layer.
    pub tar_size: u64,
    /// Bytes of all file bodies.
    pub size: u64,
    /// Number of entries.
    pub entries: u64,
    /// Mode bits of the layer's root directory, where the archive has an entry for it.
    pub root_mode: Option<u32>,
    /// Files whose owner had to be replaced by ID 0 because the user has no subordinate IDs.
    pub squashed: u64,
}

/// The file in a layer's object that says in which boot it was written, until it is known to be on disk.
const UNSYNCED: &str = "unsynced";

/// The directory that is mounted as the layer: `layers/<hex>/diff`.
pub fn directory(store: &Store, diff_id: &Digest) -> PathBuf {
    object(store, diff_id).join("diff")
}

/// The layer's record, `None` where it is not in the store or a power cut came before it was on disk.
pub fn get(store: &Store, diff_id: &Digest) -> Option<LayerRecord> {
    is_present(&object(store, diff_id), &boot_id())
}

/// Whether the layer is in the store.
pub fn has(store: &Store, diff_id: &Digest) -> bool {
    get(store, diff_id).is_some()
}

/// Writes the archive that the layer came from, byte for byte. The caller hashes it: were a file of the layer changed, the digest tells.
pub fn write_tar(store: &Store, diff_id: &Digest, to: &mut impl Write) -> Result<(), Error> {
    let object = object(store, diff_id);
    if !has(store, diff_id) {
        return Err(Error::NoLayer(diff_id.to_string()));
    }
    let lost = |error: io::Error| Error::Worker(format!(": {error}"));
    let (mut reader, writer) = io::pipe().map_err(lost)?;
    // Files of other owners can be read only in the user namespace; while this thread waits for that, another one passes the bytes on.
    std::thread::scope(|scope| {
        let task = Task::Tar { object };
        let worker = scope.spawn(move || task::run(&task, &[writer.as_fd()]));
        let copied = io::copy(&mut reader, to);
        // Without a reader the worker cannot wait for ever.
        drop(reader);
        let result = worker.join().unwrap_or_else(|_| Err(Error::Worker(String::new())));
        match copied {
            Err(error) => Err(lost(error)),
            Ok(_) => result,
        }
    })
}

/// The same in the process that may read all files.
pub(super) fn write_archive(object: &Path, to: &mut impl Write) -> io::Result<()> {
    let replaced = match fs::read(object.join("bodies.json")) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        other => serde_json::from_slice(&other?)?,
    };
    record::rebuild(fs::File::open(object)?, &replaced, to)
}

/// Removes the layers that no image and no container needs, unless a pull is under way: then the next collection does it. Gives the bytes
/// of the archives they came from. The lock on images is to be held.
pub(super) fn collect(store: &Store) -> Result<u64, Error> {
    let gate = store.data().join("locks/layers");
    let Some(_no_pull) = Lock::try_file(&gate, Mode::Exclusive).map_err(Error::io("lock", &gate))? else { return Ok(0) };
    let needed = Needed::by(store)?;
    let mut bytes = 0;
    for hex in names_in(&store.data().join("layers"))? {
        if !needed.layers.contains(&hex) {
            let path = store.data().join("layers").join(&hex);
            bytes += json::read::<LayerRecord>(&path.join("layer.json")).ok().flatten().map_or(0, |record| record.tar_size);
            discard(store, &path)?;
        }
    }
    let mapped = store.data().join("mapped");
    for map in names_in(&mapped)? {
        for name in names_in(&mapped.join(&map))? {
            // Clones cost next to nothing and wait for the next container of their map; copies are as large as what they were made of.
            let copy = needed.layers.contains(&name) && needed.maps.contains(&map);
            if !copy && !needed.chains.contains(&name) {
                discard(store, &mapped.join(&map).join(&name))?;
            }
        }
        // It stays where something is left in it.
        let _ = fs::remove_dir(mapped.join(&map));
    }
    Ok(bytes)
}

/// Removes a directory, in one step first: half a layer must not be taken for one.
fn discard(store: &Store, path: &Path) -> Result<(), Error> {
    let tmp = store.data().join("tmp");
    let place = Temporary::new(store.data(), "dead").map_err(Error::io("create a directory in", &tmp))?;
    let aside = place.path.join("object");
    fs::rename(path, &aside).map_err(Error::io("remove", path))?;
    remove_tree(&aside)
}

/// What images and containers refer to.
struct Needed {
    /// Hexadecimal diff IDs.
    layers: HashSet<String>,
    /// Names of [`super::mapped::chain`].
    chains: HashSet<String>,
    /// Names of [`super::mapped::key`].
    maps: HashSet<String>,
}

impl Needed {
    fn by(store: &Store) -> Result<Self, Error> {
        let mut maps = HashSet::new();
        let mut lists: Vec<Vec<String>> = image::list(store)?.into_iter().map(|image| image.layers).collect();
        for id in containers::list_ids(store)? {
            if let Ok(ContainerConfig { root: Root::Image { layers, .. }, id_map, .. }) = containers::load_config(store, &id) {
                lists.push(layers);
                maps.insert(super::mapped::key(&id_map));
            }
        }
        let hex = |diff_id: &String| diff_id.split_once(':').map_or(diff_id.clone(), |(_, hex)| hex.to_owned());
        Ok(Self {
            layers: lists.iter().flatten().map(hex).collect(),
            chains: lists.iter().map(|layers| super::mapped::chain(layers)).collect(),
            maps,
        })
    }
}

/// Puts layers, and all else that was written before, on disk: one syncfs for all. An image that needs them is shown only after that.
pub(super) fn sync(store: &Store, layers: &[Digest]) -> Result<(), Error> {
    let data = store.data();
    fs::File::open(data).and_then(crate::sys::path::sync_file_system).map_err(Error::io("sync", data))?;
    for mark in layers.iter().map(|layer| object(store, layer).join(UNSYNCED)) {
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("remove", &mark)(error)),
            _ => {}
        }
    }
    Ok(())
}

fn object(store: &Store, diff_id: &Digest) -> PathBuf {
    store.data().join("layers").join(diff_id.hex())
}

/// The record in a layer's object, if all of it is there: what was written in this boot, the kernel still has, killed or not.
fn is_present(object: &Path, boot_id: &str) -> Option<LayerRecord> {
    let record = json::read(&object.join("layer.json")).ok()??;
    match fs::read_to_string(object.join(UNSYNCED)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Some(record),
        Ok(written_in) if written_in == boot_id => Some(record),
        _ => None,
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
