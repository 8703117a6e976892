//! Loading a system call filter, seccomp(2).

use std::io;

use super::check;

/// Loads `program` (`struct sock_filter`s of 8 bytes) with `SECCOMP_FILTER_FLAG_*`, for this process and what it executes.
pub fn load(program: &[u8], flags: u32) -> io::Result<()> {
    let too_long = || io::Error::from_raw_os_error(libc::EINVAL);
    // SAFETY: any 8 bytes are a valid sock_filter, which is plain data.
    let (before, code, after) = unsafe { program.align_to::<libc::sock_filter>() };
    if !before.is_empty() || !after.is_empty() {
        // Only where the bytes are not aligned, which an allocation's start is. The copy's start is as well.
        let mut copy = Vec::with_capacity(program.len());
        copy.extend_from_slice(program.get(..program.len() / 8 * 8).ok_or_else(too_long)?);
        return if before.is_empty() { Err(too_long()) } else { load(&copy, flags) };
    }
    let length = u16::try_from(code.len()).map_err(|_| too_long())?;
    let program = libc::sock_fprog { len: length, filter: code.as_ptr().cast_mut() };
    // SAFETY: `program` points to `length` instructions, which the kernel copies and verifies.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) }).map(drop)
}
