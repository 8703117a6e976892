//! Images: records by image ID, and names that point to them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sweep::Temporary;
use super::{Error, Root, Store, containers, json, layer, names_in, remove_tree};
use crate::oci::{Digest, Reference};
use crate::sys;

/// What the store knows of an image. The ID is the hexadecimal digest of its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageRecord {
    pub id: String,
    /// Digest of the manifest that is kept.
    pub digest: String,
    /// Every digest under which it came: the manifest's and, where it was chosen from one, the index's.
    pub digests: Vec<String>,
    pub media_type: String,
    /// RFC 3339, from the configuration.
    pub created: String,
    /// Sum of the layers' uncompressed archives, as podman counts.
    pub size: u64,
    /// Diff IDs, lowest first.
    pub layers: Vec<String>,
    pub os: String,
    pub architecture: String,
    pub variant: String,
    pub labels: BTreeMap<String, String>,
    /// Mode bits of the root directory in a container.
    pub root_mode: u32,
    /// Names (`registry/repository:tag` or `…@digest`) that point to it, the newest first. Not part of the record on disk.
    #[serde(skip)]
    pub names: Vec<String>,
}

/// An image to be put into the store; its layers are there already.
#[derive(Clone, Copy, Debug)]
pub struct NewImage<'a> {
    /// The configuration, byte for byte.
    pub config: &'a [u8],
    /// The manifest, byte for byte.
    pub manifest: &'a [u8],
    pub media_type: &'a str,
    /// Digests beside the manifest's own: that of the index it was chosen from.
    pub digests: &'a [Digest],
    /// Diff IDs, lowest first.
    pub layers: &'a [Digest],
}

impl ImageRecord {
    /// `repository@digest` for every repository that a name of the image is in, as `inspect` shows them.
    pub fn repo_digests(&self) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        for repository in self.names.iter().map(|name| repository(name)) {
            list.extend(self.digests.iter().map(|digest| format!("{repository}@{digest}")));
        }
        list.sort();
        list.dedup();
        list
    }

    /// Names with a tag.
    pub fn repo_tags(&self) -> Vec<String> {
        self.names.iter().filter(|name| !name.contains('@')).cloned().collect()
    }
}

/// The name without tag and digest.
fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// Syncs the layers to disk and puts the record in place. An image that is there already gains the new digests and manifest. The
/// [`super::layer::Unpacker`] that brought the layers is to be kept until this returns.
pub fn put(store: &Store, new: &NewImage) -> Result<ImageRecord, Error> {
    let id = Digest::sha256(new.config).hex().to_owned();
    let _lock = store.lock_images()?;
    let mut image = describe(store, &id, new)?;
    if let Some(known) = record(store, &id)? {
        image.digests.extend(known.digests);
    }
    let mut seen = HashSet::new();
    image.digests.retain(|digest| seen.insert(digest.clone()));
    let tmp = store.data.join("tmp");
    let place = Temporary::new(&store.data, "image").map_err(Error::io("create a directory in", &tmp))?;
    for (name, bytes) in [("config", new.config), ("manifest", new.manifest)] {
        let path = place.path.join(name);
        fs::write(&path, bytes).map_err(Error::io("write", &path))?;
    }
    json::write_new(&place.path.join("image.json"), &image)?;
    layer::sync(store, new.layers)?;
    let path = directory(store, &id);
    if sys::path::exchange(&place.path, &path).is_err() {
        fs::rename(&place.path, &path).map_err(Error::io("create", &path))?;
    }
    Ok(image)
}

