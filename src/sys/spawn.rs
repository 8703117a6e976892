//! Starting a program of the host without copying this process: vfork(2) in all but name.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::clone::{Stack, vfork};
use super::process::Exec;

/// Starts `program` with `arguments` (the first is argv[0]) and this process's environment; `stderr` becomes its standard error.
///
/// posix_spawn(3) would do as well, but glibc's asks for and sets every signal's action, 128 system calls.
pub fn spawn(program: &CStr, arguments: &[CString], stderr: Option<BorrowedFd<'_>>) -> io::Result<i32> {
    /// Three system calls need little.
    const STACK: usize = 64 << 10;
    let environment = environment();
    let exec = Exec::new(program, arguments, &environment);
    let mut failure = None;
    let mut child = || {
        if let Some(stderr) = stderr {
            // SAFETY: no memory is involved; the descriptors are this process's own (no CLONE_FILES).
            unsafe { libc::dup2(stderr.as_raw_fd(), 2) };
        }
        failure = Some(exec.execute());
        127
    };
    let pid = vfork(&mut Stack::new(STACK)?, 0, &mut child)?;
    match failure {
        None => Ok(pid),
        Some(error) => {
            let _ = super::clone::wait(pid);
            Err(error)
        }
    }
}

/// This process's environment as `NAME=value`.
pub fn environment() -> Vec<CString> {
    use std::os::unix::ffi::OsStrExt;
    let text =
        |(name, value): (std::ffi::OsString, std::ffi::OsString)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok();
    std::env::vars_os().filter_map(text).collect()
}
