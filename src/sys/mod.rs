//! The kernel, safe and descriptor-based.

pub mod signal;
pub mod tty;
