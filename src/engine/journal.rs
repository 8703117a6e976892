//! Reading the journal of events: all there are, then those that come.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use jiff::Timestamp;

use super::events::{self, Event};
use super::filter::{self, Filters};
use super::{Engine, Error, when};
use crate::storage::Store;

/// All events, the oldest first. Lines that are no events (a power cut's) are passed over.
pub fn read(store: &Store) -> Vec<Event> {
    let path = events::path(store);
    let mut found = Vec::new();
    for path in [path.with_extension("1"), path] {
        found.extend(parse(&fs::read(path).unwrap_or_default()));
    }
    found
}

fn parse(bytes: &[u8]) -> Vec<Event> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Hands out events as they are appended.
#[derive(Debug)]
pub struct Follower {
    store: Store,
    file: Option<File>,
    /// The beginning of a line whose rest is not there yet.
    rest: Vec<u8>,
}

impl Follower {
    /// Follows from now on.
    pub fn new(store: &Store) -> Self {
        let mut file = File::open(events::path(store)).ok();
        if let Some(file) = &mut file {
            let _ = file.seek(SeekFrom::End(0));
        }
        Self { store: store.clone(), file, rest: Vec::new() }
    }

    /// What has come since the last call.
    pub fn news(&mut self) -> Result<Vec<Event>, Error> {
        let path = events::path(&self.store);
        let mut bytes = std::mem::take(&mut self.rest);
        if let Some(file) = &mut self.file {
            file.read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
        }
        // The file is renamed when it has grown too big, and made by the first event.
        let followed = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| metadata.ino());
        let current = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata.ino()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        if current.is_some() && current != followed {
            let mut file = File::open(&path).map_err(Error::io("open", &path))?;
            file.read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
            self.file = Some(file);
        }
        let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        self.rest = bytes.split_off(complete);
        Ok(parse(&bytes))
    }
}

/// Which events are wanted.
#[derive(Debug)]
pub struct EventFilter {
    filters: Filters,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// The keys of `events --filter`.
const KEYS: [&str; 12] =
    ["container", "event", "status", "image", "pod", "volume", "type", "label", "label!", "network", "artifact", "secret"];

impl EventFilter {
    /// `since` and `until` are moments; a duration is so long ago, or with `until` so long from now.
    pub fn parse(engine: &Engine, filters: &[String], since: Option<&str>, until: Option<&str>) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Invalid(format!("failed to parse event filters: {reason}"));
        let keyed: Vec<String> = filters.iter().map(|text| if text.contains('=') { text.clone() } else { format!("{text}=") }).collect();
        let mut filters = Filters::parse(&keyed, &KEYS).map_err(|error| invalid(error.to_string()))?;
        // A container may be named by the beginning of its ID.
        filters.map("container", |value| crate::storage::containers::find(&engine.store, &value).unwrap_or(value));
        let now = Timestamp::now();
        let moment = |which: &str, text: &str| {
            when::moment(text, now)
                .ok_or_else(|| invalid(format!("unable to convert {which} time of {text}: unable to interpret time value")))
        };
        let since = since.map(|text| moment("since", text)).transpose()?;
        let until = match until {
            None => None,
            Some(text) => Some(match when::duration(text) {
                Some(duration) => now.checked_add(duration).unwrap_or(Timestamp::MAX),
                None => moment("until", text)?,
            }),
        };
        Ok(Self { filters, since, until })
    }

    pub fn passes(&self, event: &Event) -> bool {
        let time = when::parse(&event.time);
        if self.since.is_some_and(|since| time.is_none_or(|time| time < since))
            || self.until.is_some_and(|until| time.is_none_or(|time| time > until))
        {
            return false;
        }
        self.filters.iter().all(|(key, values)| match key {
            "container" => {
                event.kind == "container"
                    && values.iter().any(|value| event.name == *value || !value.is_empty() && event.id.starts_with(value))
            }
            "event" | "status" => values.iter().any(|value| event.status == *value || *value == "die" && event.status == "died"),
            "image" => values.iter().any(|value| match event.kind.as_str() {
                "container" => is_image(&event.image, value),
                "image" => is_image(&event.name, value) || !value.is_empty() && event.id.starts_with(value),
                _ => false,
            }),
            "volume" => event.kind == "volume" && values.contains(&event.name),
            "type" => values.contains(&event.kind),
            "label" => filter::has_labels(&event.attributes, values),
            "label!" => !filter::has_labels(&event.attributes, values),
            _ => false,
        })
    }
}

/// An image by its whole name, or by the name without registry and tag.
fn is_image(name: &str, value: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    [name, last].into_iter().any(|name| name == value || name.split_once(':').is_some_and(|(repository, _)| repository == value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_lines_are_passed_over() {
        let bytes = b"{\"Type\":\"container\",\"Status\":\"create\"}\n\0\0\0\n{\"Type\":\"vol";
        let events = parse(bytes);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].status, "create");
    }

    #[test]
    fn images_are_named_in_full_or_short() {
        for (value, expected) in [("busybox", true), ("localhost/busybox:latest", true), ("localhost/busybox", true), ("busy", false)] {
            assert_eq!(is_image("localhost/busybox:latest", value), expected, "{value}");
        }
    }
}
