//! The network of a container: pasta or slirp4netns as a helper process, published ports, /etc/hosts and /etc/resolv.conf.
//!
//! A start goes like this. [`start`] spawns the helper on the namespaces of the container's init, which goes on with its mounts;
//! [`Starting::wait`] gives the [`Connection`] once the helper has configured the interface. Then the texts of [`hosts`] and [`resolv`] can
//! be written into the files that are mounted in the container, for only then the container's own addresses are known.

mod address;
mod error;
pub mod hosts;
mod pasta;
mod plan;
pub mod port;
pub mod resolv;
mod slirp;
mod uplink;

pub use address::of_host as host_address;
pub use error::Error;
pub use plan::{Backend, Plan, Settings};
pub use port::PortMapping;
pub use uplink::{Connection, Helper, Starting, start};

use std::net::{IpAddr, Ipv4Addr};

/// Where pasta forwards DNS queries from, to the host's own resolver.
pub const DNS_FORWARD: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1));

/// The address that pasta maps to the host.
pub const HOST_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 1, 2));
