//! Attributes of the calling process on its way to another program.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// PR_SET_DUMPABLE: whether others with the same rights may look into this process.
pub fn set_dumpable(dumpable: bool) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable), 0, 0, 0) }.into()).map(drop)
}

/// PR_SET_PDEATHSIG: the kernel kills this process when the thread that made it ends.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) }.into()).map(drop)
}

/// PR_SET_NO_NEW_PRIVS: no exec gives more rights from now on.
pub fn set_no_new_privileges() -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into()).map(drop)
}

/// Marks all descriptors from `first` on as closed at exec.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: no memory is involved, and nothing is closed before the exec.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// A copy of a descriptor whose number is at least `count`.
pub fn duplicate_above(fd: BorrowedFd<'_>, count: usize) -> io::Result<OwnedFd> {
    let count = i32::try_from(count).map_err(|_| io::Error::from_raw_os_error(libc::EMFILE))?;
    // SAFETY: no memory is involved; the result is a new descriptor.
    let copy = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, count) }.into())?;
    // SAFETY: see above.
    Ok(unsafe { OwnedFd::from_raw_fd(copy as i32) })
}

/// Descriptors that are to be numbers 0, 1, 2, … of the next program.
pub struct Descriptors(Vec<Source>);

enum Source {
    /// Already the number it is to be.
    InPlace(i32),
    /// Not among the target numbers, so that no target overwrites it.
    Other(OwnedFd),
}

impl Descriptors {
    /// Copies what is needed, so that [`Descriptors::install`] allocates nothing.
    pub fn prepare(fds: &[BorrowedFd<'_>]) -> io::Result<Self> {
        let source = |(target, fd): (i32, &BorrowedFd<'_>)| {
            if fd.as_raw_fd() == target {
                return Ok(Source::InPlace(target));
            }
            duplicate_above(*fd, fds.len()).map(Source::Other)
        };
        (0..).zip(fds).map(source).collect::<io::Result<_>>().map(Self)
    }

    /// Puts all in place. For a process that is about to execute another program: what was under these numbers is replaced.
    pub fn install(&self) -> io::Result<()> {
        for (target, source) in (0..).zip(&self.0) {
            match source {
                // SAFETY: no memory is involved. The descriptor stays, without its close-on-exec flag.
                Source::InPlace(fd) => check(unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) }.into())?,
                // SAFETY: no memory is involved.
                Source::Other(fd) => check(unsafe { libc::dup2(fd.as_raw_fd(), target) }.into())?,
            };
        }
        Ok(())
    }
}

/// Closes all descriptors from `first` on except `kept`. For a process that is about to execute another program and has dropped what it
/// owned: whoever else thinks to own one of these does not run in it.
pub fn close_all_but(first: u32, kept: BorrowedFd<'_>) -> io::Result<()> {
    let kept = kept.as_raw_fd() as u32;
    let close = |first: u32, last: u32| {
        if first > last {
            return Ok(());
        }
        // SAFETY: no memory is involved; for the descriptors see above.
        check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
    };
    close(first, kept.saturating_sub(1))?;
    close(first.max(kept + 1), u32::MAX)
}

/// A new session keyring: the caller's is not for others, and its keys are not of the container.
pub fn join_new_session_keyring() -> io::Result<()> {
    /// KEYCTL_JOIN_SESSION_KEYRING, keyctl(2).
    const JOIN: libc::c_long = 1;
    // SAFETY: a null name is an anonymous keyring.
    check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN, std::ptr::null::<libc::c_char>()) }).map(drop)
}

/// Makes the terminal `fd` the controlling one of this session.
pub fn set_controlling_terminal(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSCTTY, 0) }.into()).map(drop)
}

/// Sets the NIS domain name of this UTS namespace.
pub fn set_domain_name(name: &str) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of the string.
    check(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }.into()).map(drop)
}

/// setrlimit(2) for a `RLIMIT_*` number.
pub fn set_limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` is a valid rlimit.
    check(unsafe { libc::setrlimit(resource, &raw const limit) }.into()).map(drop)
}

/// A program to execute, with everything laid out beforehand: executing it allocates nothing.
pub struct Exec<'a> {
    path: &'a CStr,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
    strings: std::marker::PhantomData<&'a [CString]>,
}

impl<'a> Exec<'a> {
    pub fn new(path: &'a CStr, arguments: &'a [CString], environment: &'a [CString]) -> Self {
        let pointers = |strings: &[CString]| strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Self { path, arguments: pointers(arguments), environment: pointers(environment), strings: std::marker::PhantomData }
    }

    /// execve(2); returns only with an error.
    pub fn execute(&self) -> io::Error {
        // SAFETY: both arrays end with a null pointer and point to C strings that live as long as `self` ('a).
        unsafe { libc::execve(self.path.as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr()) };
        io::Error::last_os_error()
    }

    /// The same with an open file as the program, execveat(2).
    pub fn execute_file(&self, program: BorrowedFd<'_>) -> io::Error {
        let (arguments, environment) = (self.arguments.as_ptr(), self.environment.as_ptr());
        // SAFETY: as in `execute`; the path is the empty C string.
        unsafe {
            libc::syscall(libc::SYS_execveat, program.as_raw_fd(), c"".as_ptr(), arguments, environment, libc::AT_EMPTY_PATH);
        }
        io::Error::last_os_error()
    }
}
