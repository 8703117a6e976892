//! The room image.
