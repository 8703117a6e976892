//! Which containers there are: all of them, those that filters leave, those that a command names.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::engine::filter::{self, Filters};
use crate::engine::{Engine, Error, when};
use crate::storage::{self, ContainerConfig, ContainerState, MountKind, NetworkMode, RestartPolicy, Status, containers};

/// The keys that `--filter` takes wherever containers are chosen.
const KEYS: [&str; 19] = [
    "id",
    "label",
    "label!",
    "name",
    "exited",
    "status",
    "ancestor",
    "before",
    "since",
    "volume",
    "health",
    "until",
    "pod",
    "network",
    "restart-policy",
    "should-start-on-boot",
    "command",
    "external",
    "image",
];

/// What `ps` is asked for.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Not only those that run.
    pub all: bool,
    /// The so many created last, in any state.
    pub last: Option<usize>,
    pub filters: Vec<String>,
}

/// Containers by the time of their creation, the oldest first.
pub fn list(engine: &Engine, request: &ListRequest) -> Result<Vec<ContainerState>, Error> {
    let filter = ContainerFilter::parse(engine, &request.filters)?;
    let all = request.all || request.last.is_some() || filter.names_a_status();
    let mut states = states(engine)?;
    states.retain(|state| all || state.status == Status::Running);
    let mut chosen = filter.choose(engine, states)?;
    sort_by_creation(&mut chosen);
    if let Some(last) = request.last {
        chosen.drain(..chosen.len().saturating_sub(last));
    }
    Ok(chosen)
}

/// So many containers are worth a thread.
const PORTION: usize = 128;

/// The states of all containers. Each is a small file: with many of them the reading is shared out, since nearly all of the time goes
/// into system calls.
fn states(engine: &Engine) -> Result<Vec<ContainerState>, Error> {
    let ids = containers::list_ids(&engine.store)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(ids.len().div_ceil(PORTION)).clamp(1, 8);
    let load = |ids: &[String]| -> Result<Vec<ContainerState>, storage::Error> {
        let mut states = Vec::with_capacity(ids.len());
        for id in ids {
            match containers::load_state(&engine.store, id) {
                Ok(state) => states.push(state),
                // Removed meanwhile, or never finished.
                Err(storage::Error::NoContainer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(states)
    };
    let (first, rest) = ids.split_at(ids.len().div_ceil(threads));
    std::thread::scope(|scope| {
        let workers: Vec<_> = rest.chunks(first.len().max(1)).map(|portion| scope.spawn(move || load(portion))).collect();
        let mut states = load(first)?;
        for worker in workers {
            states.extend(worker.join().unwrap_or_else(|_| Ok(Vec::new()))?);
        }
        Ok(states)
    })
}

/// The oldest first. Times are compared as moments: a stored fraction has no fixed length.
pub fn sort_by_creation(states: &mut [ContainerState]) {
    states.sort_by_cached_key(|state| (when::parse(&state.summary.created), state.id.clone()));
}

/// How a command names the containers it works on.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub names: Vec<String>,
    pub all: bool,
    pub latest: bool,
    pub filters: Vec<String>,
    pub cidfiles: Vec<PathBuf>,
    /// Names and files that are not there are passed over.
    pub ignore: bool,
}

/// A container that a command works on.
#[derive(Clone, Debug)]
pub struct Selected {
    pub id: String,
    /// What the user called it, or the ID: commands print it when they are done.
    pub shown: String,
}

impl Selection {
    /// Resolves the selection. A name that stands for nothing gives an error of its own, in its place, so that a command can go on.
    pub fn resolve(&self, engine: &Engine) -> Result<Vec<Result<Selected, storage::Error>>, Error> {
        let by_id = |state: ContainerState| Ok(Selected { shown: state.id.clone(), id: state.id });
        if self.all || !self.filters.is_empty() {
            let filter = ContainerFilter::parse(engine, &self.filters)?;
            let mut states = filter.choose(engine, containers::list_states(&engine.store)?)?;
            sort_by_creation(&mut states);
            return Ok(states.into_iter().map(by_id).collect());
        }
        if self.latest {
            return Ok(vec![by_id(latest(engine)?)]);
        }
        let mut selected = Vec::new();
        for file in &self.cidfiles {
            match read_cidfile(file) {
                Err(_) if self.ignore => {}
                Err(error) => return Err(error),
                Ok(id) => selected.push(find(engine, &id)),
            }
        }
        selected.extend(self.names.iter().map(|name| find(engine, name)));
        if self.ignore {
            selected.retain(|result| !matches!(result, Err(storage::Error::NoContainer(_))));
        }
        Ok(selected)
    }
}

/// The container that was created last.
pub fn latest(engine: &Engine) -> Result<ContainerState, Error> {
    let mut states = containers::list_states(&engine.store)?;
    sort_by_creation(&mut states);
    states.pop().ok_or_else(|| Error::Invalid("no containers exist: no such container".into()))
}

/// The container of a name or ID.
pub fn find(engine: &Engine, name: &str) -> Result<Selected, storage::Error> {
    containers::find(&engine.store, name).map(|id| Selected { id, shown: name.to_owned() })
}

fn read_cidfile(path: &Path) -> Result<String, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().next().unwrap_or_default().trim().to_owned()),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
            Err(Error::Invalid(format!("reading CIDFile: open {}: {reason}", path.display())))
        }
    }
}

