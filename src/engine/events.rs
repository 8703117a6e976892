//! The journal of what happened: one JSON object a line, appended to `events` in the data directory.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::storage::Store;

/// One event, the fields that `events --format json` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Event {
    /// RFC 3339 with nanoseconds; filled in by [`append`] where empty.
    pub time: String,
    /// container, image, volume, system
    #[serde(rename = "Type")]
    pub kind: String,
    /// create, init, start, died, remove, exec, exec_died, attach, stop, kill, pull, tag …
    pub status: String,
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    #[serde(rename = "ContainerExitCode", skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// A container's labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// The file grows to this size, then the older half is what `events.1` keeps.
const LIMIT: u64 = 8 << 20;

/// Where events are.
pub fn path(store: &Store) -> PathBuf {
    store.data().join("events")
}

/// Appends an event.
pub fn append(store: &Store, event: Event) -> Result<(), Error> {
    append_all(store, vec![event])
}

/// Appends events, in their order. One write in append mode is atomic, so no lock is needed.
pub fn append_all(store: &Store, events: Vec<Event>) -> Result<(), Error> {
    let path = path(store);
    let mut lines = Vec::new();
    for mut event in events {
        if event.time.is_empty() {
            event.time = now();
        }
        serde_json::to_writer(&mut lines, &event).map_err(|error| Error::Invalid(format!("event: {error}")))?;
        lines.push(b'\n');
    }
    let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    let mut file = open().map_err(Error::io("open", &path))?;
    if file.metadata().is_ok_and(|metadata| metadata.len() > LIMIT) {
        fs::rename(&path, path.with_extension("1")).map_err(Error::io("rename", &path))?;
        file = open().map_err(Error::io("open", &path))?;
    }
    file.write_all(&lines).map_err(Error::io("append to", &path))
}

/// This moment as RFC 3339 with nanoseconds, in UTC.
pub fn now() -> String {
    jiff::Timestamp::now().to_string()
}
