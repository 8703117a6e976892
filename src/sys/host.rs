//! What this process is on its host: identity, limits, randomness.

use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::resource::{Resource, getrlimit};

/// The effective user ID.
pub fn uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The effective group ID.
pub fn gid() -> u32 {
    nix::unistd::getegid().as_raw()
}

/// Soft and hard limit under a runtime-spec name (`RLIMIT_NOFILE` …); `None` for a name that Linux does not have.
pub fn limit(kind: &str) -> Option<(u64, u64)> {
    let resource = match kind {
        "RLIMIT_AS" => Resource::RLIMIT_AS,
        "RLIMIT_CORE" => Resource::RLIMIT_CORE,
        "RLIMIT_CPU" => Resource::RLIMIT_CPU,
        "RLIMIT_DATA" => Resource::RLIMIT_DATA,
        "RLIMIT_FSIZE" => Resource::RLIMIT_FSIZE,
        "RLIMIT_LOCKS" => Resource::RLIMIT_LOCKS,
        "RLIMIT_MEMLOCK" => Resource::RLIMIT_MEMLOCK,
        "RLIMIT_MSGQUEUE" => Resource::RLIMIT_MSGQUEUE,
        "RLIMIT_NICE" => Resource::RLIMIT_NICE,
        "RLIMIT_NOFILE" => Resource::RLIMIT_NOFILE,
        "RLIMIT_NPROC" => Resource::RLIMIT_NPROC,
        "RLIMIT_RSS" => Resource::RLIMIT_RSS,
        "RLIMIT_RTPRIO" => Resource::RLIMIT_RTPRIO,
        "RLIMIT_RTTIME" => Resource::RLIMIT_RTTIME,
        "RLIMIT_SIGPENDING" => Resource::RLIMIT_SIGPENDING,
        "RLIMIT_STACK" => Resource::RLIMIT_STACK,
        _ => return None,
    };
    getrlimit(resource).ok()
}

/// Fills `bytes` from the kernel's random number generator.
pub fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: `rest` is writable memory of the length given.
        let count = unsafe { nix::libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(count) {
            Ok(count) => filled += count,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Descriptors 3 and up that this process was started with; an error where one of them is not open.
pub fn inherited(count: u32) -> io::Result<Vec<BorrowedFd<'static>>> {
    (3..count.saturating_add(3))
        .map(|number| {
            let number = i32::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
            // SAFETY: F_GETFD touches no memory; it fails on a closed descriptor.
            if unsafe { nix::libc::fcntl(number, nix::libc::F_GETFD) } < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: it is open, and nothing of ours closes descriptors that it has not opened.
            Ok(unsafe { BorrowedFd::borrow_raw(number) })
        })
        .collect()
}
