//! The room seccomp.
