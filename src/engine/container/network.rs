//! The network of a container: its ports when it is created, its helper, /etc/hosts and /etc/resolv.conf when it is started.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::config::Config;
use crate::engine::{Engine, Error};
use crate::network::hosts::Hosts;
use crate::network::resolv::{self, Resolv};
use crate::network::{self, Backend, Connection, Plan, Settings, hosts, port};
use crate::spec::namespace;
use crate::spec::rootfs::RootView;
use crate::storage::containers::{self, ContainerPaths};
use crate::storage::{ContainerConfig, Network, NetworkMode};

/// ping without CAP_NET_RAW, which containers do not have by default: for group 0, as podman sets it.
const PING: (&str, &str) = ("net.ipv4.ping_group_range", "0 0");

/// Checks what was asked for, fills in what containers.conf says, and chooses the ports of the host. To be called once the image's ports are
/// among the exposed ones.
pub fn settle(engine: &Engine, publish: &[String], config: &mut ContainerConfig) -> Result<(), Error> {
    check(config)?;
    let settings = Config::load(&engine.paths)?;
    apply_settings(&settings, config)?;
    if !matches!(config.network.mode, NetworkMode::Host | NetworkMode::Container(_) | NetworkMode::Path(_)) {
        config.sysctls.entry(PING.0.into()).or_insert_with(|| PING.1.into());
    }
    settle_ports(&settings.network.default_host_ips, publish, &mut config.network)
}

fn apply_settings(settings: &Config, config: &mut ContainerConfig) -> Result<(), Error> {
    let (containers, network) = (&settings.containers, &mut config.network);
    if let Some(netns) = containers.netns.as_deref().filter(|netns| !network.mode_set && !matches!(*netns, "private" | "bridge")) {
        (network.mode, network.options) = namespace::network(netns)?;
    }
    if !network.mode_set
        && network.mode == NetworkMode::Pasta
        && settings.network.default_rootless_network_cmd.as_deref() == Some("slirp4netns")
    {
        network.mode = NetworkMode::Slirp4netns;
    }
    network.no_hosts |= containers.no_hosts.unwrap_or(false) && network.add_hosts.is_empty() && network.hosts_file.is_empty();
    if network.hosts_file.is_empty() {
        network.hosts_file = containers.base_hosts_file.clone().unwrap_or_default();
    }
    network.host_address = containers.host_containers_internal_ip.clone().unwrap_or_default();
    if matches!(network.mode, NetworkMode::None | NetworkMode::Container(_)) {
        return Ok(());
    }
    let fill = |given: &mut Vec<String>, from: &Vec<String>| {
        if given.is_empty() {
            given.clone_from(from);
        }
    };
    fill(&mut network.dns, &containers.dns_servers);
    fill(&mut network.dns_search, &containers.dns_searches);
    fill(&mut network.dns_options, &containers.dns_options);
    Ok(())
}

/// What contradicts itself.
fn check(config: &ContainerConfig) -> Result<(), Error> {
    let network = &config.network;
    resolv::check_servers(&network.dns)?;
    network.add_hosts.iter().try_for_each(|addition| hosts::parse_addition(addition).map(drop))?;
    let mode = name(&network.mode);
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
    Ok(())
}

/// podman's word for a mode.
fn name(mode: &NetworkMode) -> &'static str {
    match mode {
        NetworkMode::Pasta => "pasta",
        NetworkMode::Slirp4netns => "slirp4netns",
        NetworkMode::Host => "host",
        NetworkMode::None => "none",
        NetworkMode::Container(_) => "container",
        NetworkMode::Path(_) => "path",
    }
}

fn settle_ports(default_host_ips: &[String], publish: &[String], network: &mut Network) -> Result<(), Error> {
    let wanted = publish.iter().flat_map(|value| value.split(',')).filter(|value| !value.is_empty());
    let published = wanted.map(port::published).collect::<Result<Vec<_>, _>>()?;
    let mut exposed = Vec::new();
    for text in &network.expose {
        exposed.extend(port::exposed(text)?);
    }
    if !network.publish_all {
        exposed.clear();
    }
    if !matches!(network.mode, NetworkMode::Pasta | NetworkMode::Slirp4netns) {
        if !published.is_empty() || network.publish_all {
            tracing::warn!(
                "Port mappings have been discarded because {:?} network namespace mode does not support them",
                name(&network.mode)
            );
        }
        return Ok(());
    }
    network.ports = port::choose(published, &exposed, default_host_ips)?;
    Ok(())
}

/// The helper that the container's network needs, if it needs one.
pub fn plan(engine: &Engine, config: &ContainerConfig, paths: &ContainerPaths) -> Result<Option<Plan>, Error> {
    let backend = match config.network.mode {
        NetworkMode::Pasta => Backend::Pasta,
        NetworkMode::Slirp4netns => Backend::Slirp4netns,
        _ => return Ok(None),
    };
    let settings = Config::load(&engine.paths)?;
    Ok(Some(Plan {
        backend,
        explicit: config.network.mode_set,
        options: config.network.options.clone(),
        ports: config.network.ports.clone(),
        directory: paths.runtime.clone(),
        cache: engine.paths.cache.clone(),
        settings: Settings {
            pasta_options: settings.network.pasta_options,
            slirp_options: settings.engine.network_cmd_options,
            helper_directories: settings.engine.helper_binaries_dir,
        },
    }))
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
    let host = match network.host_address.as_str() {
        "" => host,
        "none" => None,
        given => given.parse().ok().or(host),
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
