//! The room network.
