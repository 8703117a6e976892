//! Layers: directories of unpacked files under their diff IDs, and what rebuilds the very tar archive that each came from.

mod unpacker;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Error, Store, json};
use crate::oci::Digest;

pub use unpacker::{Begin, Job, Unpacker};

/// What is known of an unpacked layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LayerRecord {
    /// `sha256:…` of the uncompressed tar archive.
    pub diff_id: String,
    /// Bytes of the uncompressed tar archive.
    pub tar_size: u64,
    /// Bytes of all file bodies: podman's size of a layer.
    pub size: u64,
    /// Number of entries.
    pub entries: u64,
    /// Mode bits of the layer's root directory, where the archive has an entry for it.
    pub root_mode: Option<u32>,
    /// Files whose owner had to be replaced by ID 0 because the user has no subordinate IDs.
    pub squashed: u64,
}

/// The directory that is mounted as the layer: `layers/<hex>/diff`.
pub fn directory(store: &Store, diff_id: &Digest) -> PathBuf {
    object(store, diff_id).join("diff")
}

/// The layer's record, `None` where it is not in the store.
pub fn get(store: &Store, diff_id: &Digest) -> Result<Option<LayerRecord>, Error> {
    json::read(&object(store, diff_id).join("layer.json"))
}

/// Whether the layer is in the store.
pub fn has(store: &Store, diff_id: &Digest) -> bool {
    matches!(get(store, diff_id), Ok(Some(_)))
}

fn object(store: &Store, diff_id: &Digest) -> PathBuf {
    store.data().join("layers").join(diff_id.hex())
}
