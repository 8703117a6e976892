//! Being a supervising process: fork, subreaper, reaping, giving memory back.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};

/// Forks. `Some(pid)` in the parent, `None` in the child, which has a copy of everything and must end by [`exit_now`].
/// For a process with one thread only: the child of any other may find locks held for ever.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: the caller has one thread, so the child is as free as the parent to go on.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(pid)),
    }
}

/// Ends the process at once: no destructors, no exit handlers, no flush of buffers copied from the parent.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes no memory.
    unsafe { libc::_exit(code) }
}

/// Leaves the caller's session and process group: no terminal, no job control, no SIGHUP.
pub fn new_session() {
    // SAFETY: setsid takes no memory; it fails only for a group leader, which a forked child is not.
    unsafe { libc::setsid() };
}

/// Orphaned descendants of this process become its children (PR_SET_CHILD_SUBREAPER).
pub fn become_subreaper() -> io::Result<()> {
    nix::sys::prctl::set_child_subreaper(true).map_err(io::Error::from)
}

/// A descriptor that refers to the process `pid`, closed on exec (pidfd_open(2)).
pub fn open_pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    pub pid: i32,
    /// Exit code, or signal number where `killed`.
    pub code: i32,
    pub killed: bool,
}

/// Reaps one child that has ended; `None` when none has.
pub fn reap() -> Option<Ended> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        // SAFETY: waitid fills the structure it is given.
        if unsafe { libc::waitid(libc::P_ALL, 0, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG) } == 0 {
            break;
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
    // SAFETY: all-zero is a valid siginfo, and waitid has filled in the fields of a child or left si_pid 0.
    let (pid, status, code) = unsafe {
        let info = info.assume_init();
        (info.si_pid(), info.si_status(), info.si_code)
    };
    (pid != 0).then_some(Ended { pid, code: status, killed: code != libc::CLD_EXITED })
}
