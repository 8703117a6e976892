//! The embedded container init (helpers/init.rs) that `--init` puts before the command.

/// Where it is mounted in the container, podman's place.
pub const DESTINATION: &str = "/run/podman-init";

/// The static program, built by build.rs. The engine writes it (mode 0555) into the container's runtime directory.
pub const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));
