//! What `inspect` prints: podman's JSON, field by field in its order.

use serde::Serialize;

/// A time in RFC 3339, which a template prints as Go does; the empty one is Go's zero time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Time(pub String);

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = if self.0.is_empty() { "0001-01-01T00:00:00Z" } else { &self.0 };
        serializer.serialize_newtype_struct("time.Time", text)
    }
}
