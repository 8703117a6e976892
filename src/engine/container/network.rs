//! The network of a container: its ports when it is created, its helper, /etc/hosts and /etc/resolv.conf when it is started.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::engine::{Engine, Error};
use crate::network::hosts::Hosts;
use crate::network::resolv::{self, Resolv};
use crate::network::{self, Backend, Connection, Plan, Settings, hosts, port};
use crate::spec::rootfs::RootView;
use crate::storage::containers::{self, ContainerPaths};
use crate::storage::{ContainerConfig, NetworkMode};

/// Checks what was asked for and chooses the ports of the host. To be called once the image's ports are among the exposed ones.
pub fn settle(publish: &[String], config: &mut ContainerConfig) -> Result<(), Error> {
    let network = &mut config.network;
    resolv::check_servers(&network.dns)?;
    network.add_hosts.iter().try_for_each(|addition| hosts::parse_addition(addition).map(drop))?;
    let (mode, has_ports) = match network.mode {
        NetworkMode::Pasta => ("pasta", true),
        NetworkMode::Slirp4netns => ("slirp4netns", true),
        NetworkMode::Host => ("host", false),
        NetworkMode::None => ("none", false),
        NetworkMode::Container(_) => ("container", false),
        NetworkMode::Path(_) => ("path", false),
    };
    if matches!(network.mode, NetworkMode::None | NetworkMode::Container(_)) {
        for (name, given) in [("dns", &network.dns), ("dns-search", &network.dns_search), ("dns-option", &network.dns_options)] {
            if !given.is_empty() {
                return Err(Error::Invalid(format!("conflicting options: {name} and the network mode: {mode}")));
            }
        }
    }
    if matches!(network.mode, NetworkMode::Container(_)) && !network.add_hosts.is_empty() {
        let text = "cannot set extra host entries when the container is joined to another containers network namespace";
        return Err(Error::Invalid(format!("invalid config provided: {text}: invalid configuration")));
    }
    let wanted = publish.iter().flat_map(|value| value.split(',')).filter(|value| !value.is_empty());
    let published = wanted.map(port::published).collect::<Result<Vec<_>, _>>()?;
    let mut exposed = Vec::new();
    for text in &network.expose {
        exposed.extend(port::exposed(text)?);
    }
    if !network.publish_all {
        exposed.clear();
    }
    if !has_ports {
        if !published.is_empty() || network.publish_all {
            tracing::warn!("Port mappings have been discarded because {mode:?} network namespace mode does not support them");
        }
        return Ok(());
    }
    network.ports = port::choose(published, &exposed, &[])?;
    Ok(())
}

/// The helper that the container's network needs, if it needs one.
pub fn plan(engine: &Engine, config: &ContainerConfig, paths: &ContainerPaths) -> Option<Plan> {
    let backend = match config.network.mode {
        NetworkMode::Pasta => Backend::Pasta,
        NetworkMode::Slirp4netns => Backend::Slirp4netns,
        _ => return None,
    };
    Some(Plan {
        backend,
        explicit: config.network.mode_set,
        options: config.network.options.clone(),
        ports: config.network.ports.clone(),
        directory: paths.runtime.clone(),
        cache: engine.paths.cache.clone(),
        settings: Settings::default(),
    })
}

/// The texts of /etc/hosts and /etc/resolv.conf; `None` leaves the image's file.
pub struct Names {
    pub hosts: Option<String>,
    pub resolv_conf: Option<String>,
}

impl Names {
    /// What is known before the start. Files that a helper's network decides on are empty until then.
    pub fn before_start(engine: &Engine, config: &ContainerConfig, view: &RootView) -> Result<Self, Error> {
        if !matches!(config.network.mode, NetworkMode::Pasta | NetworkMode::Slirp4netns) {
            return Self::of(engine, config, view, None);
        }
        let unless = |absent: bool| (!absent).then(String::new);
        Ok(Self { hosts: unless(config.network.no_hosts), resolv_conf: unless(config.network.dns == ["none"]) })
    }

    /// With what a helper has made of the network, where there is one.
    pub fn of(engine: &Engine, config: &ContainerConfig, view: &RootView, connection: Option<&Connection>) -> Result<Self, Error> {
        if let NetworkMode::Container(id) = &config.network.mode {
            return Ok(Self::shared(engine, config, id));
        }
        let hosts = if config.network.no_hosts { None } else { Some(hosts_text(config, view, connection)?) };
        Ok(Self { hosts, resolv_conf: resolv_text(config, connection)? })
    }

    /// A container in another one's network has that one's files, and its own name as a name for this machine.
    fn shared(engine: &Engine, config: &ContainerConfig, id: &str) -> Self {
        let other = containers::paths(&engine.store, id).runtime;
        let read = |name: &str| fs::read_to_string(other.join(name)).ok();
        let hosts = read("hosts").filter(|_| !config.network.no_hosts);
        Self {
            hosts: hosts.map(|text| format!("{text}127.0.0.1\t{} {}\n", config.hostname, config.name)),
            resolv_conf: read("resolv.conf"),
        }
    }
}

fn hosts_text(config: &ContainerConfig, view: &RootView, connection: Option<&Connection>) -> Result<String, Error> {
    let network = &config.network;
    let base = match network.hosts_file.as_str() {
        "none" => String::new(),
        "image" => view.read("etc/hosts"),
        "" => fs::read_to_string(hosts::HOST_FILE).unwrap_or_default(),
        path => {
            let path = PathBuf::from(path);
            fs::read_to_string(&path).map_err(|error| Error::Io { action: "failed to create new hosts file: open", path, source: error })?
        }
    };
    let (own, host) = match (&network.mode, connection) {
        (_, Some(connection)) => (connection.addresses.first().copied(), connection.host),
        (NetworkMode::None, None) => (Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), network::host_address(&[])),
        _ => (None, network::host_address(&[])),
    };
    let names = [config.hostname.as_str(), config.name.as_str()];
    Ok(Hosts { base: &base, add: &network.add_hosts, host, own, names: &names }.text()?)
}

fn resolv_text(config: &ContainerConfig, connection: Option<&Connection>) -> Result<Option<String>, Error> {
    let network = &config.network;
    if network.mode == NetworkMode::None || network.dns == ["none"] {
        return Ok(None);
    }
    let own_network = network.mode != NetworkMode::Host;
    let host = resolv::host_text(own_network)?;
    let resolv = Resolv {
        host: &host,
        own_network,
        ipv6: connection.is_some_and(|connection| connection.ipv6),
        forwarders: connection.map_or(&[][..], |connection| &connection.dns),
        servers: &network.dns,
        search: &network.dns_search,
        options: &network.dns_options,
    };
    Ok(Some(resolv.text()))
}
