//! Ending containers: `stop`, `kill`, and what `rm -f` and `restart` do first.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::engine::events::{self, Event};
use crate::engine::{Engine, Error};
use crate::spec::signal as names;
use crate::storage::{self, ContainerState, Status, containers};
use crate::sys::poll::{self, Interest};
use crate::sys::{clone, signal};

const KILL: i32 = 9;
const TERMINATE: i32 = 15;
/// How long a killed container may take to be gone: the kernel has to tear down its memory and mounts, and the monitor to say so.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a monitor may take to tell its clients of the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// A container that has been asked to end. All of a command's containers are asked before the first is waited for.
#[derive(Debug)]
pub struct Stopping {
    id: String,
    name: String,
    /// None: it did not run.
    process: Option<Running>,
}

#[derive(Debug)]
struct Running {
    pidfd: Option<OwnedFd>,
    monitor: i32,
    signal: i32,
    /// When it is killed; `None` waits for ever.
    deadline: Option<Instant>,
    seconds: i64,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// It did not heed the signal in time and was killed: what podman warns of.
    pub warning: Option<String>,
    /// It did run before.
    pub was_running: bool,
}

/// Asks a container to end by its stop signal; one that does not run is left as it is. `timeout` in seconds replaces the container's
/// own; negative waits for ever, 0 kills at once.
pub fn begin(engine: &Engine, id: &str, timeout: Option<i64>) -> Result<Stopping, Error> {
    let _lock = containers::lock(&engine.store, id)?;
    let mut state = started_or_idle(engine, id)?;
    let name = state.summary.name.clone();
    let idle = Stopping { id: id.to_owned(), name: name.clone(), process: None };
    // A monitor that waits to restart its container is to be ended, too.
    if !is_running(&state) && !containers::is_alive(&engine.store, id) {
        if state.status == Status::Created {
            return Ok(idle);
        }
        if !state.stopped_by_user {
            state.stopped_by_user = true;
            containers::save_state(&engine.store, &state)?;
        }
        return Ok(idle);
    }
    let config = containers::load_config(&engine.store, id)?;
    let seconds = timeout.unwrap_or(config.stop_timeout);
    let stop_signal = if seconds == 0 { KILL } else { config.stop_signal };
    state.stopped_by_user = true;
    if is_running(&state) {
        state.status = Status::Stopping;
    }
    containers::save_state(&engine.store, &state)?;
    let pidfd = process(&state);
    match &pidfd {
        Some(pidfd) => send(pidfd, stop_signal)?,
        None if state.monitor_pid > 0 && !is_running(&state) => drop(signal::kill(state.monitor_pid, TERMINATE)),
        None => {}
    }
    let deadline = u64::try_from(seconds).ok().map(|seconds| Instant::now() + Duration::from_secs(seconds));
    Ok(Stopping { process: Some(Running { pidfd, monitor: state.monitor_pid, signal: stop_signal, deadline, seconds }), ..idle })
}

impl Stopping {
    /// Waits until the container is gone, and kills it when its time is up.
    pub fn finish(self, engine: &Engine) -> Result<Stopped, Error> {
        let Some(running) = self.process else { return Ok(Stopped::default()) };
        let mut warning = None;
        if let Some(pidfd) = &running.pidfd {
            let exited = |timeout| poll::ready([Some((pidfd.as_fd(), Interest::READ))], timeout).is_ok_and(|[ready]| ready);
            let in_time = match running.deadline {
                Some(deadline) => wait_until(deadline, exited),
                None => wait_until(Instant::now() + Duration::from_secs(u32::MAX.into()), exited),
            };
            if !in_time {
                if running.signal != KILL {
                    warning = Some(format!(
                        "StopSignal {} failed to stop container {} in {} seconds, resorting to SIGKILL",
                        names::name(running.signal),
                        self.name,
                        running.seconds
                    ));
                }
                send(pidfd, KILL)?;
            }
            if !wait_until(Instant::now() + PATIENCE, exited) {
                return Err(Error::State { code: 125, message: format!("container {} did not end after SIGKILL", self.id) });
            }
        }
        settle(engine, &self.id, running.monitor)?;
        Ok(Stopped { warning, was_running: true })
    }
}

