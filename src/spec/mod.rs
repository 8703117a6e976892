//! From options to the runtime specification.
//!
//! The grammars of the options are pure functions, one file each, with podman's semantics and messages; [`generate`] turns a
//! [`crate::storage::ContainerConfig`] into what the runtime executes, podman's default container where nothing else was asked for.

pub mod capability;
pub mod device;
pub mod environment;
mod error;
mod generate;
pub mod init;
pub mod mount;
pub mod mounts;
pub mod name;
pub mod namespace;
pub mod path;
pub mod rootfs;
pub mod security_option;
pub mod signal;
pub mod size;
pub mod sysctl;
pub mod ulimit;
pub mod users;
pub mod volume;

pub use error::Error;
pub use generate::{Files, Host, Joined, capabilities, generate, limits, namespaces_of, user};
