//! The store as a whole: what it takes, what can go, and how to be rid of all of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::container::{self, Selection, stop};
use super::image::{self, Image};
use super::{Engine, Error, Options, volume};
use crate::config::Paths;
use crate::storage::{ContainerState, Status, containers, layer, remove_tree, volumes};
use crate::sys::signal;

/// A container and what it takes.
#[derive(Clone, Debug)]
pub struct ContainerUsage {
    pub state: ContainerState,
    /// Bytes it has written.
    pub size: u64,
    /// Number of its volumes.
    pub volumes: usize,
}

/// A volume and what it takes.
#[derive(Clone, Debug)]
pub struct VolumeUsage {
    pub name: String,
    /// Number of containers that use it.
    pub links: usize,
    pub size: u64,
}

/// An image and what it takes.
#[derive(Clone, Debug)]
pub struct ImageUsage {
    pub image: Image,
    /// Bytes of layers that other images have as well.
    pub shared: u64,
}

/// What `system df` counts.
#[derive(Clone, Debug)]
pub struct Usage {
    pub images: Vec<ImageUsage>,
    pub containers: Vec<ContainerUsage>,
    pub volumes: Vec<VolumeUsage>,
    /// Bytes of all images, layers that are shared counted once; and of those without a container.
    pub image_bytes: u64,
    pub unused_image_bytes: u64,
}

/// Measures the store.
pub fn usage(engine: &Engine) -> Result<Usage, Error> {
    let list = image::list(engine, &image::ListRequest::default())?;
    let size_of =
        |digest: &String| digest.parse().ok().and_then(|digest| layer::get(&engine.store, &digest)).map_or(0, |layer| layer.tar_size);
    let blobs = |image: &Image| image.size - image.record.layers.iter().map(size_of).sum::<u64>().min(image.size);
    let distinct = |chosen: &[&Image]| -> u64 {
        let layers: BTreeSet<&String> = chosen.iter().flat_map(|image| &image.record.layers).collect();
        layers.into_iter().map(size_of).sum::<u64>() + chosen.iter().map(|image| blobs(image)).sum::<u64>()
    };
    let all: Vec<&Image> = list.iter().collect();
    let active: Vec<&Image> = list.iter().filter(|image| image.containers > 0).collect();
    let (image_bytes, active_bytes) = (distinct(&all), distinct(&active));
    let shared = |image: &Image| {
        let elsewhere =
            |digest: &&String| list.iter().any(|other| other.record.id != image.record.id && other.record.layers.contains(digest));
        image.record.layers.iter().filter(elsewhere).map(size_of).sum()
    };
    let images = list.iter().map(|image| ImageUsage { shared: shared(image), image: image.clone() }).collect();
    let mut states = containers::list_states(&engine.store)?;
    container::sort_by_creation(&mut states);
    let mut counted = Vec::new();
    for state in states {
        let mounted = containers::load_config(&engine.store, &state.id).unwrap_or_default().mounts;
        let volumes = mounted.iter().filter(|mount| mount.kind == crate::storage::MountKind::Volume).count();
        let size = container::tree_size(&containers::paths(&engine.store, &state.id).upper);
        counted.push(ContainerUsage { state, size, volumes });
    }
    let uses = volume::uses(engine)?;
    let volumes = volume::list(engine, &[])?
        .into_iter()
        .map(|volume| VolumeUsage {
            links: uses.get(&volume.name).copied().unwrap_or(0),
            size: container::tree_size(&volumes::data(&engine.store, &volume.name)),
            name: volume.name,
        })
        .collect();
    Ok(Usage { images, containers: counted, volumes, image_bytes, unused_image_bytes: image_bytes - active_bytes })
}

/// What `system prune` is asked for.
#[derive(Clone, Debug, Default)]
pub struct PruneRequest {
    /// Images that no container uses, not only those without a name.
    pub all: bool,
    pub volumes: bool,
    pub filters: Vec<String>,
}

/// What `system prune` removed.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    pub containers: Vec<String>,
    pub volumes: Vec<String>,
    pub images: Vec<String>,
    pub bytes: u64,
}

/// Removes what nothing uses.
pub fn prune(engine: &Engine, request: &PruneRequest) -> Result<Pruned, Error> {
    let (stopped, mut bytes) = prune_containers(engine, &request.filters)?;
    let mut pruned = Pruned { containers: stopped, ..Pruned::default() };
    if request.volumes {
        for volume in volume::prune(engine, &request.filters)? {
            bytes += volume.size;
            pruned.volumes.push(volume.name);
        }
    }
    for image in image::prune(engine, request.all, &request.filters)? {
        bytes += image.size;
        pruned.images.push(image.id);
    }
    engine.store.sweep()?;
    Ok(Pruned { bytes, ..pruned })
}

/// Removes containers that do not run, and tells their IDs and what they had written.
pub fn prune_containers(engine: &Engine, filters: &[String]) -> Result<(Vec<String>, u64), Error> {
    for filter in filters {
        let key = filter.split('=').next().unwrap_or_default();
        if !["label", "label!", "until"].contains(&key) {
            return Err(Error::Invalid(format!("{key} is an invalid filter")));
        }
    }
    let selection = Selection { all: true, filters: filters.to_vec(), ..Selection::default() };
    containers::sweep(&engine.store)?;
    let mut ids = Vec::new();
    let mut bytes = 0;
    for selected in selection.resolve(engine)?.into_iter().flatten() {
        let Ok(state) = containers::load_state(&engine.store, &selected.id) else { continue };
        if matches!(state.status, Status::Created | Status::Exited | Status::Stopped) && !containers::is_alive(&engine.store, &state.id) {
            bytes += container::tree_size(&containers::paths(&engine.store, &state.id).upper);
            ids.push(state.id);
        }
    }
    let removed = container::remove_all(engine, &ids, &container::RemoveOptions { volumes: true, ..Default::default() })?;
    // One that others depend on stays, and one that was started meanwhile.
    Ok((removed.into_iter().filter(|removed| removed.result.is_ok()).map(|removed| removed.id).collect(), bytes))
}

/// The directories that a reset removes.
pub fn reset_paths(options: &Options) -> Result<Vec<PathBuf>, Error> {
    let paths = Paths::resolve(options.root.as_deref(), options.runroot.as_deref())?;
    Ok(vec![paths.data, paths.runtime, paths.cache])
}

/// Kills all containers and removes everything there is, from nothing but the paths: the store may be broken in any way.
pub fn reset(options: &Options) -> Result<(), Error> {
    let directories = reset_paths(options)?;
    kill_all(&directories[0].join("containers"));
    // All are tried, the first failure is reported.
    let mut failure = Ok(());
    for directory in &directories {
        let result = remove_tree(directory).map_err(Error::from);
        failure = failure.and(result);
    }
    failure
}

/// Kills what the states name, first the monitors, which would restart or record things.
fn kill_all(containers: &Path) {
    let mut running = Vec::new();
    for entry in fs::read_dir(containers).into_iter().flatten().flatten() {
        let bytes = fs::read(entry.path().join("state.json")).unwrap_or_default();
        if let Ok(state) = serde_json::from_slice::<ContainerState>(&bytes)
            && stop::is_running(&state)
            && stop::process(&state).is_some()
        {
            running.push(state);
        }
    }
    for pid in running.iter().flat_map(|state| [state.monitor_pid, state.pid]).filter(|pid| *pid > 1) {
        let _ = signal::kill(pid, 9);
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while running.iter().any(|state| stop::process(state).is_some()) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
}
