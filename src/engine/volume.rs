//! Volumes: making, listing, removing them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::container::{self, RemoveOptions};
use super::events::{self, Event};
use super::filter::{self, Filters};
use super::{Engine, Error, when};
use crate::storage::volumes::{self, VolumeRecord};
use crate::storage::{self, MountKind, containers};
use crate::sys::host;

/// What `volume create` is asked for.
#[derive(Clone, Debug, Default)]
pub struct CreateRequest {
    /// Random digits where there is none.
    pub name: Option<String>,
    pub driver: String,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
    /// One that is there already will do.
    pub ignore: bool,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// Options of the driver `local`, and those of them that are podman's own.
const OPTIONS: [&str; 8] = ["type", "o", "device", "noquota", "nocopy", "copy", "SIZE", "INODES"];

/// Makes a volume and gives its name.
pub fn create(engine: &Engine, request: CreateRequest) -> Result<String, Error> {
    let name = match &request.name {
        Some(name) => name.clone(),
        None => {
            let mut bytes = [0; 32];
            host::random(&mut bytes).map_err(Error::io("read random bytes from", "the kernel"))?;
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        }
    };
    if containers::check_name(&name).is_err() {
        return Err(Error::Invalid("running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument".into()));
    }
    if !matches!(request.driver.as_str(), "" | "local") {
        return Err(Error::Invalid(format!(
            "volume {name} uses volume plugin {0} but it could not be retrieved: no volume plugin with name {0} available: required plugin missing",
            request.driver
        )));
    }
    if let Some(unknown) = request.options.keys().find(|key| !OPTIONS.contains(&key.as_str())) {
        return Err(Error::Invalid(format!("invalid mount option {unknown} for driver 'local': invalid argument")));
    }
    let record = VolumeRecord {
        name: name.clone(),
        driver: "local".into(),
        created: events::now(),
        labels: request.labels,
        options: request.options,
        uid: request.uid,
        gid: request.gid,
        needs_copy_up: true,
        needs_chown: true,
        ..VolumeRecord::default()
    };
    match volumes::create(&engine.store, &record) {
        Err(storage::Error::VolumeExists(_)) if request.ignore => return Ok(name),
        other => other?,
    }
    record_event(engine, "create", &name)?;
    Ok(name)
}

fn record_event(engine: &Engine, status: &str, name: &str) -> Result<(), Error> {
    events::append(&engine.store, Event { kind: "volume".into(), status: status.into(), name: name.into(), ..Event::default() })
}

/// A volume as `volume inspect` prints it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename = "*types.VolumeListReport", rename_all = "PascalCase")]
pub struct Volume {
    pub name: String,
    pub driver: String,
    pub mountpoint: String,
    pub created_at: super::inspect::Time,
    pub labels: BTreeMap<String, String>,
    pub scope: &'static str,
    pub options: BTreeMap<String, String>,
    #[serde(rename = "UID", skip_serializing_if = "is_zero")]
    pub uid: u32,
    #[serde(rename = "GID", skip_serializing_if = "is_zero")]
    pub gid: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
    pub mount_count: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub needs_copy_up: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub needs_chown: bool,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Volume {
    fn of(engine: &Engine, record: VolumeRecord) -> Self {
        Self {
            mountpoint: volumes::data(&engine.store, &record.name).display().to_string(),
            driver: if record.driver.is_empty() { "local".into() } else { record.driver },
            name: record.name,
            created_at: super::inspect::Time(record.created),
            labels: record.labels,
            scope: "local",
            options: record.options,
            uid: record.uid.unwrap_or(0),
            gid: record.gid.unwrap_or(0),
            anonymous: record.anonymous,
            mount_count: 0,
            needs_copy_up: record.needs_copy_up,
            needs_chown: record.needs_chown,
        }
    }
}

/// The volume of a name, or of the unique beginning of one.
pub fn inspect(engine: &Engine, name: &str) -> Result<Volume, Error> {
    Ok(Volume::of(engine, volumes::find(&engine.store, name)?))
}

const KEYS: [&str; 12] = ["name", "label", "label!", "dangling", "driver", "opt", "scope", "until", "since", "after", "anonymous", "all"];

/// Volumes that pass the filters, those made first first.
pub fn list(engine: &Engine, filters: &[String]) -> Result<Vec<Volume>, Error> {
    let records = choose(engine, filters, &KEYS[..10])?;
    Ok(records.into_iter().map(|record| Volume::of(engine, record)).collect())
}

fn choose(engine: &Engine, given: &[String], keys: &[&str]) -> Result<Vec<VolumeRecord>, Error> {
    for filter in given {
        match filter.split_once('=') {
            None => return Err(Error::Invalid(format!("filter input must be in the form of filter=value: {filter} is invalid"))),
            Some((key, _)) if !keys.contains(&key) => return Err(Error::Invalid(format!("{key:?} is an invalid volume filter"))),
            Some(_) => {}
        }
    }
    let filters = Filters::parse(given, keys)?;
    let until = filter::until(filters.values("until"))?;
    let created =
        |name: &String| -> Result<Timestamp, Error> { Ok(when::parse(&volumes::find(&engine.store, name)?.created).unwrap_or_default()) };
    let since = filters.values("since").iter().chain(filters.values("after")).map(created).collect::<Result<Vec<_>, _>>()?;
    for value in filters.values("dangling") {
        filter::boolean("dangling", value)?;
    }
    let used = used(engine)?;
    let mut records = volumes::list(&engine.store)?;
    records.sort_by_cached_key(|record| (when::parse(&record.created), record.name.clone()));
    records.retain(|record| {
        let moment = when::parse(&record.created).unwrap_or_default();
        filters.iter().all(|(key, values)| match key {
            "name" => values.iter().any(|value| filter::matches(value, &record.name)),
            "label" => filter::has_labels(&record.labels, values),
            "label!" => !filter::has_labels(&record.labels, values),
            "dangling" => {
                values.iter().any(|value| filter::boolean(key, value).is_ok_and(|wanted| wanted != used.contains_key(&record.name)))
            }
            "driver" => values.iter().any(|value| value == "local"),
            "scope" => values.iter().any(|value| value == "local"),
            "opt" => values.iter().any(|value| {
                let (name, content) = value.split_once('=').map_or((value.as_str(), None), |(name, content)| (name, Some(content)));
                record.options.get(name).is_some_and(|actual| content.is_none_or(|content| content == actual))
            }),
            "until" => until.is_none_or(|until| moment < until),
            "since" | "after" => since.iter().all(|since| moment > *since),
            "anonymous" => values.iter().any(|value| filter::boolean(key, value).is_ok_and(|wanted| wanted == record.anonymous)),
            _ => true,
        })
    });
    Ok(records)
}

/// Which containers use which volume.
fn used(engine: &Engine) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut used = BTreeMap::<String, Vec<String>>::new();
    for id in containers::list_ids(&engine.store)? {
        let Ok(config) = containers::load_config(&engine.store, &id) else { continue };
        for mount in config.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
            used.entry(mount.source.clone()).or_default().push(id.clone());
        }
    }
    Ok(used)
}

