//! Containers: creating, starting, executing in them.

mod create;
mod files;
mod idmap;
mod image;
mod launch;
mod lifecycle;
mod merge;
mod request;
mod start;
mod volumes;

pub use create::{create, now};
pub use request::{CreateRequest, EnvironmentRequest, Pull, PullPolicy, Source};
pub use start::{CONTROL, StartRequest, Started, start};

use oci_spec::runtime::BoxBuilder;

use super::{Engine, Error};
use crate::storage::{self, containers};
use crate::sys::tty::WindowSize;

/// Makes room for a container of this name, if there is one: it is stopped at once and removed.
fn replace(engine: &Engine, name: &str) -> Result<(), Error> {
    match containers::find(&engine.store, name) {
        Err(storage::Error::NoContainer(_)) => Ok(()),
        Err(other) => Err(other.into()),
        Ok(id) => Err(Error::Invalid(format!("replace of {id}"))),
    }
}

/// A terminal's size as the runtime specification has it.
fn console_size(size: WindowSize) -> Option<oci_spec::runtime::Box> {
    BoxBuilder::default().height(u64::from(size.rows)).width(u64::from(size.columns)).build().ok()
}
