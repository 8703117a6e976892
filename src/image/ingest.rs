//! From disk into the store: layers side by side, each checked, then the image.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Error;
use super::local::{LocalImage, LocalLayer};
use super::progress::{Event, Progress};
use crate::oci::Hasher;
use crate::storage::image::{ImageRecord, NewImage};
use crate::storage::layer::{Begin, Unpacker};
use crate::storage::{self, Store, layer};
use crate::userns::{self, SubIds};

/// Layers unpacked at the same time.
pub const PARALLEL: usize = 6;

/// Puts `image` into the store under its names.
pub fn ingest(store: &Store, image: &LocalImage, progress: &dyn Progress) -> Result<ImageRecord, Error> {
    progress.event(Event::Signatures);
    let mut missing: Vec<&LocalLayer> = Vec::new();
    for layer in &image.layers {
        let digest = layer.blob.as_ref().unwrap_or(&layer.diff_id);
        if layer::has(store, &layer.diff_id) {
            progress.event(Event::Present { digest });
        } else if !missing.iter().any(|other| other.diff_id == layer.diff_id) {
            missing.push(layer);
        }
    }
    // Kept until the image is in the store: what nothing refers to yet must not be collected.
    let unpacker = Unpacker::start(store, &userns::default_map(&SubIds::of_user()?))?;
    copy_all(&unpacker, &missing, progress)?;
    progress.event(Event::Config { digest: &image.config_digest });
    let diff_ids: Vec<_> = image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
    let digests: Vec<_> = image.index.iter().cloned().collect();
    let new =
        NewImage { config: &image.config, manifest: &image.manifest, media_type: &image.media_type, digests: &digests, layers: &diff_ids };
    let mut record = storage::image::put(store, &new)?;
    drop(unpacker);
    progress.event(Event::Manifest);
    for name in &image.names {
        storage::image::tag(store, &record.id, name)?;
        record.names.push(name.to_string());
    }
    Ok(record)
}

/// Each thread takes the next layer; the first error stops the others at their next one.
fn copy_all(unpacker: &Unpacker, layers: &[&LocalLayer], progress: &dyn Progress) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), Error> {
        while let Some(layer) = layers.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = copy(unpacker, layer, progress) {
                next.store(layers.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..layers.len().min(PARALLEL)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => Err(Error::invalid("layer", "the copying thread died")),
        })
    })
}

fn copy(unpacker: &Unpacker, layer: &LocalLayer, progress: &dyn Progress) -> Result<(), Error> {
    let digest = layer.blob.as_ref().unwrap_or(&layer.diff_id);
    let mut job = unpacker.layer(&layer.diff_id)?;
    let mut pipe = match job.begin()? {
        Begin::Present(_) => {
            progress.event(Event::Present { digest });
            return Ok(());
        }
        Begin::Stream(pipe) => pipe,
    };
    progress.event(Event::Blob { digest, size: layer.body.len() });
    let mut body = layer.body.clone();
    let mut hasher = layer.blob.as_ref().map(Hasher::like);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = body.read(&mut buffer).map_err(Error::io("read layer", digest.as_str()))?;
        if count == 0 {
            break;
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(&buffer[..count]);
        }
        // The worker has given up: it says why below.
        if pipe.write_all(&buffer[..count]).is_err() {
            break;
        }
        progress.event(Event::Advanced { digest, bytes: count as u64 });
    }
    drop(pipe);
    job.finish()?;
    if let (Some(hasher), Some(expected)) = (hasher, &layer.blob) {
        let found = hasher.finish();
        if found != *expected {
            return Err(Error::Digest { what: format!("blob {expected}"), expected: expected.clone(), found });
        }
    }
    job.commit()?;
    progress.event(Event::Done { digest });
    Ok(())
}
