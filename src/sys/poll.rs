//! Waiting for descriptors: epoll for a long-lived process, poll for a client that also has regular files.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// What to wait for on a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
}

impl Interest {
    pub const NONE: Self = Self { read: false, write: false };
    pub const READ: Self = Self { read: true, write: false };
    pub const WRITE: Self = Self { read: false, write: true };

    fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// What became ready.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The number the descriptor was registered under.
    pub token: u64,
    /// Data, a connection, the end of the stream, or an error that a read will report.
    pub readable: bool,
    pub writable: bool,
    /// The other side is gone altogether.
    pub hangup: bool,
}

/// An epoll instance.
#[derive(Debug)]
pub struct Poll(Epoll);

/// A descriptor's place in a [`Poll`]. One without interest is taken out, since epoll always reports a hang-up otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Registration {
    token: u64,
    interest: Interest,
}

impl Registration {
    /// A descriptor that is not waited for yet.
    pub fn new(token: u64) -> Self {
        Self { token, interest: Interest::NONE }
    }

    pub fn token(&self) -> u64 {
        self.token
    }
}

impl Poll {
    pub fn new() -> io::Result<Self> {
        Ok(Self(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// Waits for `interest` on `fd` from now on.
    pub fn set(&self, fd: BorrowedFd<'_>, registration: &mut Registration, interest: Interest) -> io::Result<()> {
        if registration.interest == interest {
            return Ok(());
        }
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, interest.read);
        flags.set(EpollFlags::EPOLLOUT, interest.write);
        let mut event = EpollEvent::new(flags, registration.token);
        if interest.is_none() {
            self.0.delete(fd)?;
        } else if registration.interest.is_none() {
            self.0.add(fd, event)?;
        } else {
            self.0.modify(fd, &mut event)?;
        }
        registration.interest = interest;
        Ok(())
    }

    /// Waits until something is ready or `timeout` is over (`None`: for ever) and gives the ready ones, at most 8 at a time.
    /// An interruption by a signal or by SIGSTOP/SIGCONT gives none.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<impl Iterator<Item = Event> + use<>> {
        let mut events = [EpollEvent::empty(); 8];
        let count = self.0.wait(&mut events, EpollTimeout::try_from(milliseconds(timeout)).unwrap_or(EpollTimeout::NONE));
        Self::collect(events, count)
    }

    /// The same for a wait that is likely to be long: it holds as little memory as can be, which makes the next steps a bit slower.
    pub fn wait_idle(&self, timeout: Option<Duration>) -> io::Result<impl Iterator<Item = Event> + use<>> {
        let mut events = [EpollEvent::empty(); 8];
        let count = super::idle::epoll_wait(self.0.0.as_fd(), &mut events, milliseconds(timeout));
        Self::collect(events, count)
    }

    fn collect(events: [EpollEvent; 8], count: Result<usize, Errno>) -> io::Result<impl Iterator<Item = Event> + use<>> {
        let count = match count {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(events.into_iter().take(count).map(|event| {
            let flags = event.events();
            let over = EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
            Event {
                token: event.data(),
                readable: flags.intersects(EpollFlags::EPOLLIN | over),
                writable: flags.contains(EpollFlags::EPOLLOUT),
                hangup: flags.intersects(over),
            }
        }))
    }
}

/// As epoll counts: -1 is for ever. Rounded up, or the last millisecond before a deadline would be a busy loop.
fn milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |timeout| i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX))
}

/// Waits until one of `fds` is ready for its interest, or over, and tells which are. Unlike epoll this takes regular files, which
/// are always ready. `None` and an interest in nothing are never ready. An interruption by a signal gives none.
pub fn ready<const N: usize>(fds: [Option<(BorrowedFd<'_>, Interest)>; N], timeout: Option<Duration>) -> io::Result<[bool; N]> {
    let mut polled = Vec::with_capacity(N);
    for (fd, interest) in fds.iter().flatten().filter(|(_, interest)| !interest.is_none()) {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLIN, interest.read);
        flags.set(PollFlags::POLLOUT, interest.write);
        polled.push(PollFd::new(fd.as_fd(), flags));
    }
    let timeout = timeout.map_or(PollTimeout::NONE, |timeout| PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX));
    match nix::poll::poll(&mut polled, timeout) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok([false; N]),
        Err(error) => return Err(error.into()),
    }
    let mut results = polled.iter().map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
    Ok(fds.map(|fd| fd.is_some_and(|(_, interest)| !interest.is_none()) && results.next().unwrap_or(false)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_descriptor_without_interest_is_not_reported_even_when_hung_up() {
        let poll = Poll::new().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut registration = Registration::new(7);
        poll.set(ours.as_fd(), &mut registration, Interest::READ).unwrap();
        theirs.write_all(b"x").unwrap();
        drop(theirs);
        let event = poll.wait(None).unwrap().next().unwrap();
        assert!(event.token == 7 && event.readable && event.hangup && !event.writable);
        poll.set(ours.as_fd(), &mut registration, Interest::NONE).unwrap();
        assert!(poll.wait(Some(Duration::from_millis(1))).unwrap().next().is_none());
    }

    #[test]
    fn regular_files_are_always_ready_and_uninteresting_ones_never() {
        let file = tempfile::tempfile().unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let fds = [
            Some((ours.as_fd(), Interest::READ)),
            None,
            Some((file.as_fd(), Interest::NONE)),
            Some((file.as_fd(), Interest::READ)),
            Some((ours.as_fd(), Interest::WRITE)),
        ];
        assert_eq!(ready(fds, None).unwrap(), [false, false, false, true, true]);
    }
}
