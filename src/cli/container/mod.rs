//! Verbs that only the group `container` has.

pub mod exists;
pub mod prune;
