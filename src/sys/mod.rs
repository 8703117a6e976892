//! The kernel, safe and descriptor-based.

pub mod lock;
pub mod signal;
pub mod tty;
