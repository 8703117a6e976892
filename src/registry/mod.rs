//! The distribution client: manifests, blobs and tags of a registry, as the OCI distribution specification defines them.
//!
//! It is asynchronous (tokio, one thread) because layers are fetched side by side; the runtime is built by who pulls, never before a fork.

mod blob;
mod challenge;
mod client;
mod error;
mod token;

pub use blob::Blob;
pub use client::{Manifest, Repository, Settings};
pub use error::Error;
