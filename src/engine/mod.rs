//! The engine: what the commands mean.
