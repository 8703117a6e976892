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

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Store, json};
use crate::oci::Digest;

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
