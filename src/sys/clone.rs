//! New processes in new or existing namespaces: clone3(2) and setns(2).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// A child of the caller.
#[derive(Debug)]
pub struct Process {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// Runs `child` in a copy of this process in new namespaces (`CLONE_NEW*`) and ends that with the code it gives.
///
/// The copy has the calling thread only: to be called while the process has one thread.
pub fn clone_process(namespaces: i32, child: impl FnOnce() -> i32) -> io::Result<Process> {
    match clone3(namespaces, libc::SIGCHLD)? {
        Some(process) => Ok(process),
        None => exit(child()),
    }
}

/// The same after joining existing namespaces, in the order given: descriptors of namespaces or processes, and what to join of them.
/// The user namespace comes first, since it brings the right to join the others.
pub fn clone_joined(joins: &[(BorrowedFd<'_>, i32)], namespaces: i32, child: impl FnOnce() -> i32) -> io::Result<Process> {
    /// Enough for the child: it works on this stack until it executes something.
    const STACK: usize = 1 << 20;
    let mut child = Some(child);
    let mut result = None;
    let mut intermediate = || {
        // From the moment it is in their namespaces, others may be allowed to look into this process and open its files.
        let closed = super::process::set_dumpable(false);
        let joined = closed.and_then(|()| {
            joins.iter().try_for_each(|(fd, kind)| {
                // SAFETY: no memory is involved.
                check(unsafe { libc::setns(fd.as_raw_fd(), *kind) }.into()).map(drop)
            })
        });
        // CLONE_PARENT: a child of the caller, not of this process, which ends at once. Its exit signal is this process's.
        result = Some(match joined.and_then(|()| clone3(namespaces | libc::CLONE_PARENT, 0)) {
            Ok(Some(process)) => Ok(process),
            Ok(None) => exit(child.take().map_or(125, |child| child())),
            Err(error) => Err(error),
        });
        0
    };
    // With shared descriptors the new process's pidfd arrives here.
    let pid = vfork(&mut Stack::new(STACK)?, libc::CLONE_FILES, &mut intermediate)?;
    let _ = wait(pid);
    // The shared memory was made undumpable, and with that /proc/self unreadable for ourselves.
    let _ = super::process::set_dumpable(true);
    result.unwrap_or_else(|| Err(io::Error::from_raw_os_error(libc::ECHILD)))
}

/// Runs `child` in a process that shares this one's memory, on a stack of its own, while this one is suspended until that executes
/// something or ends. `child` must do no more than system calls: what it changes in memory is changed here.
pub(super) fn vfork(stack: &mut Stack, flags: i32, child: &mut dyn FnMut() -> i32) -> io::Result<i32> {
    extern "C" fn run(argument: *mut libc::c_void) -> i32 {
        // SAFETY: `argument` is the reference below, which outlives this process: the caller is suspended.
        let child = unsafe { &mut *argument.cast::<&mut dyn FnMut() -> i32>() };
        child()
    }
    let mut child = child;
    let flags = flags | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: `run` gets a stack of its own and a pointer to `child`, both alive until it ends or executes: CLONE_VFORK waits for that.
    check(unsafe { libc::clone(run, stack.top(), flags, (&raw mut child).cast()) }.into()).map(|pid| pid as i32)
}

/// Waits for a child's end: its exit code, or 128 and the signal that ended it.
pub fn wait(pid: i32) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a valid place for the result.
        match check(unsafe { libc::waitpid(pid, &raw mut status, 0) }.into()) {
            Ok(_) if libc::WIFSIGNALED(status) => return Ok(128 + libc::WTERMSIG(status)),
            Ok(_) => return Ok(libc::WEXITSTATUS(status)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
    }
}

/// Sends a signal to a process by its descriptor: no other process can be hit.
pub fn kill(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is involved (siginfo is null).
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0) })
        .map(drop)
}

/// A descriptor of a process, pidfd_open(2).
pub fn open_process(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved; the result is a new descriptor.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: see above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// clone3(2) with a pidfd and without shared memory; `None` in the child.
fn clone3(flags: i32, exit_signal: i32) -> io::Result<Option<Process>> {
    let mut pidfd = -1_i32;
    // SAFETY: clone_args is plain data, for which all zeroes is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (flags | libc::CLONE_PIDFD) as u32 as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = exit_signal as u64;
    // SAFETY: without CLONE_VM the child has a copy of everything and goes on like after fork(2); `pidfd` is valid in the parent.
    match check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, std::mem::size_of_val(&args)) })? {
        0 => Ok(None),
        // SAFETY: the kernel has just made this descriptor for us.
        pid => Ok(Some(Process { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })),
    }
}

/// Ends this process without running anything of the parent's that was inherited (atexit handlers, buffers).
fn exit(code: i32) -> ! {
    // SAFETY: _exit(2) is always allowed.
    unsafe { libc::_exit(code) }
}

/// Memory for another process's stack.
pub(super) struct Stack {
    base: *mut libc::c_void,
    size: usize,
}

impl Stack {
    pub(super) fn new(size: usize) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at a place the kernel chooses.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        if base == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { base, size }) }
    }

    fn top(&mut self) -> *mut libc::c_void {
        self.base.wrapping_byte_add(self.size)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours alone, and nothing runs on it any more.
        unsafe { libc::munmap(self.base, self.size) };
    }
}
