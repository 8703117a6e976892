//! One supervising process per container or exec session: standard streams or a terminal, logs, exit status, clients
//! that attach, restarts.
//!
//! The command that starts a session forks its monitor ([`spawn`]) and is from then on a client like any other
//! ([`attach`], [`wait_started`]); killing it changes nothing for the session. The monitor ([`supervise`]) launches
//! the process through the caller's [`Lifecycle`], relays, logs, and leaves with the process. It is one thread that
//! waits in epoll, takes signals from a signalfd, allocates its buffers on demand and gives them back when idle.
//!
//! Killing the monitor kills what it supervises: the runtime makes the first process die with its parent
//! (PR_SET_PDEATHSIG), since nobody else would read its output or learn its exit status.

mod attach;
mod client;
mod clients;
mod error;
mod log;
mod protocol;
mod session;
mod spawn;
mod stdio;
mod supervise;

pub use attach::{AttachEnd, AttachOptions, attach, own_size};
pub use client::{join, resize, wait_exited, wait_started};
pub use error::Error;
pub use log::{Entry as LogEntry, LogQuery, LogSource, read_logs};
pub use session::{After, ChildStdio, ExitStatus, LaunchError, Launched, Lifecycle, LogConfig, LogDriver, Session, Streams};
pub use spawn::spawn;
pub use supervise::supervise;

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
