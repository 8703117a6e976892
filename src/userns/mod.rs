//! User namespaces: subordinate ID ranges, ID maps and how they are written.

mod custom;
mod diagnose;
mod error;
mod map;
mod modes;
mod pieces;
mod process;
mod subid;
mod write;

pub use custom::{Custom, custom};
pub use diagnose::{apparmor_restriction, diagnose};
pub use error::Error;
pub use map::{IdMap, IdMapping};
pub use modes::{Auto, KeepId, Mode, auto, default_map, keep_id, nomap};
pub use process::{Child, fork_mapped, spawn_mapped};
pub use subid::{Range, SubIds, add_range};
pub use write::{find_program, write_maps};
