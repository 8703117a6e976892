//! `start`: forks the container's monitor and, where asked, attaches to it.

use std::fs;
use std::time::Duration;

use super::create::Created;
use super::lifecycle::Container;
use crate::engine::{Engine, Error};
use crate::monitor::{self, AttachEnd, AttachOptions, LogConfig, LogDriver, Session, Streams};
use crate::storage::{ContainerConfig, Status, containers};
use crate::sys::lock::Beacon;
use crate::sys::socket;
use crate::term::DetachKeys;

/// How a start goes on for the command that asked for it.
#[derive(Clone, Debug, Default)]
pub struct StartRequest {
    /// Streams to relay until the end; none: return as soon as the container runs.
    pub streams: Streams,
    /// Wait for the end even with no stream to relay.
    pub wait: bool,
    pub sig_proxy: bool,
    pub detach_keys: DetachKeys,
}

/// What became of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It runs, with this PID.
    Running(i32),
    /// It ran before.
    AlreadyRunning,
    /// It ran to its end while this command was attached.
    Exited(i32),
    /// The detach keys were typed.
    Detached,
}

/// Starts a container that was created before.
pub fn start(engine: &Engine, config: ContainerConfig, request: &StartRequest) -> Result<Started, Error> {
    let Some(beacon) = containers::take_beacon(&engine.store, &config.id)? else {
        return Ok(Started::AlreadyRunning);
    };
    let state = containers::load_state(&engine.store, &config.id)?;
    begin(engine, Created { config, state }, beacon, request)
}

/// Starts a container that this command has just created.
pub fn start_new(engine: &Engine, created: Created, request: &StartRequest) -> Result<Started, Error> {
    match containers::take_beacon(&engine.store, &created.config.id)? {
        Some(beacon) => begin(engine, created, beacon, request),
        None => Ok(Started::AlreadyRunning),
    }
}

fn begin(engine: &Engine, created: Created, beacon: Beacon, request: &StartRequest) -> Result<Started, Error> {
    let Created { config, mut state } = created;
    let id = config.id.clone();
    state.stopped_by_user = false;
    state.restart_count = 0;
    state.status = Status::Created;
    let paths = containers::paths(&engine.store, &id);
    let control = paths.runtime.join(CONTROL);
    // What a killed monitor left there: nobody listens, since the lock is ours.
    let _ = fs::remove_file(&control);
    let listener = socket::listen(&control).map_err(Error::io("listen at", &control))?;
    let driver = LogDriver::from_name(&config.log.driver).unwrap_or_default();
    let passthrough = driver.is_passthrough();
    let terminal = config.process.terminal;
    let session = Session {
        terminal,
        size: if terminal && request.streams.any() { monitor::own_size() } else { Default::default() },
        stdin: config.process.stdin_open,
        client: None,
        streams: request.streams,
        control: Some(listener),
        log: log(&config, driver),
        timeout: (config.timeout > 0).then(|| Duration::from_secs(config.timeout)),
        preserve_fds: config.process.preserve_fds,
        error_log: Some(paths.runtime.join("monitor.log")),
    };
    let stream = monitor::spawn(passthrough, |client| {
        // The monitor's life is the container's: the lock ends with it.
        let _beacon = beacon;
        let mut container = Container::new(engine.clone(), config, state);
        monitor::supervise(Session { client: Some(client), ..session }, &mut container);
    })?;
    if !request.streams.any() && !request.wait {
        return Ok(Started::Running(monitor::wait_started(&stream)?));
    }
    let options =
        AttachOptions { terminal, streams: request.streams, detach_keys: request.detach_keys.clone(), sig_proxy: request.sig_proxy };
    match monitor::attach(stream, &options)? {
        AttachEnd::Exited(code) => Ok(Started::Exited(code)),
        AttachEnd::Detached => Ok(Started::Detached),
    }
}

/// Name of the socket in a container's runtime directory where `attach` and `wait` connect.
pub const CONTROL: &str = "control";

fn log(config: &ContainerConfig, driver: LogDriver) -> LogConfig {
    let label = |name: &String| config.labels.get(name).map(|value| (name.clone(), value.clone()));
    LogConfig {
        driver,
        path: config.log.path.clone(),
        max_size: config.log.max_size,
        id: config.id.clone(),
        name: config.name.clone(),
        tag: config.log.tag.clone(),
        labels: config.log.labels.iter().filter_map(label).collect(),
    }
}

/// Attaches to a container that runs.
pub fn attach(engine: &Engine, id: &str, request: &StartRequest) -> Result<Started, Error> {
    let config = containers::load_config(&engine.store, id)?;
    let control = containers::paths(&engine.store, id).runtime.join(CONTROL);
    let stream = monitor::join(&control, request.streams)?;
    let options = AttachOptions {
        terminal: config.process.terminal,
        streams: request.streams,
        detach_keys: request.detach_keys.clone(),
        sig_proxy: request.sig_proxy,
    };
    super::create::record(engine, &config, "attach")?;
    match monitor::attach(stream, &options)? {
        AttachEnd::Exited(code) => Ok(Started::Exited(code)),
        AttachEnd::Detached => Ok(Started::Detached),
    }
}
