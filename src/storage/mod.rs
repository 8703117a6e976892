//! The store: layers, images, containers and volumes as files.

mod container;

pub use container::*;
