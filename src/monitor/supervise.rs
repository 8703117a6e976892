//! The monitor's process.

use std::os::unix::net::UnixStream;

use super::{Error, Lifecycle, Session};

/// Forks the monitor: `body` runs in it, in a session of its own, with /dev/null as standard streams (unless `keep_stdio`,
/// for the passthrough drivers), and ends in [`supervise`] with the stream it is given as [`Session::client`].
/// Returns the client's end for [`super::attach`] or [`super::wait_started`].
pub fn spawn(keep_stdio: bool, body: impl FnOnce(UnixStream)) -> Result<UnixStream, Error> {
    let _ = (keep_stdio, body);
    Err(Error::Lost)
}

/// Launches the session's process and stays with it to its end. To be called in the process made by [`spawn`].
pub fn supervise(session: Session, lifecycle: &mut dyn Lifecycle) {
    let _ = (session, lifecycle);
}
