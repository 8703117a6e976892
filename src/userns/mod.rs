//! User namespaces: subordinate ID ranges, ID maps and how they are written.

mod diagnose;
mod error;
mod map;
mod modes;
mod process;
mod subid;
mod write;

pub use diagnose::{apparmor_restriction, diagnose};
pub use error::Error;
pub use map::{IdMap, IdMapping};
pub use modes::{Auto, Custom, KeepId, Mode, auto, custom, default_map, keep_id, nomap};
pub use process::{Child, fork_mapped, spawn_mapped};
pub use subid::{Range, SubIds};
pub use write::write_maps;
