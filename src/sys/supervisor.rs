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

/// Gives back memory that this process does not need while it waits: free heap, the unused part of the stack, and the pages of
/// its program (they are read from the page cache again when the next event comes).
pub fn release_memory() {
    // SAFETY: malloc_trim only returns free memory of the allocator to the kernel.
    unsafe { libc::malloc_trim(0) };
    release_stack();
    release_program();
}

/// What lies below the stack pointer is left over from deeper calls.
fn release_stack() {
    const PAGE: usize = 4096;
    const MARGIN: usize = 4 * PAGE;
    let here = &MaybeUninit::<u8>::uninit() as *const _ as usize;
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    // Only the main thread's stack, which the kernel names: it borders on nothing else.
    let Some(line) = maps.lines().find(|line| line.ends_with("[stack]")) else { return };
    let Some((start, end)) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')) else { return };
    let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) else { return };
    let limit = (here & !(PAGE - 1)).saturating_sub(MARGIN);
    if start < limit && here < end {
        // SAFETY: the range is part of this thread's stack, four pages and more below every live frame (the deepest is this one; the
        // x86 red zone is 128 bytes); what is there is dead.
        unsafe { libc::madvise(start as *mut _, limit - start, libc::MADV_DONTNEED) };
    }
}

/// Read-only segments of the program file: never written (a static, non-PIE program has no text relocations), so dropping their
/// pages loses nothing.
fn release_program() {
    extern "C" fn visit(info: *mut libc::dl_phdr_info, _: libc::size_t, _: *mut libc::c_void) -> libc::c_int {
        // SAFETY: dl_iterate_phdr passes a valid structure whose table has dlpi_phnum entries.
        let (base, headers) =
            unsafe { ((*info).dlpi_addr as usize, std::slice::from_raw_parts((*info).dlpi_phdr, (*info).dlpi_phnum as usize)) };
        for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0) {
            let start = (base + header.p_vaddr as usize) & !4095;
            let end = base + (header.p_vaddr + header.p_memsz) as usize;
            // SAFETY: the range is mapped from the file and has never been writable, so its pages come back unchanged.
            unsafe { libc::madvise(start as *mut _, end - start, libc::MADV_DONTNEED) };
        }
        // The first object is the program; shared libraries, where there are any, are shared anyway.
        1
    }
    // SAFETY: the callback matches the expected type and keeps nothing.
    unsafe { libc::dl_iterate_phdr(Some(visit), std::ptr::null_mut()) };
}
