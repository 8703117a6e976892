//! `rmi` and `image prune`.

use super::list::{self, ListRequest};
use super::lookup;
use super::names::record_event;
use crate::engine::container::{self, RemoveOptions as ContainerOptions};
use crate::engine::{Engine, Error};
use crate::oci::Reference;
use crate::storage::image::{self, ImageRecord};
use crate::storage::{self, containers};

/// How `rmi` treats what is in its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveOptions {
    /// Remove containers that use the image, and all its names.
    pub force: bool,
}

/// What was done, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    Untagged(String),
    Deleted(String),
}

/// Removes an image, or only a name of it where it has others.
pub fn remove(engine: &Engine, name: &str, options: RemoveOptions) -> Result<Vec<Removed>, Error> {
    let (record, by_name) = lookup::get(engine, name)?;
    let mut done = Vec::new();
    match by_name {
        Some(reference) if record.names.len() > 1 => {
            untag(engine, &record, &reference, &mut done)?;
            return Ok(done);
        }
        None if record.names.len() > 1 && !options.force => {
            return Err(Error::Invalid(format!(
                "unable to delete image {:?} by ID with more than one tag ([{}]): please force removal",
                record.id,
                record.names.join(" ")
            )));
        }
        _ => {}
    }
    delete(engine, &record, options.force, &mut done)?;
    Ok(done)
}

/// Removes an image with all its names, unless a container uses it.
pub fn remove_with_names(engine: &Engine, name: &str) -> Result<Vec<Removed>, Error> {
    let mut done = Vec::new();
    delete(engine, &lookup::get(engine, name)?.0, false, &mut done)?;
    Ok(done)
}

fn untag(engine: &Engine, record: &ImageRecord, reference: &Reference, done: &mut Vec<Removed>) -> Result<(), Error> {
    image::untag(&engine.store, reference)?;
    record_event(engine, "untag", &record.id, &reference.to_string())?;
    done.push(Removed::Untagged(reference.to_string()));
    Ok(())
}

fn delete(engine: &Engine, record: &ImageRecord, force: bool, done: &mut Vec<Removed>) -> Result<(), Error> {
    containers::sweep(&engine.store)?;
    let users: Vec<String> = containers::list_states(&engine.store)?
        .into_iter()
        .filter(|state| state.summary.image_id == record.id)
        .map(|state| state.id)
        .collect();
    if !users.is_empty() {
        if !force {
            return Err(storage::Error::ImageInUse { image: record.id.clone(), containers: users }.into());
        }
        let options = ContainerOptions { force: true, timeout: None, volumes: false, depend: true };
        container::remove_all(engine, &users, &options)?.into_iter().try_for_each(|removed| removed.result)?;
    }
    image::remove(&engine.store, &record.id)?;
    for name in &record.names {
        record_event(engine, "untag", &record.id, name)?;
        done.push(Removed::Untagged(name.clone()));
    }
    record_event(engine, "remove", &record.id, record.names.first().unwrap_or(&record.id))?;
    done.push(Removed::Deleted(record.id.clone()));
    Ok(())
}

/// An image that `prune` removed.
#[derive(Clone, Debug)]
pub struct Pruned {
    pub id: String,
    /// Bytes, as `images` counts them.
    pub size: u64,
}

/// Removes images that no container uses: those without a name, or with `all` any.
pub fn prune(engine: &Engine, all: bool, filters: &[String]) -> Result<Vec<Pruned>, Error> {
    for filter in filters {
        let key = filter.split('=').next().unwrap_or_default();
        if !["until", "label", "label!", "dangling"].contains(&key) {
            return Err(Error::Invalid(format!("unsupported image filter {key:?}")));
        }
    }
    containers::sweep(&engine.store)?;
    let mut pruned = Vec::new();
    for image in list::list(engine, &ListRequest { name: None, filters: filters.to_vec() })? {
        if image.containers > 0 || !all && !image.is_dangling() {
            continue;
        }
        match delete(engine, &image.record, false, &mut Vec::new()) {
            Ok(()) => pruned.push(Pruned { id: image.record.id, size: image.size }),
            // A container has been made from it since.
            Err(Error::Storage(storage::Error::ImageInUse { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(pruned)
}
