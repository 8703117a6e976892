//! The client's side: hearing of the start, relaying a terminal or pipes, leaving.

use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Error, Streams};
use crate::sys::tty::WindowSize;
use crate::term::DetachKeys;

/// How a client takes part in a session.
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    /// The session has a terminal: the client's own is put into raw mode and its size follows.
    pub terminal: bool,
    pub streams: Streams,
    pub detach_keys: DetachKeys,
    /// Pass signals sent to the client on to the session.
    pub sig_proxy: bool,
}

/// Why a client's part is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachEnd {
    /// The session's process ended with this exit code.
    Exited(i32),
    /// The detach keys were typed: the session goes on.
    Detached,
}

/// Waits until the session's process runs and gives its PID, for a detached start. [`Error::Launch`] where it does not.
pub fn wait_started(stream: &UnixStream) -> Result<i32, Error> {
    let _ = stream;
    Err(Error::Lost)
}

/// Relays this process's standard streams, signals and window size until the session ends or the detach keys are typed.
///
/// `stream` comes from [`super::spawn`] or [`join`]. Called before the session's process runs, it waits for that, and returns
/// [`Error::Launch`] if it cannot be started.
pub fn attach(stream: UnixStream, options: &AttachOptions) -> Result<AttachEnd, Error> {
    let _ = (stream, options);
    Err(Error::Lost)
}

/// Connects to a running session's control socket as a further client for `streams` (none: to wait for its exit by [`attach`] or [`wait_exited`]).
pub fn join(control: &Path, streams: Streams) -> Result<UnixStream, Error> {
    let _ = (control, streams);
    Err(Error::Lost)
}

/// Waits for the exit code of the session behind `stream`.
pub fn wait_exited(stream: &UnixStream) -> Result<i32, Error> {
    let _ = stream;
    Err(Error::Lost)
}

/// Sets the size of a running session's terminal.
pub fn resize(control: &Path, size: WindowSize) -> Result<(), Error> {
    let _ = (control, size);
    Err(Error::Lost)
}
