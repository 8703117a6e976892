//! The verbs of images; the group `image` has them under shorter names.

pub mod exists;
pub mod history;
pub mod images;
pub mod load;
pub mod prune;
pub mod pull;
pub mod rmi;
pub mod tag;
pub mod untag;