/// How many containers use each volume, for `system df`.
pub fn uses(engine: &Engine) -> Result<BTreeMap<String, usize>, Error> {
    Ok(used(engine)?.into_iter().map(|(name, users)| (name, users.len())).collect())
}

/// Removes a volume; with `force` the containers that use it as well.
pub fn remove(engine: &Engine, name: &str, force: bool, timeout: Option<i64>) -> Result<String, Error> {
    let name = volumes::find(&engine.store, name)?.name;
    let users = volumes::users(&engine.store, &name)?;
    if !users.is_empty() {
        if !force {
            return Err(storage::Error::VolumeInUse { name, containers: users }.into());
        }
        let options = RemoveOptions { force: true, timeout, volumes: false, depend: true };
        container::remove_all(engine, &users, &options)?.into_iter().try_for_each(|removed| removed.result)?;
    }
    volumes::remove(&engine.store, &name)?;
    record_event(engine, "remove", &name)?;
    Ok(name)
}

/// The volumes that no container uses and that pass the filters.
pub fn unused(engine: &Engine, filters: &[String]) -> Result<Vec<String>, Error> {
    let used = used(engine)?;
    let mut names: Vec<String> = choose(engine, filters, &KEYS)?.into_iter().map(|record| record.name).collect();
    names.retain(|name| !used.contains_key(name));
    Ok(names)
}

/// A volume that was pruned.
#[derive(Clone, Debug)]
pub struct Pruned {
    pub name: String,
    pub size: u64,
}

/// Removes the volumes that no container uses and that pass the filters.
pub fn prune(engine: &Engine, filters: &[String]) -> Result<Vec<Pruned>, Error> {
    containers::sweep(&engine.store)?;
    let mut pruned = Vec::new();
    for name in unused(engine, filters)? {
        let size = container::tree_size(&volumes::data(&engine.store, &name));
        match remove(engine, &name, false, None) {
            Ok(name) => pruned.push(Pruned { name, size }),
            // A container has come to use it, or someone else has removed it.
            Err(Error::Storage(storage::Error::VolumeInUse { .. } | storage::Error::NoVolume(_))) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(pruned)
}
