//! From a registry into the store: download, hash, decompression and unpacking are one stream per layer, layers side by side.

use std::os::fd::AsFd;

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::Error;
use super::manifest::{Configuration, Descriptor, Document, Manifest, verified};
use super::progress::{Event, Progress};
use crate::oci::{Digest, Hasher, Platform, Reference};
use crate::registry::{self, Repository};
use crate::storage::image::{ImageRecord, NewImage};
use crate::storage::layer::{Begin, Unpacker};
use crate::storage::{self, Store, layer};
use crate::sys::readiness::Readable;
use crate::userns::{self, SubIds};

/// Bytes of a configuration at most.
const CONFIG_LIMIT: u64 = 4 << 20;

/// A manifest that was fetched and checked.
pub struct Fetched {
    pub bytes: Vec<u8>,
    pub manifest: Manifest,
    /// Digest of the index it was chosen from.
    pub index: Option<Digest>,
}

/// Fetches the manifest of `reference` for `platform`.
pub async fn manifest(repository: &Repository, reference: &Reference, platform: &Platform) -> Result<Fetched, Error> {
    let source = |cause| Error::Source { source_name: format!("docker://{reference}"), cause };
    let wanted = reference.digest();
    let name = wanted.map_or_else(|| reference.tag().unwrap_or("latest").to_owned(), ToString::to_string);
    let (bytes, digest, document) = document(repository, reference, &name, wanted, None).await.map_err(|error| error.or(source))?;
    match document {
        Document::Manifest(manifest) => Ok(Fetched { bytes, manifest, index: None }),
        Document::Index(index) => {
            let chosen = index.choose(&reference.to_string(), platform)?;
            let found = self::document(repository, reference, chosen.digest.as_str(), Some(&chosen.digest), Some(chosen.size));
            let (bytes, inner, document) = found.await.map_err(|error| error.or(source))?;
            match document {
                Document::Manifest(manifest) => Ok(Fetched { bytes, manifest, index: Some(digest) }),
                Document::Index(_) => Err(Error::invalid(format!("manifest {inner}"), "an index within an index")),
            }
        }
    }
}

/// An error of the registry's, to be named by its source, or one of the document's.
enum Either {
    Registry(registry::Error),
    Image(Error),
}

impl Either {
    fn or(self, source: impl FnOnce(registry::Error) -> Error) -> Error {
        match self {
            Self::Registry(error) => source(error),
            Self::Image(error) => error,
        }
    }
}

async fn document(
    repository: &Repository,
    reference: &Reference,
    name: &str,
    wanted: Option<&Digest>,
    size: Option<u64>,
) -> Result<(Vec<u8>, Digest, Document), Either> {
    let answer = repository.manifest(name).await.map_err(Either::Registry)?;
    let what = format!("manifest {name} of {}", reference.name());
    // A registry that announces a digest must keep to it, whether we asked by one or not.
    let announced = answer.announced.as_deref().and_then(|text| text.parse::<Digest>().ok());
    let expected = wanted.or(announced.as_ref()).cloned();
    let check = |bytes: Vec<u8>| -> Result<_, Error> {
        let (bytes, digest) = match expected {
            Some(expected) => (verified(&what, bytes, &expected, size)?, expected),
            None => {
                let digest = Digest::sha256(&bytes);
                (bytes, digest)
            }
        };
        let document = Document::parse(&what, &bytes, &answer.media_type)?;
        Ok((bytes, digest, document))
    };
    check(answer.bytes).map_err(Either::Image)
}

