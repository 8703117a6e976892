//! Which image of the store a user means.

use crate::engine::{Engine, Error};
use crate::oci::{ImageName, Reference};
use crate::storage::image::{self, ImageRecord};
use crate::storage::{self};

/// The image of a name, a short name, an ID or the beginning of an ID, with the name by which it was found; `None` where there is none.
pub fn find(engine: &Engine, name: &str) -> Result<Option<(ImageRecord, Option<Reference>)>, Error> {
    let plain = name.strip_prefix("containers-storage:").unwrap_or(name);
    for candidate in candidates(plain) {
        let reference = candidate.with_default_tag().without_redundant_tag();
        if let Some(found) = image::by_name(&engine.store, &reference)?
            && let Some(record) = image::get(&engine.store, &found.id)?
        {
            return Ok(Some((record, Some(reference))));
        }
    }
    Ok(image::by_id(&engine.store, plain)?.map(|record| (record, None)))
}

/// As [`find`], but there must be one.
pub fn get(engine: &Engine, name: &str) -> Result<(ImageRecord, Option<Reference>), Error> {
    find(engine, name)?.ok_or_else(|| storage::Error::NoImage(name.to_owned()).into())
}

/// What a name may stand for: itself, or with the registries that short names are looked for in locally.
fn candidates(name: &str) -> Vec<Reference> {
    match name.parse::<ImageName>() {
        Ok(ImageName::Qualified(reference)) => vec![reference],
        Ok(ImageName::Short(short)) => ["localhost", "docker.io"].into_iter().filter_map(|registry| short.at(registry).ok()).collect(),
        Err(_) => Vec::new(),
    }
}
