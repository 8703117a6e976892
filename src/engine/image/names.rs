//! `tag` and `untag`.

use super::lookup;
use crate::engine::events::{self, Event};
use crate::engine::{Engine, Error};
use crate::oci::{ImageName, Reference};
use crate::storage::{self, image};

/// A name as `tag` takes it: one without a registry is the user's own, `localhost/NAME`, and the tag is `latest` unless given.
pub fn normalize(name: &str) -> Result<Reference, Error> {
    let invalid = || Error::Invalid(format!("normalizing name {name:?}: invalid reference format"));
    let reference = match name.parse::<ImageName>().map_err(|_| invalid())? {
        ImageName::Qualified(reference) => reference,
        ImageName::Short(short) => short.at("localhost").map_err(|_| invalid())?,
    };
    Ok(reference.with_default_tag())
}

/// Gives an image more names.
pub fn tag(engine: &Engine, image: &str, names: &[String]) -> Result<(), Error> {
    let (record, _) = lookup::get(engine, image)?;
    for name in names {
        let reference = normalize(name)?;
        if reference.digest().is_some() {
            return Err(Error::Invalid(format!("tagging by digest not supported: {name}")));
        }
        image::tag(&engine.store, &record.id, &reference)?;
        record_event(engine, "tag", &record.id, &reference.to_string())?;
    }
    Ok(())
}

/// Takes names from an image: those given, or all it has.
pub fn untag(engine: &Engine, image: &str, names: &[String]) -> Result<(), Error> {
    let (record, _) = lookup::get(engine, image)?;
    let mut references = Vec::new();
    for name in names {
        let reference = normalize(name)?;
        if !record.names.contains(&reference.to_string()) {
            return Err(storage::Error::NoTag(reference.to_string()).into());
        }
        references.push(reference);
    }
    if names.is_empty() {
        references = record.names.iter().filter_map(|name| name.parse().ok()).collect();
    }
    for reference in references {
        image::untag(&engine.store, &reference)?;
        record_event(engine, "untag", &record.id, &reference.to_string())?;
    }
    Ok(())
}

pub(super) fn record_event(engine: &Engine, status: &str, id: &str, name: &str) -> Result<(), Error> {
    let event = Event { kind: "image".into(), status: status.into(), id: id.into(), name: name.into(), ..Event::default() };
    events::append(&engine.store, event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_registry_are_the_users_own() {
        let cases =
            [("foo", "localhost/foo:latest"), ("foo:1", "localhost/foo:1"), ("docker.io/alpine", "docker.io/library/alpine:latest")];
        for (name, expected) in cases {
            assert_eq!(normalize(name).map(|reference| reference.to_string()).ok().as_deref(), Some(expected));
        }
        assert!(normalize("BAD Name").is_err_and(|error| error.to_string().ends_with("invalid reference format")));
    }
}
