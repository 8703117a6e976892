//! What a pull tells while it works; the command line shows it.

use crate::oci::Digest;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A short name was resolved, and how.
    Resolved {
        name: &'a str,
        reason: &'a str,
    },
    /// This reference is tried next.
    Trying(&'a str),
    /// The manifest is there; blobs follow.
    Signatures,
    /// A layer's blob is about to be copied.
    Blob {
        digest: &'a Digest,
        size: u64,
    },
    /// The store has that layer.
    Present {
        digest: &'a Digest,
    },
    /// So many bytes more of a blob.
    Advanced {
        digest: &'a Digest,
        bytes: u64,
    },
    /// The blob is in the store.
    Done {
        digest: &'a Digest,
    },
    Config {
        digest: &'a Digest,
    },
    Manifest,
    /// Something went wrong that is no error: a registry or mirror that did not answer.
    Warning(&'a str),
}

/// Somebody who wants to know. Called from several threads.
pub trait Progress: Sync + std::fmt::Debug {
    fn event(&self, event: Event<'_>);

    /// Asks which of `choices` the user means; `None` where nobody can be asked.
    fn choose(&self, _question: &str, _choices: &[String]) -> Option<usize> {
        None
    }
}

/// Nobody.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}
