//! The OCI runtime, in-process: from a runtime specification to a running process.
//!
//! Three phases, so that the caller can start a network helper beside the mounts: [`spawn`] makes the process in its new namespaces and
//! writes the ID maps; the process goes on with the mounts by itself; [`Init::start`] lets it execute the container's program.
//! `plan` computes typed steps from the specification, `init` executes them in the child.

mod capability;
mod channel;
mod copy_up;
mod error;
mod exec;
mod init;
mod launch;
mod mounts;
mod options;
mod own_file;
pub mod plan;
mod process;
mod rootfs;
mod terminal;
mod tree;

pub use error::Error;
pub use exec::exec;
pub use launch::{Init, Namespaces, Running, begin, spawn};

use std::os::fd::BorrowedFd;
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
    /// The caller takes [`Init::namespaces`] after [`begin`], to connect the new network namespace.
    pub connects: bool,
    /// Kill the process when its parent dies: nobody else would know of it.
    pub die_with_parent: bool,
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
        /// Nothing of `upper` need survive: it is not synced when the container ends, and cannot be mounted again (`volatile`).
        volatile: bool,
        merged: &'a Path,
    },
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
    /// As [`Launch::die_with_parent`].
    pub die_with_parent: bool,
}
