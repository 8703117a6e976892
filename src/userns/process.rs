//! Short-lived processes in a user namespace of their own, for work on files of mapped owners.

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::{self, clone::Process};

use super::{Error, IdMap, write_maps};

/// A process started by [`spawn_mapped`].
#[derive(Debug)]
pub struct Child {
    process: Process,
}

impl Child {
    /// Its process ID.
    pub fn pid(&self) -> i32 {
        self.process.pid
    }

    /// Readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.process.pidfd.as_fd()
    }

    /// Waits for its end: the exit code, or 128 and the signal's number.
    pub fn wait(self) -> io::Result<i32> {
        sys::clone::wait(self.process.pid)
    }
}

/// Runs `work` in a child in a new user and mount namespace with `map`, as user and group 0, and gives its exit code.
/// For callers with one thread only: the child is a fork that goes on in Rust.
pub fn fork_mapped(map: &IdMap, work: impl FnOnce() -> i32) -> Result<i32, Error> {
    let process = start(map, work)?;
    sys::clone::wait(process.pid).map_err(Error::Clone)
}

/// Starts this program again under `role` as argv[0] in a new user and mount namespace with `map`, as user and group 0. `fds` become
/// descriptors 3, 4, … in it; standard streams are inherited. For callers that may have threads.
pub fn spawn_mapped(map: &IdMap, role: &str, args: &[&str], fds: &[BorrowedFd<'_>]) -> Result<Child, Error> {
    let text =
        |text: &str| CString::new(text).map_err(|_| Error::Setup("an argument contains a NUL", io::Error::from_raw_os_error(libc::EINVAL)));
    // All memory is allocated here: between clone and exec another thread's lock on the allocator might never be released.
    let mut arguments = vec![text(role)?];
    for argument in args {
        arguments.push(text(argument)?);
    }
    let environment = sys::spawn::environment();
    let exec = sys::process::Exec::new(c"/proc/self/exe", &arguments, &environment);
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let descriptors: Vec<BorrowedFd<'_>> = streams.into_iter().chain(fds.iter().copied()).collect();
    let descriptors = sys::process::Descriptors::prepare(&descriptors).map_err(Error::Clone)?;
    let count = fds.len() as u32 + 3;
    let process = start(map, || match descriptors.install().and_then(|()| sys::process::close_on_exec_from(count)) {
        Ok(()) => exec.execute().raw_os_error().unwrap_or(125),
        Err(_) => 125,
    })?;
    Ok(Child { process })
}

/// A child in new user and mount namespaces that runs `work` once its maps are written and it is root there.
fn start(map: &IdMap, work: impl FnOnce() -> i32) -> Result<Process, Error> {
    let (wait_end, go_end) = io::pipe().map_err(Error::Clone)?;
    let (mut wait_end, mut go_end) = (Some(wait_end), Some(go_end));
    let child = || {
        // With its copy of the writing end gone, the child sees the end of file should its parent die.
        drop(go_end.take());
        let mut byte = [0_u8];
        match wait_end.take().map(|mut pipe| pipe.read(&mut byte)) {
            Some(Ok(1)) => {}
            _ => return 125,
        }
        match become_root() {
            Ok(()) => work(),
            Err(_) => 125,
        }
    };
    let process = sys::clone::clone_process(libc::CLONE_NEWUSER | libc::CLONE_NEWNS, child).map_err(super::diagnose)?;
    let go = |mut pipe: io::PipeWriter| pipe.write_all(b"m").map_err(Error::Clone);
    match write_maps(process.pid, map).and_then(|()| go_end.take().map_or(Ok(()), go)) {
        Ok(()) => Ok(process),
        Err(error) => {
            let _ = sys::clone::kill(process.pidfd.as_fd(), libc::SIGKILL);
            let _ = sys::clone::wait(process.pid);
            Err(error)
        }
    }
}

/// User, group and no supplementary groups of container ID 0, in a mount namespace from which nothing propagates out.
fn become_root() -> io::Result<()> {
    match sys::cred::set_groups(&[]) {
        // A single-ID map denies setgroups(2): user_namespaces(7).
        Err(error) if error.raw_os_error() != Some(libc::EPERM) => return Err(error),
        _ => {}
    }
    sys::cred::set_group(0)?;
    sys::cred::set_user(0)?;
    sys::mount::mount(None, c"/", None, libc::MS_REC | libc::MS_SLAVE, None)
}
