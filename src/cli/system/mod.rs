//! The verbs of the group `system`.

pub mod df;
pub mod prune;
pub mod reset;
