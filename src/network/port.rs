//! Published ports: the grammar of `-p` and `--expose`, and the choice of host ports.

mod choose;
mod parse;

pub use choose::{check, choose};
pub use parse::{exposed, published};

use serde::{Deserialize, Serialize};

/// Consecutive ports of the host that lead into the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortMapping {
    /// Empty: all addresses.
    pub host_ip: String,
    /// 0: not chosen yet.
    pub host_port: u16,
    pub container_port: u16,
    /// Number of consecutive ports, at least 1.
    pub range: u16,
    /// tcp, udp or sctp.
    pub protocol: String,
}

impl PortMapping {
    /// Each pair of host port and container port.
    pub fn pairs(&self) -> impl Iterator<Item = (u16, u16)> + use<> {
        let (host, container) = (self.host_port, self.container_port);
        (0..self.range.max(1)).map(move |step| (host.saturating_add(step), container.saturating_add(step)))
    }
}

/// A port that an image or `--expose` names, without a port of the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exposed {
    pub port: u16,
    pub protocol: String,
}
