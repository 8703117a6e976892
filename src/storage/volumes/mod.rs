//! Named and anonymous volumes: a directory each, with the files in `_data`.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod fill;

use super::json::{self, Durability};
use super::sweep::Temporary;
use super::{Error, MountKind, Store, containers, names_in, remove_tree};

pub(super) use fill::{Fill, fill, give_tree};
pub use fill::{Use, give, prepare};

/// What is known of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeRecord {
    pub name: String,
    /// `local`, always.
    pub driver: String,
    /// RFC 3339.
    pub created: String,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    /// Made for one container, and named by 64 hexadecimal digits.
    pub anonymous: bool,
    /// Owner of `_data`, as the container that first used it sees it.
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Nothing has been copied from an image into it yet.
    pub needs_copy_up: bool,
    /// It has not been given to a container's user yet.
    pub needs_chown: bool,
}

/// Where the volume's files are.
pub fn data(store: &Store, name: &str) -> PathBuf {
    directory(store, name).join("_data")
}

/// Makes a volume; one of this name must not exist.
pub fn create(store: &Store, record: &VolumeRecord) -> Result<(), Error> {
    containers::check_name(&record.name)?;
    let path = directory(store, &record.name);
    let tmp = store.data().join("tmp");
    let place = Temporary::new(store.data(), "volume").map_err(Error::io("create a directory in", &tmp))?;
    let data = place.path.join("_data");
    DirBuilder::new().create(&data).map_err(Error::io("create", &data))?;
    // Whatever the user's umask: the container's user has to get in.
    fs::set_permissions(&data, Permissions::from_mode(0o755)).map_err(Error::io("change the mode of", &data))?;
    json::write_new(&place.path.join("volume.json"), record)?;
    match fs::rename(&place.path, &path) {
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            Err(Error::VolumeExists(record.name.clone()))
        }
        other => other.map_err(Error::io("create", &path)),
    }
}

/// The volume's record, `None` where there is no such volume. A record lost in a crash of the machine is made up: the files are there.
pub fn get(store: &Store, name: &str) -> Result<Option<VolumeRecord>, Error> {
    if containers::check_name(name).is_err() {
        return Ok(None);
    }
    match json::read(&directory(store, name).join("volume.json")) {
        Err(Error::Damaged { .. }) => Ok(Some(VolumeRecord { name: name.to_owned(), driver: "local".into(), ..VolumeRecord::default() })),
        other => other,
    }
}

/// Finds a volume by name or, as podman does, by a unique beginning of the name.
pub fn find(store: &Store, name: &str) -> Result<VolumeRecord, Error> {
    if let Some(record) = get(store, name)? {
        return Ok(record);
    }
    let mut matches = names_in(&store.data().join("volumes"))?.into_iter().filter(|other| !name.is_empty() && other.starts_with(name));
    match (matches.next(), matches.next()) {
        (Some(only), None) => get(store, &only)?.ok_or_else(|| Error::NoVolume(name.to_owned())),
        (Some(_), Some(_)) => Err(Error::AmbiguousVolume(name.to_owned())),
        _ => Err(Error::NoVolume(name.to_owned())),
    }
}

/// All volumes, sorted by name.
pub fn list(store: &Store) -> Result<Vec<VolumeRecord>, Error> {
    let mut names = names_in(&store.data().join("volumes"))?;
    names.sort();
    let mut volumes = Vec::new();
    for name in names {
        volumes.extend(get(store, &name)?);
    }
    Ok(volumes)
}

/// Replaces the record (owner known, files copied up).
pub fn save(store: &Store, record: &VolumeRecord) -> Result<(), Error> {
    json::replace(&directory(store, &record.name).join("volume.json"), record, Durability::Synced)
}

/// IDs of the containers that have the volume mounted in their configuration.
pub fn users(store: &Store, name: &str) -> Result<Vec<String>, Error> {
    let mut users = Vec::new();
    for id in containers::list_ids(store)? {
        if let Ok(config) = containers::load_config(store, &id)
            && config.mounts.iter().any(|mount| mount.kind == MountKind::Volume && mount.source == name)
        {
            users.push(id);
        }
    }
    Ok(users)
}

/// Removes a volume and its files. Whether a container uses it is the caller's question ([`users`]).
pub fn remove(store: &Store, name: &str) -> Result<(), Error> {
    let path = directory(store, name);
    if !path.exists() {
        return Err(Error::NoVolume(name.to_owned()));
    }
    remove_tree(&path)
}

fn directory(store: &Store, name: &str) -> PathBuf {
    store.data().join("volumes").join(name)
}
