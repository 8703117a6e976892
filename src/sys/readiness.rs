//! Waiting for a descriptor within an asynchronous task.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A copy of a descriptor, registered with the runtime of the current task.
#[derive(Debug)]
pub struct Readable(AsyncFd<OwnedFd>);

impl Readable {
    /// Registers a copy of `descriptor`, whose blocking mode is left as it is.
    pub fn new(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
        let copy = descriptor.try_clone_to_owned()?;
        // SAFETY: the descriptor is owned by the registration and closed after it.
        let registered = unsafe { AsyncFd::register_with_interest(copy, Interest::READABLE) };
        Ok(Self(registered.map_err(io::Error::from)?))
    }

    /// Waits until a read would not block, without keeping other tasks waiting.
    pub async fn wait(&self) -> io::Result<()> {
        loop {
            // Looked at after the readiness was cleared: what came before is not waited for again.
            let mut look = [PollFd::new(self.0.get_ref().as_fd(), PollFlags::POLLIN)];
            if poll(&mut look, PollTimeout::ZERO)? > 0 {
                return Ok(());
            }
            self.0.readable().await?.clear_ready();
        }
    }
}
