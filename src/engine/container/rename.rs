//! `rename`.

use super::stop;
use crate::engine::{Engine, Error, events};
use crate::storage::containers;

/// Gives a container another name, which must be free.
pub fn rename(engine: &Engine, id: &str, name: &str) -> Result<(), Error> {
    let _lock = containers::lock(&engine.store, id)?;
    containers::rename(&engine.store, id, name)?;
    let state = containers::load_state(&engine.store, id)?;
    events::append(&engine.store, stop::event(&state, "rename"))
}
