//! The user's configuration: XDG directories and the container ecosystem's own files.

mod paths;

pub use paths::{Paths, PathsError};
