//! Hearing of changes to files in a directory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A set of watched directories; never blocks, closed on exec.
#[derive(Debug)]
pub struct Watch(Inotify);

impl Watch {
    pub fn new() -> io::Result<Self> {
        Ok(Self(Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?))
    }

    /// Reports files in `directory` that are written to, made or moved there.
    pub fn add_directory(&self, directory: &Path) -> io::Result<()> {
        let flags = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
        self.0.add_watch(directory, flags)?;
        Ok(())
    }

    /// Forgets what has been reported: the caller looks at the files themselves.
    pub fn drain(&self) {
        while self.0.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
