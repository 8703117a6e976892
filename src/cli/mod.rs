//! The command line: one file per verb, each an `Args` struct (its doc comments are the help) and a `run` function.
//!
//! A verb's flags are defined only when that verb is called (`defer`): a start must not pay for the other sixty.

mod attach;
mod completion;
mod container;
mod container_flags;
mod create;
mod doctor;
mod error;
mod events;
mod exec;
mod flags;
mod globals;
mod human;
mod image;
mod info;
mod inspect;
mod kill;
mod logs;
mod man;
mod output;
mod port;
mod progress;
mod ps;
mod rename;
mod restart;
mod rm;
mod roles;
mod run;
mod several;
mod start;
mod stop;
mod system;
mod table;
mod template;
mod top;
mod unshare;
mod usage;
mod verbs;
mod version;
mod volume;
mod wait;

pub use error::CliError;
pub use globals::Globals;

use std::process::ExitCode;

/// Runs the program: a role of ours (`roles`) or a command of the user's.
pub fn main() -> ExitCode {
    if let Some(status) = roles::dispatch() {
        return status;
    }
    let matches = match verbs::command().try_get_matches() {
        Ok(matches) => matches,
        Err(usage) => return error::usage(&usage),
    };
    verbs::dispatch(&matches).unwrap_or_else(|failure| error::report(&failure))
}
