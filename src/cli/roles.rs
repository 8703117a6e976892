//! Programs of ours that are this same binary under another argv[0]: the workers that need an exec of their own.

use std::process::ExitCode;

/// Runs the role that argv[0] names; `None` for a user's command.
pub fn dispatch() -> Option<ExitCode> {
    None
}
