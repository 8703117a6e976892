//! The room spec.
