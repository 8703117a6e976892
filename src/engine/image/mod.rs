//! Images of the store: finding, listing, naming, removing them.

mod fetch;
mod history;
mod list;
mod lookup;
mod names;
mod remove;

pub use fetch::{load, obtain, pull, retry_delay};
pub use history::{Layer, history};
pub use list::{Image, ListRequest, compare, list, size};
pub use lookup::{find, get};
pub use names::{normalize, tag, untag};
pub use remove::{Pruned, RemoveOptions, Removed, prune, remove, remove_with_names};
