//! `images`: which there are, and what `--filter` leaves of them.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use jiff::Timestamp;

use super::lookup;
use crate::engine::filter::{self, Filters};
use crate::engine::{Engine, Error, when};
use crate::storage::image::{self, ImageRecord};
use crate::storage::{containers, layer};

/// What `images` is asked for.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// An operand: the same as `reference=…`.
    pub name: Option<String>,
    pub filters: Vec<String>,
}

/// An image of the list.
#[derive(Clone, Debug)]
pub struct Image {
    pub record: ImageRecord,
    /// The names to show, the newest first; all of the image's unless a filter asks for one exactly.
    pub shown: Vec<String>,
    pub created: Timestamp,
    /// Bytes of the layers' archives, the configuration and the manifest: podman's size.
    pub size: u64,
    /// How many containers were made from it.
    pub containers: usize,
}

impl Image {
    /// Whether no name points to it.
    pub fn is_dangling(&self) -> bool {
        self.record.names.is_empty()
    }
}

const KEYS: [&str; 24] = [
    "after",
    "after!",
    "before",
    "before!",
    "since",
    "since!",
    "containers",
    "containers!",
    "dangling",
    "dangling!",
    "id",
    "id!",
    "intermediate",
    "intermediate!",
    "label",
    "label!",
    "manifest",
    "manifest!",
    "readonly",
    "readonly!",
    "reference",
    "reference!",
    "until",
    "until!",
];

/// Images that pass the filters, those created last first.
pub fn list(engine: &Engine, request: &ListRequest) -> Result<Vec<Image>, Error> {
    let mut given = request.filters.clone();
    given.extend(request.name.iter().map(|name| format!("reference={name}")));
    let filters = Filters::parse(&given, &KEYS).map_err(|_| {
        let key = request.filters.iter().map(|filter| filter.split('=').next().unwrap_or(filter));
        let wrong = key.clone().find(|key| !KEYS.contains(key)).or_else(|| key.clone().next()).unwrap_or_default();
        Error::Invalid(format!("invalid image filter {wrong:?}: must be in the format \"filter=value or filter!=value\""))
    })?;
    let mut uses = HashMap::<String, usize>::new();
    for state in containers::list_states(&engine.store)? {
        *uses.entry(state.summary.image_id).or_default() += 1;
    }
    let mut images: Vec<Image> = image::list(&engine.store)?
        .into_iter()
        .map(|record| Image {
            shown: record.names.clone(),
            created: when::parse(&record.created).unwrap_or_default(),
            size: size(engine, &record),
            containers: uses.get(&record.id).copied().unwrap_or(0),
            record,
        })
        .collect();
    images.sort_by(|one, other| (Reverse(one.created), &one.record.id).cmp(&(Reverse(other.created), &other.record.id)));
    let filter = ImageFilter::new(engine, &filters)?;
    images.retain_mut(|image| filter.passes(image));
    Ok(images)
}

/// podman's size of an image.
pub fn size(engine: &Engine, record: &ImageRecord) -> u64 {
    let layers = record.layers.iter().filter_map(|digest| layer::get(&engine.store, &digest.parse().ok()?));
    let blobs = [image::config(&engine.store, &record.id), image::manifest(&engine.store, &record.id)];
    layers.map(|layer| layer.tar_size).sum::<u64>() + blobs.iter().flatten().map(|blob| blob.len() as u64).sum::<u64>()
}

/// The orders of `images --sort`.
pub fn compare(key: &str, one: (&str, &str, &Image), other: (&str, &str, &Image)) -> Ordering {
    match key {
        "id" => one.2.record.id.cmp(&other.2.record.id),
        "repository" => one.0.cmp(other.0),
        "tag" => one.1.cmp(other.1),
        "size" => one.2.size.cmp(&other.2.size),
        _ => other.2.created.cmp(&one.2.created),
    }
}

/// Filters with what they refer to looked up.
struct ImageFilter<'a> {
    filters: &'a Filters,
    before: Vec<Timestamp>,
    since: Vec<Timestamp>,
    until: Option<Timestamp>,
}

impl<'a> ImageFilter<'a> {
    fn new(engine: &Engine, filters: &'a Filters) -> Result<Self, Error> {
        let created =
            |name: &String| -> Result<Timestamp, Error> { Ok(when::parse(&lookup::get(engine, name)?.0.created).unwrap_or_default()) };
        for key in ["dangling", "containers", "intermediate", "readonly", "manifest"] {
            for value in filters.values(key) {
                if key != "containers" || value != "external" {
                    filter::boolean(key, value)?;
                }
            }
        }
        Ok(Self {
            filters,
            before: filters.values("before").iter().map(created).collect::<Result<_, _>>()?,
            since: filters.values("since").iter().chain(filters.values("after")).map(created).collect::<Result<_, _>>()?,
            until: filter::until(filters.values("until"))?,
        })
    }

    fn passes(&self, image: &mut Image) -> bool {
        self.filters.iter().all(|(key, values)| match key.strip_suffix('!') {
            Some("label") => !filter::has_labels(&image.record.labels, values),
            Some(key) => !self.holds(key, values, image),
            None => self.holds(key, values, image),
        })
    }

    fn holds(&self, key: &str, values: &[String], image: &mut Image) -> bool {
        let is = |actual: bool| values.iter().any(|value| filter::boolean(key, value).is_ok_and(|wanted| wanted == actual));
        match key {
            "label" => filter::has_labels(&image.record.labels, values),
            "dangling" => is(image.is_dangling()),
            "containers" => is(image.containers > 0),
            // Images that only other images are built on, and read-only stores, are not what this store has.
            "intermediate" | "readonly" | "manifest" => is(false),
            "id" => values.iter().any(|value| filter::is_id(&image.record.id, value)),
            "before" => self.before.iter().all(|moment| image.created < *moment),
            "since" | "after" => self.since.iter().all(|moment| image.created > *moment),
            "until" => self.until.is_none_or(|moment| image.created < moment),
            "reference" => {
                let exact: Vec<String> = image.record.names.iter().filter(|name| values.contains(name)).cloned().collect();
                if !exact.is_empty() {
                    image.shown = exact;
                    return true;
                }
                values.iter().any(|value| image.record.names.iter().any(|name| is_reference(name, value)) || is_whole_id(image, value))
            }
            _ => true,
        }
    }
}

fn is_whole_id(image: &Image, value: &str) -> bool {
    let value = value.strip_prefix("sha256:").unwrap_or(value);
    value.len() >= 3 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) && image.record.id.starts_with(value)
}

/// Whether a pattern (`alpine`, `*/foo`, `quay.io/*:1`) is a name, or the end of one after a slash.
fn is_reference(name: &str, pattern: &str) -> bool {
    let repository = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    };
    [name, repository].into_iter().any(|candidate| {
        let tails = candidate.match_indices('/').map(|(slash, _)| &candidate[slash + 1..]);
        std::iter::once(candidate).chain(tails).any(|tail| filter::glob(pattern, tail))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_match_whole_names_and_their_ends() {
        let name = "localhost/bar/foo:latest";
        for (pattern, expected) in
            [("foo", true), ("*/foo", true), ("bar/foo", true), ("foo:latest", true), ("f*", true), ("oo", false), ("bar", false)]
        {
            assert_eq!(is_reference(name, pattern), expected, "{pattern}");
        }
        assert!(is_reference("localhost:5000/a", "localhost:5000/a"));
    }
}
