//! Images on disk as docker-archive, oci, oci-archive and dir transports have them, containers-transports(5).

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Error;
use super::files::{Files, Region};
use super::manifest::{CONFIG_LIMIT, Configuration, Descriptor, Document, Index, Manifest, verified};
use crate::oci::{Digest, Platform, Reference, media_type};

/// One image found on disk: small documents read and checked, layers still to be read.
#[derive(Debug)]
pub struct LocalImage {
    pub manifest: Vec<u8>,
    pub media_type: String,
    /// Digest of the index it was chosen from.
    pub index: Option<Digest>,
    pub config: Vec<u8>,
    pub config_digest: Digest,
    pub layers: Vec<LocalLayer>,
    /// Names it is to have.
    pub names: Vec<Reference>,
}

#[derive(Debug)]
pub struct LocalLayer {
    pub diff_id: Digest,
    /// The blob's own digest; `None` where only its content's is known.
    pub blob: Option<Digest>,
    pub body: Region,
}

const DOCUMENT_LIMIT: u64 = 4 << 20;

/// All images of a `docker save` archive.
pub fn docker_archive(files: &Files) -> Result<Vec<LocalImage>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Item {
        config: String,
        repo_tags: Option<Vec<String>>,
        layers: Vec<String>,
    }
    let what = files.shown("manifest.json");
    let bytes =
        files.read("manifest.json", DOCUMENT_LIMIT)?.ok_or_else(|| Error::invalid(&what, "no such file: it is no docker archive"))?;
    let items: Vec<Item> = serde_json::from_slice(&bytes).map_err(|cause| Error::Json { what, cause })?;
    items.into_iter().map(|item| docker_image(files, &item.config, item.repo_tags.unwrap_or_default(), &item.layers)).collect()
}

fn docker_image(files: &Files, config_name: &str, tags: Vec<String>, layer_names: &[String]) -> Result<LocalImage, Error> {
    let what = files.shown(config_name);
    let missing = |name: &str| Error::invalid(files.shown(name), "no such file");
    let config = files.read(config_name, CONFIG_LIMIT)?.ok_or_else(|| missing(config_name))?;
    let parsed = Configuration::parse(&what, &config, layer_names.len())?;
    let mut layers = Vec::new();
    for (name, diff_id) in layer_names.iter().zip(parsed.rootfs.diff_ids) {
        let body = files.open(name)?.ok_or_else(|| missing(name))?;
        layers.push(LocalLayer { diff_id, blob: None, body });
    }
    // The archive has no manifest of the registry's kind: one is made that names the layers as they are.
    let config_digest = Digest::sha256(&config);
    let descriptor = |media_type: &str, digest: &Digest, size: u64| Descriptor {
        media_type: media_type.into(),
        digest: digest.clone(),
        size,
        platform: None,
        annotations: Default::default(),
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: media_type::DOCKER_MANIFEST.into(),
        config: descriptor(media_type::DOCKER_CONFIG, &config_digest, config.len() as u64),
        layers: layers.iter().map(|layer| descriptor(media_type::DOCKER_LAYER, &layer.diff_id, layer.body.len())).collect(),
    };
    let manifest = serde_json::to_vec(&manifest).map_err(|cause| Error::Json { what, cause })?;
    let names = tags.iter().map(|tag| Ok(Reference::normalized(tag)?.with_default_tag())).collect::<Result<_, Error>>()?;
    Ok(LocalImage { manifest, media_type: media_type::DOCKER_MANIFEST.into(), index: None, config, config_digest, layers, names })
}

/// The annotation that names an image in a layout, image specification "Pre-Defined Annotation Keys".
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Full names, as podman and containerd write them.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// The images of an OCI layout: the one that `selector` names (a tag, a name or `@index`), or all.
pub fn oci_layout(files: &Files, selector: Option<&str>, platform: &Platform) -> Result<Vec<LocalImage>, Error> {
    let what = files.shown("index.json");
    let bytes = files.read("index.json", DOCUMENT_LIMIT)?.ok_or_else(|| Error::invalid(&what, "no such file: it is no OCI layout"))?;
    let index: Index = serde_json::from_slice(&bytes).map_err(|cause| Error::Json { what: what.clone(), cause })?;
    let by_index = selector.and_then(|selector| selector.strip_prefix('@')?.parse::<usize>().ok());
    let named = |descriptor: &Descriptor, wanted: &str| {
        [REF_NAME, IMAGE_NAME].iter().any(|key| descriptor.annotations.get(*key).is_some_and(|name| name == wanted))
    };
    let chosen: Vec<&Descriptor> = match (selector, by_index) {
        (_, Some(position)) => index.manifests.get(position).into_iter().collect(),
        (Some(selector), None) => index.manifests.iter().filter(|descriptor| named(descriptor, selector)).collect(),
        (None, _) => index.manifests.iter().collect(),
    };
    if chosen.is_empty() {
        return Err(Error::invalid(what, format!("no image found in oci index for ref {:?}", selector.unwrap_or_default())));
    }
    chosen.into_iter().map(|descriptor| layout_image(files, descriptor, platform)).collect()
}

