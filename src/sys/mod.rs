//! The kernel, safe and descriptor-based.

pub mod clock;
pub mod host;
pub mod lock;
pub mod poll;
pub mod signal;
pub mod socket;
pub mod stream;
pub mod supervisor;
pub mod tty;
