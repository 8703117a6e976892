//! fork(2) for programs of one thread.

use std::io;

use nix::unistd::{ForkResult, Pid, fork};

/// Runs `work` in a child, which then ends with its exit code and nothing else: no destructors of the caller's, no exit handlers.
/// The process must have one thread only, since in the child all others would be gone with whatever locks they held.
pub fn child(work: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: the caller has one thread, so every lock (the allocator's among them) is free in the child.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = work();
            // SAFETY: _exit(2) ends the process without touching its memory.
            unsafe { nix::libc::_exit(code) }
        }
    }
}

/// Reaps the children that have ended, without waiting for one.
pub fn reap() {
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}
