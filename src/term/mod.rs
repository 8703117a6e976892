//! The user's own terminal: raw mode, detach keys.

mod detach_keys;
mod raw;

pub use detach_keys::{BadKeys, DEFAULT as DEFAULT_DETACH_KEYS, DetachKeys, Detector};
pub use raw::RawMode;
