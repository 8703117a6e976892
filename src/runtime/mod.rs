//! The OCI runtime, in-process: from a runtime specification to a running process.
//!
//! Three phases, so that the caller can start a network helper beside the mounts: [`spawn`] makes the process in its new namespaces and
//! writes the ID maps; the process goes on with the mounts by itself; [`Init::start`] lets it execute the container's program.
//! `plan` computes typed steps from the specification, `init` executes them in the child.

mod error;

pub use error::Error;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Process, Spec};

/// All that a start needs. ID maps, namespaces (also by path) and the terminal (`process.terminal`, `consoleSize`) are in the specification.
pub struct Launch<'a> {
    pub id: &'a str,
    /// The directory of config.json: relative paths in the specification start here.
    pub bundle: &'a Path,
    pub spec: &'a Spec,
    pub rootfs: Rootfs<'a>,
    /// Standard streams; not used with a terminal, whose other end is [`Running::console`].
    pub stdio: [BorrowedFd<'a>; 3],
    /// Descriptors that the container's program gets as 3, 4, …
    pub preserve: &'a [BorrowedFd<'a>],
    /// Keep the caller's supplementary groups instead of setting the specification's.
    pub keep_groups: bool,
    /// The compiled filter. `linux.seccomp` of the specification is for other runtimes and not looked at.
    pub seccomp: Option<&'a crate::seccomp::Filter>,
}

/// Where the root file system is. It is mounted by the init process in its own mount namespace.
pub enum Rootfs<'a> {
    Path(&'a Path),
    Overlay {
        /// Topmost first.
        lower: &'a [PathBuf],
        /// Data-only layers, below all of `lower`.
        data: &'a [PathBuf],
        /// `None`: a read-only overlay of the lower layers alone.
        upper: Option<(&'a Path, &'a Path)>,
        merged: &'a Path,
    },
}

/// A container's first process before it executes the container's program. Dropping it kills it.
pub struct Init {
    pid: i32,
    pidfd: OwnedFd,
}

/// A running process of a container, a child of the caller.
pub struct Running {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// The controlling side of the terminal that was made in the container's /dev/pts, where one was asked for.
    pub console: Option<OwnedFd>,
}

/// Makes the container's first process in its namespaces; it goes on with the mounts by itself.
pub fn spawn(launch: &Launch<'_>) -> Result<Init, Error> {
    Err(Error::Spec(launch.id.to_owned()))
}

impl Init {
    /// Its process ID in the caller's PID namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Waits until all is mounted and set up. [`Init::start`] does this too: call it only where something is to happen in between.
    pub fn wait_created(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Lets it execute the container's program and waits until that has happened.
    pub fn start(self) -> Result<Running, Error> {
        Ok(Running { pid: self.pid, pidfd: self.pidfd, console: None })
    }
}

/// A running container to execute something in.
pub struct Target<'a> {
    pub id: &'a str,
    /// The container's first process.
    pub pid: i32,
    pub spec: &'a Spec,
}

/// What to execute in a running container.
pub struct Exec<'a> {
    pub process: &'a Process,
    pub stdio: [BorrowedFd<'a>; 3],
    pub preserve: &'a [BorrowedFd<'a>],
    pub keep_groups: bool,
    pub seccomp: Option<&'a crate::seccomp::Filter>,
}

/// Starts a process in all namespaces of a running container.
pub fn exec(target: &Target<'_>, request: &Exec<'_>) -> Result<Running, Error> {
    let _ = request;
    Err(Error::NotRunning(target.id.to_owned()))
}
