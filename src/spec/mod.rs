//! The room spec.

pub mod init;
