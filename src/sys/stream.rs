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

/// Writes of `bytes` (not empty) what goes at once to a descriptor that others use without O_NONBLOCK. `portion` is how much goes to
/// one that is reported writable where the kernel knows no other way (pipes before Linux 6.4, terminals).
pub fn write_at_once(fd: BorrowedFd<'_>, bytes: &[u8], portion: usize) -> io::Result<usize> {
    let part = libc::iovec { iov_base: bytes.as_ptr() as *mut _, iov_len: bytes.len() };
    // SAFETY: one part, which is only read; -1 is the place where write(2) would write.
    let count = unsafe { libc::pwritev2(fd.as_raw_fd(), &raw const part, 1, -1, libc::RWF_NOWAIT) };
    if let Ok(count) = usize::try_from(count) {
        return Ok(count);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EINTR) => Ok(0),
        Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::ESPIPE) => try_write(fd, &bytes[..bytes.len().min(portion)]),
        _ => Err(error),
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_full_pipe_takes_what_fits_and_never_makes_us_wait() {
        let pipe = pipe().unwrap();
        let bytes = vec![7; 1 << 20];
        let mut total = 0;
        while crate::sys::poll::ready([Some((pipe.write.as_fd(), crate::sys::poll::Interest::WRITE))], Some(std::time::Duration::ZERO))
            .unwrap()[0]
        {
            total += write_at_once(pipe.write.as_fd(), &bytes[total..], 4096).unwrap();
        }
        assert!((4096..=1 << 20).contains(&total), "{total}");
        drop(pipe.read);
        assert_eq!(write_at_once(pipe.write.as_fd(), &bytes, 4096).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn terminals_and_sockets_are_written_to_in_portions() {
        let pair = crate::sys::tty::open_pair(Default::default()).unwrap();
        assert_eq!(write_at_once(pair.slave.as_fd(), &[b'x'; 100], 10).unwrap(), 10);
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(write_at_once(ours.as_fd(), &[b'x'; 100], 10).unwrap() >= 10);
    }
}
