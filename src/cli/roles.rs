//! Programs of ours that are this same binary under another argv[0]: the workers that need an exec of their own.

use std::process::ExitCode;

use crate::storage::{self, layer};

/// Runs the role that argv[0] names; `None` for a user's command.
pub fn dispatch() -> Option<ExitCode> {
    let name = std::env::args_os().next()?;
    match name.to_str()? {
        storage::TASK_ROLE => Some(storage::task_main()),
        layer::UNPACK_ROLE => Some(layer::unpack_main()),
        _ => None,
    }
}