/// The record of an image, from its configuration and its layers.
fn describe(store: &Store, id: &str, new: &NewImage) -> Result<ImageRecord, Error> {
    let damaged = |reason: String| Error::Damaged { path: PathBuf::from(format!("image configuration sha256:{id}")), reason };
    let config: Configuration = serde_json::from_slice(new.config).map_err(|error| damaged(error.to_string()))?;
    let mut image = ImageRecord {
        id: id.to_owned(),
        digest: Digest::sha256(new.manifest).to_string(),
        media_type: new.media_type.to_owned(),
        created: config.created.unwrap_or_default(),
        layers: new.layers.iter().map(ToString::to_string).collect(),
        os: config.os,
        architecture: config.architecture,
        variant: config.variant,
        labels: config.config.and_then(|config| config.labels).unwrap_or_default(),
        root_mode: ROOT_MODE,
        ..ImageRecord::default()
    };
    image.digests = std::iter::once(image.digest.clone()).chain(new.digests.iter().map(ToString::to_string)).collect();
    for diff_id in new.layers {
        let layer = layer::get(store, diff_id).ok_or_else(|| Error::NoLayer(diff_id.to_string()))?;
        image.size += layer.tar_size;
    }
    Ok(image)
}

/// Mode bits of `/`: podman's for every image, whatever its layers say.
const ROOT_MODE: u32 = 0o555;

/// What a record needs of an image configuration.
#[derive(Deserialize)]
struct Configuration {
    created: Option<String>,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
    config: Option<RunConfiguration>,
}

#[derive(Deserialize)]
struct RunConfiguration {
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

/// The image with this full ID.
pub fn get(store: &Store, id: &str) -> Result<Option<ImageRecord>, Error> {
    let Some(mut record) = record(store, id)? else { return Ok(None) };
    record.names = all_names(store)?.remove(id).unwrap_or_default();
    Ok(Some(record))
}

/// The image that a name points to: two small files are read. `names` holds this name alone. A name with a digest that is not kept as
/// it stands finds an image of the same repository that came under that digest.
pub fn by_name(store: &Store, reference: &Reference) -> Result<Option<ImageRecord>, Error> {
    let name = reference.to_string();
    if let Some(id) = target(&tag_path(store, &name)?)
        && let Some(mut record) = record(store, &id)?
    {
        record.names = vec![name];
        return Ok(Some(record));
    }
    let Some(digest) = reference.digest() else { return Ok(None) };
    let wanted = reference.name();
    let found = list(store)?.into_iter().find(|record| {
        record.digests.iter().any(|known| known == digest.as_str()) && record.names.iter().any(|name| repository(name) == wanted)
    });
    Ok(found)
}

/// The image whose ID begins with `prefix` (hexadecimal, `sha256:` before it is allowed).
pub fn by_id(store: &Store, prefix: &str) -> Result<Option<ImageRecord>, Error> {
    let prefix = prefix.strip_prefix("sha256:").unwrap_or(prefix);
    if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    if prefix.len() == 64 {
        return get(store, prefix);
    }
    let mut matches = names_in(&store.data.join("images"))?.into_iter().filter(|id| id.starts_with(prefix));
    match (matches.next(), matches.next()) {
        (Some(id), None) => get(store, &id),
        (Some(_), Some(_)) => Err(Error::AmbiguousImage(prefix.to_owned())),
        _ => Ok(None),
    }
}

/// All images.
pub fn list(store: &Store) -> Result<Vec<ImageRecord>, Error> {
    let mut names = all_names(store)?;
    let mut images = Vec::new();
    for id in names_in(&store.data.join("images"))? {
        if let Some(mut record) = record(store, &id)? {
            record.names = names.remove(&id).unwrap_or_default();
            images.push(record);
        }
    }
    Ok(images)
}

/// The configuration blob, byte for byte.
pub fn config(store: &Store, id: &str) -> Result<Vec<u8>, Error> {
    blob(store, id, "config")
}

/// The manifest blob, byte for byte.
pub fn manifest(store: &Store, id: &str) -> Result<Vec<u8>, Error> {
    blob(store, id, "manifest")
}

fn blob(store: &Store, id: &str, name: &str) -> Result<Vec<u8>, Error> {
    let path = directory(store, id).join(name);
    match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::NoImage(id.to_owned())),
        other => other.map_err(Error::io("read", &path)),
    }
}

