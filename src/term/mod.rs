//! The room term.