/// Filters with what they refer to looked up.
pub struct ContainerFilter {
    filters: Filters,
    until: Option<Timestamp>,
    /// Containers created before all of these …
    before: Vec<Timestamp>,
    /// … and after all of those.
    since: Vec<Timestamp>,
    exited: Vec<i32>,
    statuses: Vec<Status>,
}

impl ContainerFilter {
    pub fn parse(engine: &Engine, given: &[String]) -> Result<Self, Error> {
        let filters = Filters::parse(given, &KEYS)?;
        let until = match filters.values("until") {
            [text] => match when::moment(text, Timestamp::now()) {
                Some(moment) => Some(moment),
                None => return Err(Error::Invalid(format!("failed to parse value as time or duration: {text:?}"))),
            },
            [] => None,
            _ => return Err(Error::Invalid("specify exactly one timestamp for until".into())),
        };
        let creation = |name: &String| -> Result<Timestamp, Error> {
            let id = containers::find(&engine.store, name)?;
            Ok(when::parse(&containers::load_state(&engine.store, &id)?.summary.created).unwrap_or_default())
        };
        let before = filters.values("before").iter().map(creation).collect::<Result<_, _>>()?;
        let since = filters.values("since").iter().map(creation).collect::<Result<_, _>>()?;
        let exit_code =
            |text: &String| text.parse::<i32>().map_err(|_| Error::Invalid(format!("exited code out of range {text:?}: invalid syntax")));
        let exited = filters.values("exited").iter().map(exit_code).collect::<Result<_, _>>()?;
        let statuses = filters.values("status").iter().map(|text| status(text)).collect::<Result<_, _>>()?;
        for policy in filters.values("restart-policy") {
            let name = policy.split(':').next().unwrap_or_default();
            if !["always", "no", "never", "on-failure", "unless-stopped"].contains(&name) {
                return Err(Error::Invalid(format!("{policy} invalid restart policy")));
            }
        }
        for value in filters.values("should-start-on-boot") {
            filter::boolean("should-start-on-boot", value)?;
        }
        Ok(Self { filters, until, before, since, exited, statuses })
    }

    /// Whether the state is among what is filtered by: then `ps` shows all states.
    pub fn names_a_status(&self) -> bool {
        !self.statuses.is_empty()
    }

    /// The states that pass.
    pub fn choose(&self, engine: &Engine, states: Vec<ContainerState>) -> Result<Vec<ContainerState>, Error> {
        if self.filters.is_empty() {
            return Ok(states);
        }
        let mut chosen = Vec::new();
        for state in states {
            if self.passes(engine, &state)? {
                chosen.push(state);
            }
        }
        Ok(chosen)
    }

