//! Containers: creating, starting, executing in them.

mod request;

pub use request::{CreateRequest, EnvironmentRequest, Pull, PullPolicy, Source};
