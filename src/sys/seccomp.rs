//! Loading a system call filter, seccomp(2).

use std::io;

use super::check;

/// Loads `program` (`struct sock_filter`s of 8 bytes) with `SECCOMP_FILTER_FLAG_*`, for this process and what it executes.
pub fn load(program: &[u8], flags: u32) -> io::Result<()> {
    let length = u16::try_from(program.len() / 8).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let code: Vec<libc::sock_filter> = program
        .chunks_exact(8)
        .map(|bytes| libc::sock_filter {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        })
        .collect();
    let program = libc::sock_fprog { len: length, filter: code.as_ptr().cast_mut() };
    // SAFETY: `program` points to `length` instructions, which the kernel copies and verifies.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) }).map(drop)
}
