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

mod client;
mod error;
mod session;
mod supervise;

pub use client::{AttachEnd, AttachOptions, attach, join, resize, wait_exited, wait_started};
pub use error::Error;
pub use session::{After, ChildStdio, ExitStatus, LaunchError, Launched, Lifecycle, LogConfig, LogDriver, Session, Streams};
pub use supervise::{spawn, supervise};