    fn passes(&self, engine: &Engine, state: &ContainerState) -> Result<bool, Error> {
        let created = when::parse(&state.summary.created).unwrap_or_default();
        // Only a few filters look into the configuration.
        let mut config = None;
        let mut load = || -> Result<ContainerConfig, Error> {
            if config.is_none() {
                config = Some(containers::load_config(&engine.store, &state.id)?);
            }
            Ok(config.clone().unwrap_or_default())
        };
        for (key, values) in self.filters.iter() {
            let passes = match key {
                "id" => values.iter().any(|value| filter::is_id(&state.id, value)),
                "name" => values.iter().any(|value| filter::matches(value, &state.summary.name)),
                "label" => filter::has_labels(&state.summary.labels, values),
                "label!" => !filter::has_labels(&state.summary.labels, values),
                "exited" => matches!(state.status, Status::Exited | Status::Stopped) && self.exited.contains(&state.exit_code),
                "status" => {
                    self.statuses.contains(&state.status) || state.status == Status::Stopped && self.statuses.contains(&Status::Exited)
                }
                "ancestor" | "image" => values.iter().any(|value| has_ancestor(state, value)),
                "before" => self.before.iter().all(|moment| created < *moment),
                "since" => self.since.iter().all(|moment| created > *moment),
                "until" => self.until.is_none_or(|moment| created < moment),
                "command" => values.iter().any(|value| state.summary.command.first().is_some_and(|first| filter::matches(value, first))),
                "volume" => {
                    let mounts = load()?.mounts;
                    values.iter().any(|value| mounts.iter().any(|mount| mount.kind != MountKind::Tmpfs && is_mount(mount, value)))
                }
                "network" => {
                    let mode = load()?.network.mode;
                    values.iter().any(|value| is_network(&mode, value))
                }
                "restart-policy" => {
                    let policy = load()?.restart;
                    values.iter().any(|value| is_policy(&policy, value))
                }
                "should-start-on-boot" => {
                    let policy = load()?.restart;
                    let starts = match policy {
                        RestartPolicy::Always => true,
                        RestartPolicy::UnlessStopped => !state.stopped_by_user,
                        RestartPolicy::No | RestartPolicy::OnFailure(_) => false,
                    };
                    values.iter().any(|value| filter::boolean(key, value).is_ok_and(|wanted| wanted == starts))
                }
                // Containers have no pod and no health check.
                _ => false,
            };
            if !passes {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn status(text: &str) -> Result<Status, Error> {
    Ok(match text {
        "created" => Status::Created,
        "initialized" => Status::Initialized,
        "running" => Status::Running,
        "paused" => Status::Paused,
        "stopping" => Status::Stopping,
        "stopped" | "exited" => Status::Exited,
        "removing" => Status::Removing,
        _ => return Err(Error::Invalid(format!("unknown container state: {text}: invalid argument"))),
    })
}

fn has_ancestor(state: &ContainerState, value: &str) -> bool {
    let image = &state.summary.image;
    let without_latest = image.strip_suffix(":latest").unwrap_or(image);
    state.summary.image_id == value || filter::matches(value, image) || filter::matches(value, without_latest)
}

fn is_mount(mount: &storage::Mount, value: &str) -> bool {
    mount.source == value || mount.source.trim_end_matches('/') == value.trim_end_matches('/') && !value.is_empty()
}

fn is_network(mode: &NetworkMode, value: &str) -> bool {
    match mode {
        NetworkMode::Host => value == "host",
        NetworkMode::None => value == "none",
        NetworkMode::Container(id) => value.strip_prefix("container:").is_some_and(|prefix| !prefix.is_empty() && id.starts_with(prefix)),
        NetworkMode::Pasta | NetworkMode::Slirp4netns | NetworkMode::Path(_) => false,
    }
}

fn is_policy(policy: &RestartPolicy, value: &str) -> bool {
    let (name, retries) = value.split_once(':').map_or((value, None), |(name, retries)| (name, retries.parse::<u32>().ok()));
    match policy {
        RestartPolicy::No => matches!(name, "no" | "never"),
        RestartPolicy::Always => name == "always",
        RestartPolicy::UnlessStopped => name == "unless-stopped",
        RestartPolicy::OnFailure(limit) => name == "on-failure" && retries.is_none_or(|retries| retries == *limit),
    }
}

/// The orders of `ps --sort`.
pub fn compare(key: &str, one: &ContainerState, other: &ContainerState) -> Ordering {
    let (a, b) = (&one.summary, &other.summary);
    match key {
        "command" => a.command.cmp(&b.command),
        "id" => one.id.cmp(&other.id),
        "image" => a.image.cmp(&b.image),
        "names" => a.name.cmp(&b.name),
        "runningfor" => when::parse(&other.started).cmp(&when::parse(&one.started)),
        "status" => (one.status as u8).cmp(&(other.status as u8)),
        _ => when::parse(&a.created).cmp(&when::parse(&b.created)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ancestor_is_an_image_id_or_a_pattern_of_its_name() {
        let mut state = ContainerState::default();
        state.summary.image = "localhost/busybox:latest".into();
        state.summary.image_id = "277c81beb4b8".into();
        for (value, expected) in [("busybox", true), ("busybox$", true), ("277c81beb4b8", true), ("277c", false), ("alpine", false)] {
            assert_eq!(has_ancestor(&state, value), expected, "{value}");
        }
    }

    #[test]
    fn restart_policies_match_with_and_without_retries() {
        assert!(is_policy(&RestartPolicy::OnFailure(3), "on-failure"));
        assert!(is_policy(&RestartPolicy::OnFailure(3), "on-failure:3"));
        assert!(!is_policy(&RestartPolicy::OnFailure(3), "on-failure:2"));
        assert!(is_policy(&RestartPolicy::No, "no"));
    }
}
