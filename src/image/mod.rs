//! The room image.

pub mod hello;
