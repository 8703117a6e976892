//! Containers: creating, starting, executing in them.

mod composed_root;
mod copy_up;
mod create;
mod exec;
mod files;
mod idmap;
mod image;
mod launch;
mod lifecycle;
mod list;
mod logs;
mod merge;
mod network;
mod ports;
pub mod processes;
mod remove;
mod rename;
mod request;
mod restart;
mod start;
pub mod stop;
mod usage;
mod volumes;
mod wait;
mod workdir;

pub use create::{Created, create, now};
pub use exec::{ExecRequest, Executed, exec, sessions};
pub use list::{ListRequest, Selected, Selection, compare, find, latest, list, sort_by_creation};
pub use logs::{LogContainer, log_of};
pub use ports::{describe as describe_ports, exposed_ports, single_ports};
pub use remove::{RemoveOptions, Removed, remove_all};
pub use rename::rename;
pub use request::{CreateRequest, EnvironmentRequest, Pull, PullPolicy, Source};
pub use restart::{begin_restart, start_again};
pub use start::{CONTROL, StartRequest, Started, attach, start, start_new};

pub use usage::{size, tree as tree_size};
pub use wait::{Condition, wait, wait_first};

use oci_spec::runtime::BoxBuilder;

use super::{Engine, Error};
use crate::storage::{self, containers};
use crate::sys::tty::WindowSize;

/// Makes room for a container of this name, if there is one: it is stopped at once and removed.
fn replace(engine: &Engine, name: &str) -> Result<(), Error> {
    match containers::find(&engine.store, name) {
        Err(storage::Error::NoContainer(_)) => Ok(()),
        Err(other) => Err(other.into()),
        Ok(id) => {
            let options = RemoveOptions { force: true, timeout: Some(0), volumes: true, depend: false };
            remove_all(engine, &[id], &options)?.into_iter().try_for_each(|removed| removed.result)
        }
    }
}

/// A terminal's size as the runtime specification has it.
fn console_size(size: WindowSize) -> Option<oci_spec::runtime::Box> {
    BoxBuilder::default().height(u64::from(size.rows)).width(u64::from(size.columns)).build().ok()
}
