//! Images: found by name, pulled from registries, loaded from archives and layouts.
//!
//! Everything that comes from outside is checked against the digest and size it was announced with, while it streams; what does not match
//! is refused and leaves nothing in the store.

mod error;
mod files;
pub mod hello;
mod ingest;
mod load;
mod local;
mod manifest;
mod names;
mod progress;
mod pull;
mod remote;

pub use error::Error;
pub use load::load;
pub use names::find_local;
pub use progress::{Event, Progress, Silent};
pub use pull::{Policy, PullRequest, obtain, pull};
