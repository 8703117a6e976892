//! The kernel, safe and descriptor-based.
