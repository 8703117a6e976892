//! What `inspect` prints: podman's JSON, field by field in its order. Types are named as Go's, since errors of templates show the names.

mod config;
mod container;
mod host_config;
mod image;
mod mounts;
mod network;

pub use container::{Container, container};
pub use image::{Image, image};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// A time in RFC 3339, which a template prints as Go does; the empty one is Go's zero time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time(pub String);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = if self.0.is_empty() { "0001-01-01T00:00:00Z" } else { &self.0 };
        serializer.serialize_newtype_struct("time.Time", text)
    }
}

/// An object without members: Go's `struct{}`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl Serialize for Empty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_map(Some(0))?.end()
    }
}

/// A list or map that is `null` in JSON when it is empty (Go's nil), and in a template as empty as any other.
#[derive(Clone, Debug, Default)]
pub struct Nullable<T>(pub T);

impl<T: Serialize + Default + PartialEq> Serialize for Nullable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The template's serializer is the one that is not for people to read.
        match serializer.is_human_readable() && self.0 == T::default() {
            true => serializer.serialize_none(),
            false => self.0.serialize(serializer),
        }
    }
}