fn layout_image(files: &Files, descriptor: &Descriptor, platform: &Platform) -> Result<LocalImage, Error> {
    let blob = |descriptor: &Descriptor, limit: u64| -> Result<Vec<u8>, Error> {
        let name = blob_name(&descriptor.digest);
        let bytes = files.read(&name, limit)?.ok_or_else(|| Error::invalid(files.shown(&name), "no such blob"))?;
        verified(&files.shown(&name), bytes, &descriptor.digest, Some(descriptor.size))
    };
    let mut chosen = descriptor.clone();
    let mut index = None;
    let mut bytes = blob(&chosen, DOCUMENT_LIMIT)?;
    let manifest = loop {
        let what = files.shown(chosen.digest.as_str());
        match Document::parse(&what, &bytes, &chosen.media_type)? {
            Document::Manifest(manifest) => break manifest,
            Document::Index(_) if index.is_some() => return Err(Error::invalid(what, "an index within an index")),
            Document::Index(list) => {
                let inner = list.choose(&what, platform)?.clone();
                index = Some(chosen.digest.clone());
                bytes = blob(&inner, DOCUMENT_LIMIT)?;
                chosen = inner;
            }
        }
    };
    let config = blob(&manifest.config, CONFIG_LIMIT)?;
    let annotation = |key: &str| descriptor.annotations.get(key).and_then(|name| name.parse::<Reference>().ok());
    let names = annotation(IMAGE_NAME).or_else(|| annotation(REF_NAME)).map(Reference::with_default_tag).into_iter().collect();
    assemble(files, bytes, manifest, index, config, names, blob_name)
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

/// The image of a `dir:` directory.
pub fn directory(path: &Path, platform: &Platform) -> Result<LocalImage, Error> {
    let files = Files::Directory(path.to_owned());
    let mut bytes =
        files.read("manifest.json", DOCUMENT_LIMIT)?.ok_or_else(|| Error::invalid(files.shown("manifest.json"), "no such file"))?;
    let mut document = Document::parse(&files.shown("manifest.json"), &bytes, "")?;
    let mut index = None;
    if let Document::Index(list) = &document {
        let chosen = list.choose(&files.shown("manifest.json"), platform)?;
        index = Some(Digest::sha256(&bytes));
        let name = format!("{}.manifest.json", chosen.digest.hex());
        let inner = files.read(&name, DOCUMENT_LIMIT)?.ok_or_else(|| Error::invalid(files.shown(&name), "no such file"))?;
        bytes = verified(&files.shown(&name), inner, &chosen.digest, Some(chosen.size))?;
        document = Document::parse(&files.shown(&name), &bytes, &chosen.media_type)?;
    }
    let Document::Manifest(manifest) = document else {
        return Err(Error::invalid(files.shown("manifest.json"), "an index within an index"));
    };
    let name = manifest.config.digest.hex();
    let config = files.read(name, CONFIG_LIMIT)?.ok_or_else(|| Error::invalid(files.shown(name), "no such blob"))?;
    let config = verified(&files.shown(name), config, &manifest.config.digest, Some(manifest.config.size))?;
    assemble(&files, bytes, manifest, index, config, Vec::new(), |digest| digest.hex().to_owned())
}

fn assemble(
    files: &Files,
    bytes: Vec<u8>,
    manifest: Manifest,
    index: Option<Digest>,
    config: Vec<u8>,
    names: Vec<Reference>,
    blob_name: impl Fn(&Digest) -> String,
) -> Result<LocalImage, Error> {
    let parsed = Configuration::parse(&files.shown(manifest.config.digest.as_str()), &config, manifest.layers.len())?;
    let mut layers = Vec::new();
    for (descriptor, diff_id) in manifest.layers.iter().zip(parsed.rootfs.diff_ids) {
        let name = blob_name(&descriptor.digest);
        let body = files.open(&name)?.ok_or_else(|| Error::invalid(files.shown(&name), "no such blob"))?;
        if body.len() != descriptor.size {
            return Err(Error::Size { what: files.shown(&name), expected: descriptor.size, found: body.len() });
        }
        layers.push(LocalLayer { diff_id, blob: Some(descriptor.digest.clone()), body });
    }
    let config_digest = Digest::sha256(&config);
    Ok(LocalImage { manifest: bytes, media_type: manifest.media_type, index, config, config_digest, layers, names })
}

/// `PATH[:SELECTOR]`: the path and what is behind its last colon, if anything.
pub fn path_and_selector(text: &str) -> (PathBuf, Option<&str>) {
    match text.split_once(':') {
        Some((path, selector)) if !selector.is_empty() => (path.into(), Some(selector)),
        Some((path, _)) => (path.into(), None),
        None => (text.into(), None),
    }
}
