//! The kernel, safe and descriptor-based.

pub mod host;
pub mod lock;
pub mod signal;
pub mod tty;
