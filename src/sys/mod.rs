//! The kernel, safe and descriptor-based.

pub mod clock;
pub mod clone;
pub mod cred;
pub mod fork;
pub mod host;
pub mod idle;
pub mod inotify;
pub mod lock;
pub mod loopback;
pub mod message;
pub mod mount;
pub mod packet;
pub mod path;
pub mod poll;
pub mod process;
pub mod program;
pub mod pty;
pub mod readiness;
pub mod resolve;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod spawn;
pub mod spawn_helper;
pub mod stream;
pub mod supervisor;
pub mod trampoline;
pub mod tty;
pub mod xattr;

use std::io;

/// The result of a system call that answers -1 with errno set.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
