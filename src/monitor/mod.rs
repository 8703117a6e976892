//! The room monitor.
