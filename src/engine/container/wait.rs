//! `wait`: until containers are in a state that is waited for.

use std::time::Duration;

use super::stop;
use crate::engine::{Engine, Error, events, journal};
use crate::monitor::{self, Streams};
use crate::storage::{self, ContainerState, Status, containers};

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The container does not run.
    Stopped,
    Status(Status),
    /// Nothing has a health check, so these never come; a container that is gone ends the wait.
    Healthy,
}

impl Condition {
    /// podman's names.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self::Status(match text {
            "stopped" => return Ok(Self::Stopped),
            "healthy" | "unhealthy" => return Ok(Self::Healthy),
            "configured" | "created" => Status::Created,
            "exited" => Status::Exited,
            "initialized" => Status::Initialized,
            "paused" => Status::Paused,
            "removing" => Status::Removing,
            "running" => Status::Running,
            "stopping" => Status::Stopping,
            _ => return Err(Error::Invalid(format!("unknown container state: {text}: invalid argument"))),
        }))
    }

    fn holds(self, state: &ContainerState) -> bool {
        match self {
            Self::Stopped => !stop::is_running(state),
            Self::Status(Status::Exited) => matches!(state.status, Status::Exited | Status::Stopped),
            Self::Status(status) => state.status == status,
            Self::Healthy => false,
        }
    }
}

/// Waits until one of `conditions` holds (none: until it does not run) and gives the exit code, or -1 where the condition is not about
/// the end. A container that is removed meanwhile ends the wait.
pub fn wait(engine: &Engine, id: &str, conditions: &[Condition], interval: Duration) -> Result<i32, Error> {
    let only_end = conditions.iter().all(|condition| matches!(condition, Condition::Stopped | Condition::Status(Status::Exited)));
    loop {
        let state = match containers::load_state(&engine.store, id) {
            Err(storage::Error::NoContainer(_)) => return Ok(code_of_removed(engine, id)),
            other => other?,
        };
        if let Some(code) = met(&state, conditions) {
            return Ok(code);
        }
        // The monitor tells of the end at once, and of its code even where the container is removed with it.
        if only_end && stop::is_running(&state) {
            let control = containers::paths(&engine.store, id).runtime.join(super::CONTROL);
            if let Ok(stream) = monitor::join(&control, Streams::NONE)
                && let Ok(code) = monitor::wait_exited(&stream)
            {
                return Ok(code);
            }
        }
        std::thread::sleep(interval);
    }
}

/// Waits for the first of several containers.
pub fn wait_first(engine: &Engine, ids: &[String], conditions: &[Condition], interval: Duration) -> Result<i32, Error> {
    loop {
        for id in ids {
            let state = match containers::load_state(&engine.store, id) {
                Err(storage::Error::NoContainer(_)) => return Ok(code_of_removed(engine, id)),
                other => other?,
            };
            if let Some(code) = met(&state, conditions) {
                return Ok(code);
            }
        }
        std::thread::sleep(interval);
    }
}

/// What `wait` says of a container in this state, if a condition holds.
fn met(state: &ContainerState, conditions: &[Condition]) -> Option<i32> {
    let conditions = if conditions.is_empty() { &[Condition::Stopped] } else { conditions };
    let condition = conditions.iter().copied().find(|condition| condition.holds(state))?;
    let ended = matches!(condition, Condition::Stopped | Condition::Status(Status::Exited));
    Some(if ended { state.exit_code } else { -1 })
}

/// The exit code of a container that is no more: the journal has it.
fn code_of_removed(engine: &Engine, id: &str) -> i32 {
    let died = |event: &events::Event| event.id == id && event.status == "died";
    journal::read(&engine.store).into_iter().rev().find(died).and_then(|event| event.exit_code).unwrap_or(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_podmans_names() {
        assert!(Condition::parse("foo").is_err_and(|error| error.to_string() == "unknown container state: foo: invalid argument"));
        let exited = ContainerState { status: Status::Exited, ..ContainerState::default() };
        for (name, holds) in [("stopped", true), ("exited", true), ("running", false), ("removing", false), ("healthy", false)] {
            assert_eq!(Condition::parse(name).is_ok_and(|condition| condition.holds(&exited)), holds, "{name}");
        }
    }
}
