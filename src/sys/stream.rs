//! Pipes and streams without blocking.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// The two ends of a pipe.
#[derive(Debug)]
pub struct Pipe {
    pub read: OwnedFd,
    pub write: OwnedFd,
}

/// A new pipe, closed on exec.
pub fn pipe() -> io::Result<Pipe> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    Ok(Pipe { read, write })
}

/// Makes reads and writes of `fd` (and of all that share its open file description) return instead of waiting.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// What a read or write without blocking came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// This many bytes, at least one.
    Bytes(usize),
    /// Nothing at present.
    Later,
    /// The other side is gone.
    End,
}

/// Reads into `buffer`. An error of the stream counts as its end: a terminal whose other side is closed gives EIO.
pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Progress {
    loop {
        match nix::unistd::read(fd, buffer) {
            Ok(0) => return Progress::End,
            Ok(count) => return Progress::Bytes(count),
            Err(nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::EAGAIN) => return Progress::Later,
            Err(_) => return Progress::End,
        }
    }
}

/// Writes of `bytes` (not empty) what goes. An error of the stream counts as its end.
pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Progress {
    match try_write(fd, bytes) {
        Ok(0) => Progress::Later,
        Ok(count) => Progress::Bytes(count),
        Err(_) => Progress::End,
    }
}

/// Writes of `bytes` (not empty) what goes, which may be nothing at present.
pub fn try_write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::write(fd, bytes) {
            Ok(count) => return Ok(count),
            Err(nix::errno::Errno::EINTR) => {}
            Err(nix::errno::Errno::EAGAIN) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Closes every descriptor from 3 on that is neither closed on exec nor in `keep`: what the shell happened to have open when it
/// called us. Ours are all closed on exec, so they stay.
pub fn close_foreign(keep: std::ops::Range<i32>) -> io::Result<()> {
    let mut foreign = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // SAFETY: F_GETFD only reads a flag, and answers EBADF for a closed descriptor.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if fd > 2 && flags >= 0 && flags & libc::FD_CLOEXEC == 0 && !keep.contains(&fd) {
            foreign.push(fd);
        }
    }
    for fd in foreign {
        // SAFETY: every descriptor that Rust code of this process owns is made with O_CLOEXEC; this one came over exec and has no owner.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// Makes descriptors 0, 1 and 2 /dev/null.
pub fn silence_stdio() -> io::Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    for fd in 0..3 {
        // SAFETY: descriptors 0 to 2 are the standard streams, which nobody owns.
        if unsafe { libc::dup2(null.as_raw_fd(), fd) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Whether `fd` is a regular file, which never makes a reader or writer wait for somebody else.
pub fn is_regular(fd: BorrowedFd<'_>) -> bool {
    nix::sys::stat::fstat(fd).is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG)
}
