//! The container's terminal: a pair of its own /dev/pts, so that it has a name there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::stat::{SFlag, fstat, makedev};
use nix::unistd::{Uid, fchown};

use crate::sys;
use crate::sys::mount::{Clone, move_mount, open_tree};
use crate::sys::resolve::open_in_root_nofollow;

use super::channel::{Context, Failure};
use super::tree::{Missing, open_or_create};

/// Both sides of a new terminal.
pub struct Terminal {
    master: OwnedFd,
    peer: OwnedFd,
}

impl Terminal {
    /// A terminal of the /dev/pts in `root`, of `rows` and `columns` where they are not 0, that belongs to the user `owner`.
    pub fn new(root: BorrowedFd<'_>, (rows, columns): (u16, u16), owner: u32) -> Result<Self, Failure> {
        let step = || "make a terminal in /dev/pts".to_owned();
        let master = open_in_root_nofollow(root, c"/dev/pts/ptmx", libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK, 0).step(step)?;
        // In a running container this could be anything by now.
        let status = fstat(&master).step(step)?;
        let is_device = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
        if !is_device || status.st_rdev != makedev(5, 2) {
            return Err(Failure::setup(step(), &io::Error::from_raw_os_error(libc::ENOTTY)));
        }
        nix::fcntl::fcntl(&master, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_RDWR)).step(step)?;
        let peer = sys::pty::open_peer(master.as_fd()).step(step)?;
        if (rows, columns) != (0, 0) {
            sys::pty::set_size(peer.as_fd(), rows, columns).step(step)?;
        }
        if owner != 0 {
            fchown(&peer, Some(Uid::from_raw(owner)), None).step(step)?;
        }
        Ok(Self { master, peer })
    }

    /// The controlling side, for the caller.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// The container's side.
    pub fn peer(&self) -> BorrowedFd<'_> {
        self.peer.as_fd()
    }

    /// Binds the container's side to /dev/console.
    pub fn bind_console(&self, root: BorrowedFd<'_>) -> Result<(), Failure> {
        let step = || "bind the terminal to /dev/console".to_owned();
        let target = open_or_create(root, c"/dev/console", Missing::File).step(step)?;
        let copy = open_tree(Some(self.peer.as_fd()), c"", Clone::Single).step(step)?;
        move_mount(copy.as_fd(), target.as_fd()).step(step)
    }
}
