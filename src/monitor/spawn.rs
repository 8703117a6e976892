//! The fork that makes a monitor.

use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Error;
use crate::sys::{signal, stream, supervisor};

/// Forks the monitor: `body` runs in it, in a session of its own at `/`, and ends in [`super::supervise`] with the stream it is
/// given as [`super::Session::client`]. Returns the client's end for [`super::attach`] or [`super::wait_started`].
///
/// Its standard streams are /dev/null, unless `keep_stdio` leaves the client's for a passthrough log driver. The caller must have
/// one thread only. Descriptors the caller holds (the lock of a container …) are held by the monitor too: drop the caller's.
pub fn spawn(keep_stdio: bool, body: impl FnOnce(UnixStream)) -> Result<UnixStream, Error> {
    let (ours, theirs) = UnixStream::pair().map_err(Error::Spawn)?;
    if supervisor::fork().map_err(Error::Spawn)?.is_some() {
        return Ok(ours);
    }
    drop(ours);
    supervisor::new_session();
    // Not to keep the file system of the caller's directory busy; every path of a container is absolute.
    let _ = std::env::set_current_dir("/");
    // A log that reaches the user's file size limit is an error to report, not the end of the container.
    signal::ignore(libc::SIGXFSZ);
    if !keep_stdio {
        // A command substitution around the client waits until nobody has its pipe any more. Without /dev/null: a host so poor
        // that nothing will start, which the launch will say.
        let _ = stream::silence_stdio();
    }
    // A panic must not unwind into the frames of the client that were copied by the fork.
    let ended = catch_unwind(AssertUnwindSafe(|| body(theirs)));
    supervisor::exit_now(if ended.is_ok() { 0 } else { 125 })
}