/// Sends a signal to a running container.
pub fn kill(engine: &Engine, id: &str, number: i32) -> Result<(), Error> {
    let lock = containers::lock(&engine.store, id)?;
    let mut state = containers::load_state(&engine.store, id)?;
    let Some(pidfd) = process(&state).filter(|_| is_running(&state)) else {
        let message = format!("can only kill running containers. {id} is in state {}", status_name(state.status));
        return Err(Error::State { code: 125, message });
    };
    state.stopped_by_user = true;
    containers::save_state(&engine.store, &state)?;
    send(&pidfd, number)?;
    record(engine, id, "kill")?;
    drop(lock);
    if number == KILL && poll::ready([Some((pidfd.as_fd(), Interest::READ))], Some(PATIENCE)).is_ok_and(|[ready]| ready) {
        settle(engine, id, state.monitor_pid)?;
    }
    Ok(())
}

/// The state, of a container that is being started a moment later.
fn started_or_idle(engine: &Engine, id: &str) -> Result<ContainerState, Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = containers::load_state(&engine.store, id)?;
        let starting = state.status == Status::Created && containers::is_alive(&engine.store, id);
        if !starting || Instant::now() >= deadline {
            return Ok(state);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether there is a process of the container's.
pub fn is_running(state: &ContainerState) -> bool {
    matches!(state.status, Status::Running | Status::Paused | Status::Stopping | Status::Initialized)
}

/// A status as podman writes it.
pub fn status_name(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Initialized => "initialized",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Stopping => "stopping",
        Status::Stopped => "stopped",
        Status::Exited => "exited",
        Status::Removing => "removing",
    }
}

/// The container's first process, unless its number has been given to another since.
pub fn process(state: &ContainerState) -> Option<OwnedFd> {
    if state.pid <= 0 {
        return None;
    }
    let pidfd = clone::open_process(state.pid).ok()?;
    (state.pid_start == 0 || start_time(state.pid) == Some(state.pid_start)).then_some(pidfd)
}

/// Field 22 of /proc/PID/stat, proc_pid_stat(5).
fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn send(pidfd: &OwnedFd, number: i32) -> Result<(), Error> {
    match signal::kill_pidfd(pidfd.as_fd(), number) {
        // It has ended by itself meanwhile.
        Err(error) if error.raw_os_error() == Some(3) => Ok(()),
        other => other.map_err(Error::io("signal", "the container's process")),
    }
}

/// Calls `ready` with what is left of the time until it says yes; an interrupted wait goes on.
fn wait_until(deadline: Instant, mut ready: impl FnMut(Option<Duration>) -> bool) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if ready(Some(left)) {
            return true;
        }
        if left.is_zero() {
            return false;
        }
    }
}

/// Waits for the monitor to record the end of a container whose process is gone, or to be gone itself.
fn settle(engine: &Engine, id: &str, monitor: i32) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    let monitor = if monitor > 0 { clone::open_process(monitor).ok() } else { None };
    loop {
        match containers::load_state(&engine.store, id) {
            Ok(state) if is_running(&state) => {}
            Ok(_) | Err(storage::Error::NoContainer(_)) => break,
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            return Err(Error::State { code: 125, message: format!("the monitor of container {id} does not record its end") });
        }
        match &monitor {
            // The end of the monitor ends the pause early.
            Some(monitor) => drop(poll::ready([Some((monitor.as_fd(), Interest::READ))], Some(pause))),
            None => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    // What follows (`start`, `rm`) finds the container free.
    if let Some(monitor) = &monitor {
        let _ = poll::ready([Some((monitor.as_fd(), Interest::READ))], Some(FAREWELL));
    }
    Ok(())
}

/// Waits until the monitor of a container that has ended is gone, unless a client that does not read holds it up.
pub fn wait_for_monitor(engine: &Engine, id: &str) {
    let deadline = Instant::now() + FAREWELL;
    while containers::is_alive(&engine.store, id) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn record(engine: &Engine, id: &str, status: &str) -> Result<(), Error> {
    let Ok(state) = containers::load_state(&engine.store, id) else { return Ok(()) };
    events::append(&engine.store, event(&state, status))
}

/// An event of a container, as far as its state tells.
pub fn event(state: &ContainerState, status: &str) -> Event {
    Event {
        kind: "container".into(),
        status: status.into(),
        id: state.id.clone(),
        name: state.summary.name.clone(),
        image: state.summary.image.clone(),
        attributes: state.summary.labels.clone(),
        ..Event::default()
    }
}
