//! Starting a helper program that is to outlive the call, posix_spawn(3): nothing of this process leaks into it.

use std::ffi::{CStr, CString, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// Starts `program` with `arguments` (the first is argv[0]) and this process's environment. `fds` become its descriptors 0, 1, 2, …; all
/// others are closed. Signals are as a new program expects them: none blocked, none ignored.
pub fn spawn_helper(program: &CStr, arguments: &[CString], fds: &[BorrowedFd<'_>]) -> io::Result<i32> {
    let mut pointers: Vec<*mut libc::c_char> = arguments.iter().map(|text| text.as_ptr().cast_mut()).collect();
    pointers.push(std::ptr::null_mut());
    // Copies above all target numbers, so that no target overwrites a source.
    let sources = fds.iter().map(|fd| copy_above(*fd, fds.len())).collect::<io::Result<Vec<_>>>()?;
    // SAFETY: both are plain data until their init functions have made them valid.
    let mut actions: libc::posix_spawn_file_actions_t = unsafe { std::mem::zeroed() };
    // SAFETY: see above.
    let mut attributes: libc::posix_spawnattr_t = unsafe { std::mem::zeroed() };
    let mut pid = 0;
    // SAFETY: `actions` and `attributes` are initialised before use and destroyed once; all strings and descriptors outlive the call;
    // `environ` is read while no other thread changes the environment, which nothing in this program does.
    let errno = unsafe {
        libc::posix_spawn_file_actions_init(&raw mut actions);
        libc::posix_spawnattr_init(&raw mut attributes);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::posix_spawnattr_setsigmask(&raw mut attributes, &raw const set);
        libc::sigfillset(&raw mut set);
        libc::posix_spawnattr_setsigdefault(&raw mut attributes, &raw const set);
        let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        let mut errno = libc::posix_spawnattr_setflags(&raw mut attributes, flags as libc::c_short);
        for (target, source) in (0..).zip(&sources) {
            if errno == 0 {
                errno = libc::posix_spawn_file_actions_adddup2(&raw mut actions, source.as_raw_fd(), target);
            }
        }
        if errno == 0 {
            errno = posix_spawn_file_actions_addclosefrom_np(&raw mut actions, sources.len() as c_int);
        }
        if errno == 0 {
            let arguments = pointers.as_ptr();
            errno = libc::posix_spawn(
                &raw mut pid,
                program.as_ptr(),
                &raw const actions,
                &raw const attributes,
                arguments,
                environ.cast_const(),
            );
        }
        libc::posix_spawn_file_actions_destroy(&raw mut actions);
        libc::posix_spawnattr_destroy(&raw mut attributes);
        errno
    };
    if errno == 0 { Ok(pid) } else { Err(io::Error::from_raw_os_error(errno)) }
}

fn copy_above(fd: BorrowedFd<'_>, count: usize) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved; the result is a new descriptor.
    let copy = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, count as c_int) }.into())?;
    // SAFETY: see above.
    Ok(unsafe { OwnedFd::from_raw_fd(copy as c_int) })
}

unsafe extern "C" {
    /// environ(7)
    static environ: *mut *mut libc::c_char;

    /// glibc 2.34 and newer; the libc crate does not have it.
    fn posix_spawn_file_actions_addclosefrom_np(actions: *mut libc::posix_spawn_file_actions_t, from: c_int) -> c_int;
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_helper_has_its_descriptors_and_no_others() {
        let (mut reader, writer) = io::pipe().unwrap();
        let null = File::open("/dev/null").unwrap();
        // A descriptor without close-on-exec, as those of `--preserve-fds` are.
        let leak = nix::unistd::dup(&null).unwrap();
        // By the shell's own means: one that starts a program blocks its signals meanwhile.
        let status = "while read -r name value; do [ $name != SigBlk: ] || echo $name $value; done </proc/$$/status";
        let script = format!("test -e /proc/$$/fd/{} && echo leak; test -e /proc/$$/fd/2 && {status}", leak.as_raw_fd());
        let arguments = [c"sh".into(), c"-c".into(), CString::new(script).unwrap()];
        let pid = spawn_helper(c"/bin/sh", &arguments, &[null.as_fd(), writer.as_fd(), writer.as_fd()]).unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(super::super::clone::wait(pid).unwrap(), 0);
        assert_eq!(text, "SigBlk: 0000000000000000\n");
    }
}