/// Lets a name point to an image; it points to no other any more.
pub fn tag(store: &Store, id: &str, reference: &Reference) -> Result<(), Error> {
    let path = tag_path(store, &reference.to_string())?;
    if record(store, id)?.is_none() {
        return Err(Error::NoImage(id.to_owned()));
    }
    let temporary = store.data.join("tmp").join(format!("tag-{}-{}", std::process::id(), &id[..12.min(id.len())]));
    let _ = fs::remove_file(&temporary);
    symlink(Path::new("../images").join(id), &temporary).map_err(Error::io("create", &temporary))?;
    fs::rename(&temporary, &path).map_err(Error::io("create", &path))
}

/// Takes a name away from whatever image it points to.
pub fn untag(store: &Store, reference: &Reference) -> Result<(), Error> {
    let name = reference.to_string();
    let path = tag_path(store, &name)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::NoTag(name)),
        other => other.map_err(Error::io("remove", &path)),
    }
}

/// IDs of the containers that were made from the image.
pub fn users(store: &Store, id: &str) -> Result<Vec<String>, Error> {
    let mut users = Vec::new();
    for container in containers::list_ids(store)? {
        if let Ok(config) = containers::load_config(store, &container)
            && matches!(&config.root, Root::Image { id: image, .. } if image == id)
        {
            users.push(container);
        }
    }
    Ok(users)
}

/// Removes an image with all its names, and the layers that nothing else needs. One that a container uses is refused.
pub fn remove(store: &Store, id: &str) -> Result<(), Error> {
    let _lock = store.lock_images()?;
    let containers = users(store, id)?;
    if !containers.is_empty() {
        return Err(Error::ImageInUse { image: id.to_owned(), containers });
    }
    let path = directory(store, id);
    if !path.exists() {
        return Err(Error::NoImage(id.to_owned()));
    }
    for name in all_names(store)?.remove(id).unwrap_or_default() {
        let path = tag_path(store, &name)?;
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    remove_tree(&path)?;
    layer::collect(store).map(drop)
}

/// Removes the layers that no image and no container needs (those of pulls that failed, say), and gives their size.
pub fn collect_layers(store: &Store) -> Result<u64, Error> {
    let _lock = store.lock_images()?;
    layer::collect(store)
}

fn directory(store: &Store, id: &str) -> PathBuf {
    store.data.join("images").join(id)
}

/// A damaged record is no image, so that pulling it again mends it.
fn record(store: &Store, id: &str) -> Result<Option<ImageRecord>, Error> {
    match json::read(&directory(store, id).join("image.json")) {
        Err(Error::Damaged { .. }) => Ok(None),
        other => other,
    }
}

/// The file name of a name: the distribution grammar has no '+' in repositories and tags.
fn tag_path(store: &Store, name: &str) -> Result<PathBuf, Error> {
    if name.is_empty() || name.starts_with('.') || name.contains(['+', '\0']) || name.len() > 255 {
        return Err(Error::ImageName(name.to_owned()));
    }
    Ok(store.data.join("tags").join(name.replace('/', "+")))
}

/// The image ID that a name's link points to.
fn target(path: &Path) -> Option<String> {
    Some(fs::read_link(path).ok()?.file_name()?.to_str()?.to_owned())
}

/// All names by image ID, newest first.
fn all_names(store: &Store) -> Result<HashMap<String, Vec<String>>, Error> {
    let directory = store.data.join("tags");
    let mut found = HashMap::<String, Vec<((i64, i64), String)>>::new();
    for file in names_in(&directory)? {
        let path = directory.join(&file);
        let (Some(id), Ok(metadata)) = (target(&path), path.symlink_metadata()) else { continue };
        found.entry(id).or_default().push(((metadata.mtime(), metadata.mtime_nsec()), file.replace('+', "/")));
    }
    Ok(found
        .into_iter()
        .map(|(id, mut names)| {
            names.sort_by(|one, other| other.cmp(one));
            (id, names.into_iter().map(|(_, name)| name).collect())
        })
        .collect())
}
