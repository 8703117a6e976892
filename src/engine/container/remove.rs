//! `rm`: many containers at once, dependents first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::stop::{self, Stopping};
use crate::engine::{Engine, Error, events};
use crate::storage::{self, ContainerConfig, Namespace, NetworkMode, Status, containers, volumes};

/// How `rm` treats what is in its way.
#[derive(Clone, Debug, Default)]
pub struct RemoveOptions {
    /// Stop running containers first; a container that is gone already is no error.
    pub force: bool,
    /// Seconds until a container that is to be stopped is killed.
    pub timeout: Option<i64>,
    /// Remove anonymous volumes.
    pub volumes: bool,
    /// Remove the containers that depend on it as well.
    pub depend: bool,
}

/// What became of one container.
#[derive(Debug)]
pub struct Removed {
    pub id: String,
    pub result: Result<(), Error>,
    pub warning: Option<String>,
}

/// Threads that delete files.
const WORKERS: usize = 4;

/// Removes containers and tells what became of each, in the order given; those removed as dependents come after the one they depend on.
pub fn remove_all(engine: &Engine, ids: &[String], options: &RemoveOptions) -> Result<Vec<Removed>, Error> {
    let dependents = Dependents::of(engine)?;
    let (order, mut refused) = plan(&dependents, ids, options);
    // All are asked to end before the first is waited for.
    let stopping: Vec<(String, Result<Option<Stopping>, Error>)> =
        order.into_iter().map(|id| (id.clone(), prepare(engine, &id, options))).collect();
    let mut done = Vec::with_capacity(stopping.len());
    for (id, stopping) in stopping {
        let outcome = stopping.and_then(|stopping| stopping.map(|stopping| stopping.finish(engine)).transpose());
        let (result, warning) = match outcome {
            Ok(stopped) => (Ok(()), stopped.and_then(|stopped| stopped.warning)),
            Err(error) => (Err(error), None),
        };
        done.push(Removed { id, result, warning });
    }
    delete(engine, &mut done, options, &dependents);
    done.append(&mut refused);
    Ok(done)
}

/// The order of removal, and those that cannot be removed because something depends on them.
fn plan(dependents: &Dependents, ids: &[String], options: &RemoveOptions) -> (Vec<String>, Vec<Removed>) {
    let chosen: BTreeSet<&String> = ids.iter().collect();
    let mut order = Vec::new();
    let mut refused = Vec::new();
    for id in ids {
        let others: Vec<String> = dependents.all_of(id);
        let missing: Vec<&String> = others.iter().filter(|other| !chosen.contains(other)).collect();
        if !missing.is_empty() && !options.depend {
            let list = missing.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
            let message =
                format!("container {id} has dependent containers which must be removed before it: {list}: container already exists");
            refused.push(Removed { id: id.clone(), result: Err(Error::Invalid(message)), warning: None });
            continue;
        }
        order.push(id.clone());
        order.extend(missing.into_iter().cloned());
    }
    let mut seen = BTreeSet::new();
    order.retain(|id| seen.insert(id.clone()));
    (order, refused)
}

/// Asks a running container to end; an idle one needs nothing.
fn prepare(engine: &Engine, id: &str, options: &RemoveOptions) -> Result<Option<Stopping>, Error> {
    let state = match containers::load_state(&engine.store, id) {
        Err(storage::Error::NoContainer(_)) if options.force => return Ok(None),
        other => other?,
    };
    if !stop::is_running(&state) && !containers::is_alive(&engine.store, id) {
        return Ok(None);
    }
    if !options.force && stop::is_running(&state) {
        let status = stop::status_name(state.status);
        let message =
            format!("cannot remove container {id} as it is {status} - running or paused containers cannot be removed without force");
        return Err(Error::State { code: 2, message });
    }
    stop::begin(engine, id, options.timeout).map(Some)
}

/// Deletes what has ended, several at a time: nearly all of the work waits for the file system.
fn delete(engine: &Engine, list: &mut [Removed], options: &RemoveOptions, dependents: &Dependents) {
    let jobs: Vec<Mutex<&mut Removed>> = list.iter_mut().filter(|removed| removed.result.is_ok()).map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Ok(mut removed) = job.lock() else { continue };
            removed.result = remove_files(engine, &removed.id, options, dependents.configs.get(&removed.id));
        }
    };
    if jobs.len() < WORKERS {
        return work();
    }
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
}

fn remove_files(engine: &Engine, id: &str, options: &RemoveOptions, config: Option<&ContainerConfig>) -> Result<(), Error> {
    let gone = |error: &storage::Error| matches!(error, storage::Error::NoContainer(_));
    let _lock = match containers::lock(&engine.store, id) {
        // Its monitor has removed it (`--rm`), or another `rm`.
        Err(error) if gone(&error) => return Ok(()),
        other => other?,
    };
    let state = containers::load_state(&engine.store, id);
    if let Ok(state) = &state
        && (stop::is_running(state) || state.status == Status::Initialized)
    {
        // Somebody has started it since.
        let message =
            format!("cannot remove container {id} as it is running - running or paused containers cannot be removed without force");
        return Err(Error::State { code: 2, message });
    }
    containers::remove(&engine.store, id)?;
    if let (true, Some(config)) = (options.volumes, config) {
        for mount in config.mounts.iter().filter(|mount| mount.anonymous) {
            match volumes::users(&engine.store, &mount.source) {
                Ok(users) if users.is_empty() => match volumes::remove(&engine.store, &mount.source) {
                    Err(storage::Error::NoVolume(_)) => {}
                    other => other?,
                },
                _ => {}
            }
        }
    }
    match state {
        Ok(state) => events::append(&engine.store, stop::event(&state, "remove")),
        Err(_) => Ok(()),
    }
}

/// Which containers use namespaces of which.
struct Dependents {
    configs: HashMap<String, ContainerConfig>,
    direct: HashMap<String, Vec<String>>,
}

impl Dependents {
    fn of(engine: &Engine) -> Result<Self, Error> {
        let mut configs = HashMap::new();
        let mut direct = HashMap::<String, Vec<String>>::new();
        for id in containers::list_ids(&engine.store)? {
            // One that is damaged or going away depends on nothing.
            let Ok(config) = containers::load_config(&engine.store, &id) else { continue };
            for on in depends_on(&config) {
                let on = containers::find(&engine.store, on).unwrap_or_else(|_| on.to_owned());
                direct.entry(on).or_default().push(id.clone());
            }
            configs.insert(id, config);
        }
        Ok(Self { configs, direct })
    }

    /// Everything that depends on a container, directly or not.
    fn all_of(&self, id: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let mut queue = vec![id.to_owned()];
        while let Some(next) = queue.pop() {
            for dependent in self.direct.get(&next).into_iter().flatten() {
                if dependent != id && !found.contains(dependent) {
                    found.push(dependent.clone());
                    queue.push(dependent.clone());
                }
            }
        }
        found
    }
}

fn depends_on(config: &ContainerConfig) -> Vec<&str> {
    let namespaces = &config.namespaces;
    let mut on: Vec<&str> = [&namespaces.pid, &namespaces.ipc, &namespaces.uts, &namespaces.cgroup]
        .into_iter()
        .filter_map(|namespace| if let Namespace::Container(id) = namespace { Some(id.as_str()) } else { None })
        .collect();
    if let NetworkMode::Container(id) = &config.network.mode {
        on.push(id);
    }
    on.extend(namespaces.user_of.as_deref());
    on.sort_unstable();
    on.dedup();
    on
}