/// Brings the image of a fetched manifest into the store, without a name; `parallel` layers are on their way at a time.
pub async fn copy(
    store: &Store,
    repository: &Repository,
    source: &str,
    fetched: &Fetched,
    parallel: usize,
    progress: &dyn Progress,
) -> Result<ImageRecord, Error> {
    progress.event(Event::Signatures);
    let failed = |cause| Error::Copy { source_name: source.to_owned(), cause };
    let manifest = &fetched.manifest;
    let config = 'found: {
        let descriptor = &manifest.config;
        // What the store has under this digest is this blob.
        if let Ok(bytes) = storage::image::config(store, descriptor.digest.hex())
            && let Ok(bytes) = verified("configuration", bytes, &descriptor.digest, Some(descriptor.size))
        {
            break 'found bytes;
        }
        // It is kept in memory, and its size is the registry's word.
        if descriptor.size > CONFIG_LIMIT {
            return Err(Error::invalid(format!("configuration {}", descriptor.digest), "it is larger than 4 MiB"));
        }
        let mut bytes = Vec::new();
        let mut blob = repository.blob(&descriptor.digest, descriptor.size);
        while let Some(chunk) = blob.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
        }
        verified(&format!("configuration {}", descriptor.digest), bytes, &descriptor.digest, Some(descriptor.size))?
    };
    let parsed = Configuration::parse(&format!("configuration {}", manifest.config.digest), &config, manifest.layers.len())?;
    let diff_ids = parsed.rootfs.diff_ids;
    let mut missing: Vec<(&Descriptor, &Digest)> = Vec::new();
    for (descriptor, diff_id) in manifest.layers.iter().zip(&diff_ids) {
        if layer::has(store, diff_id) {
            progress.event(Event::Present { digest: &descriptor.digest });
        } else if !missing.iter().any(|(_, other)| *other == diff_id) {
            missing.push((descriptor, diff_id));
        }
    }
    // Kept until the image is in the store: what nothing refers to yet must not be collected.
    let unpacker = Unpacker::start(store, &userns::default_map(&SubIds::of_user()?))?;
    let mut copies = futures_util::stream::iter(missing)
        .map(|(descriptor, diff_id)| one_layer(&unpacker, repository, source, descriptor, diff_id, progress))
        .buffer_unordered(parallel.max(1));
    while let Some(result) = copies.next().await {
        result?;
    }
    drop(copies);
    progress.event(Event::Config { digest: &manifest.config.digest });
    let digests: Vec<Digest> = fetched.index.iter().cloned().collect();
    let new =
        NewImage { config: &config, manifest: &fetched.bytes, media_type: &manifest.media_type, digests: &digests, layers: &diff_ids };
    let record = storage::image::put(store, &new)?;
    progress.event(Event::Manifest);
    Ok(record)
}

async fn one_layer(
    unpacker: &Unpacker,
    repository: &Repository,
    source: &str,
    descriptor: &Descriptor,
    diff_id: &Digest,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let digest = &descriptor.digest;
    let mut job = unpacker.layer(diff_id)?;
    let ready = Readable::new(job.as_fd()).map_err(Error::Runtime)?;
    ready.wait().await.map_err(Error::Runtime)?;
    let stream = match job.begin()? {
        Begin::Present(_) => {
            progress.event(Event::Present { digest });
            return Ok(());
        }
        Begin::Stream(pipe) => pipe,
    };
    progress.event(Event::Blob { digest, size: descriptor.size });
    let mut pipe = pipe::Sender::from_file(stream).map_err(Error::Runtime)?;
    let mut hasher = Hasher::like(digest);
    let mut received = 0;
    let mut blob = repository.blob(digest, descriptor.size);
    while let Some(chunk) = blob.chunk().await.map_err(|cause| Error::Copy { source_name: source.to_owned(), cause })? {
        hasher.update(&chunk);
        received += chunk.len() as u64;
        // The worker has given up: it says why below.
        if pipe.write_all(&chunk).await.is_err() {
            break;
        }
        progress.event(Event::Advanced { digest, bytes: chunk.len() as u64 });
    }
    drop(pipe);
    ready.wait().await.map_err(Error::Runtime)?;
    let unpacked = job.finish();
    // What came is judged before what it unpacked to: a wrong blob is the registry's fault, not the archive's.
    if received == descriptor.size {
        let found = hasher.finish();
        if found != *digest {
            return Err(Error::Digest { what: format!("blob {digest}"), expected: digest.clone(), found });
        }
    }
    unpacked?;
    job.commit()?;
    progress.event(Event::Done { digest });
    Ok(())
}
