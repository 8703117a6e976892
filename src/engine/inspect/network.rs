//! `NetworkSettings` and port bindings.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::container::{exposed_ports, single_ports};
use crate::storage::{ContainerConfig, ContainerState, NetworkMode, PortMapping};

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename = "*define.InspectNetworkSettings", rename_all = "PascalCase")]
pub struct NetworkSettings {
    #[serde(rename = "EndpointID")]
    endpoint_id: &'static str,
    gateway: &'static str,
    #[serde(rename = "IPAddress")]
    ip_address: &'static str,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: &'static str,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: &'static str,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    mac_address: &'static str,
    bridge: &'static str,
    #[serde(rename = "SandboxID")]
    sandbox_id: &'static str,
    hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    link_local_ipv6_address: &'static str,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    link_local_ipv6_prefix_len: u8,
    ports: BTreeMap<String, Option<Vec<Binding>>>,
    sandbox_key: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    networks: BTreeMap<&'static str, Network>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename = "*define.InspectAdditionalNetwork", rename_all = "PascalCase")]
struct Network {
    #[serde(rename = "EndpointID")]
    endpoint_id: &'static str,
    gateway: &'static str,
    #[serde(rename = "IPAddress")]
    ip_address: &'static str,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: &'static str,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: &'static str,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    mac_address: &'static str,
    #[serde(rename = "NetworkID")]
    network_id: &'static str,
    driver_opts: Option<()>,
    #[serde(rename = "IPAMConfig")]
    ipam_config: Option<()>,
    links: Option<()>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "define.InspectHostPort", rename_all = "PascalCase")]
pub struct Binding {
    host_ip: String,
    host_port: String,
}

impl NetworkSettings {
    pub fn of(config: &ContainerConfig, state: &ContainerState) -> Self {
        let network = match &config.network.mode {
            NetworkMode::Pasta => Some("pasta"),
            NetworkMode::Slirp4netns => Some("slirp4netns"),
            NetworkMode::Host => Some("host"),
            NetworkMode::None => Some("none"),
            NetworkMode::Container(_) | NetworkMode::Path(_) => None,
        };
        // podman lists a mode as a network only where the container does not run.
        let networks = network.filter(|name| state.pid == 0 || matches!(*name, "host" | "none"));
        let mut ports: BTreeMap<String, Option<Vec<Binding>>> =
            exposed_ports(&config.network.expose).into_iter().map(|(port, protocol)| (format!("{port}/{protocol}"), None)).collect();
        let published = if state.ports.is_empty() { &config.network.ports } else { &state.ports };
        ports.extend(bindings(published).into_iter().map(|(port, list)| (port, Some(list))));
        Self {
            ports,
            sandbox_key: if state.pid > 0 { format!("/proc/{}/ns/net", state.pid) } else { String::new() },
            networks: networks.map(|name| (name, Network { network_id: name, ..Network::default() })).into_iter().collect(),
            ..Self::default()
        }
    }
}

/// Bindings by `PORT/PROTOCOL` of the container.
pub fn bindings(ports: &[PortMapping]) -> BTreeMap<String, Vec<Binding>> {
    let mut bindings = BTreeMap::<String, Vec<Binding>>::new();
    for port in single_ports(ports) {
        let host_ip = if port.host_ip.is_empty() { "0.0.0.0".to_owned() } else { port.host_ip.clone() };
        let key = format!("{}/{}", port.container_port, port.protocol);
        bindings.entry(key).or_default().push(Binding { host_ip, host_port: port.host_port.to_string() });
    }
    bindings
}
