//! `restart`.

use super::start::{StartRequest, start};
use super::stop::{self, Stopping};
use crate::engine::{Engine, Error, events};
use crate::storage::containers;

/// Asks a container to end, in order to be started again.
pub fn begin_restart(engine: &Engine, id: &str, timeout: Option<i64>) -> Result<Stopping, Error> {
    let stopping = stop::begin(engine, id, timeout)?;
    let state = containers::load_state(&engine.store, id)?;
    events::append(&engine.store, stop::event(&state, "restart"))?;
    Ok(stopping)
}

/// Starts a container that has ended, detached.
pub fn start_again(engine: &Engine, id: &str) -> Result<(), Error> {
    // Its monitor may still be telling its clients of the end.
    stop::wait_for_monitor(engine, id);
    let config = containers::load_config(&engine.store, id)?;
    start(engine, config, &StartRequest::default()).map(drop)
}
