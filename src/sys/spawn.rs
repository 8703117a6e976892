//! Starting a program of the host without copying this process, posix_spawn(3).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Starts `program` with `arguments` (the first is argv[0]) and this process's environment; `stderr` becomes its standard error.
pub fn spawn(program: &CStr, arguments: &[CString], stderr: Option<BorrowedFd<'_>>) -> io::Result<i32> {
    let mut pointers: Vec<*mut libc::c_char> = arguments.iter().map(|text| text.as_ptr().cast_mut()).collect();
    pointers.push(std::ptr::null_mut());
    // SAFETY: file actions are plain data until init has made them valid.
    let mut actions: libc::posix_spawn_file_actions_t = unsafe { std::mem::zeroed() };
    let mut pid = 0;
    // SAFETY: `actions` is initialised before use and destroyed once; all strings outlive the call; `environ` is read while no other
    // thread changes the environment, which nothing in this program does.
    let errno = unsafe {
        let mut errno = libc::posix_spawn_file_actions_init(&raw mut actions);
        if let (0, Some(stderr)) = (errno, stderr) {
            errno = libc::posix_spawn_file_actions_adddup2(&raw mut actions, stderr.as_raw_fd(), 2);
        }
        if errno == 0 {
            errno = libc::posix_spawn(
                &raw mut pid,
                program.as_ptr(),
                &raw const actions,
                std::ptr::null(),
                pointers.as_ptr(),
                environ.cast_const(),
            );
        }
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        errno
    };
    if errno == 0 { Ok(pid) } else { Err(io::Error::from_raw_os_error(errno)) }
}

unsafe extern "C" {
    /// environ(7)
    static environ: *mut *mut libc::c_char;
}
