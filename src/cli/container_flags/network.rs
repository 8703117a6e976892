//! Network mode, published ports, names and name servers.

use crate::cli::CliError;
use crate::engine::container::CreateRequest;
use crate::spec::namespace;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkFlags {
    /// Network mode: pasta[:OPTIONS], slirp4netns[:OPTIONS], host, none, container:NAME or ns:PATH
    #[arg(long, visible_alias = "net", value_name = "MODE")]
    network: Option<String>,
    /// Publish a port: [[IP:][HOST_PORT]:]PORT[/PROTOCOL]
    #[arg(long, short, value_name = "PORT")]
    publish: Vec<String>,
    /// Publish all exposed ports on random ports of the host
    #[arg(long, short = 'P')]
    publish_all: bool,
    /// Expose a port: PORT[/PROTOCOL] or a range
    #[arg(long, value_name = "PORT")]
    expose: Vec<String>,
    /// Add a line to /etc/hosts: NAME[;NAME]:IP; host-gateway stands for the host
    #[arg(long, value_name = "HOST:IP")]
    add_host: Vec<String>,
    /// Name server; none keeps the image's resolv.conf
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    dns: Vec<String>,
    /// Option of the resolver
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION", value_delimiter = ',')]
    dns_option: Vec<String>,
    /// Search domain
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    dns_search: Vec<String>,
    /// Do not make /etc/hosts
    #[arg(long)]
    no_hosts: bool,
    /// What /etc/hosts starts from: a path, image or none
    #[arg(long, value_name = "PATH", default_value = "")]
    hosts_file: String,
}

impl NetworkFlags {
    pub fn apply(self, request: &mut CreateRequest) -> Result<(), CliError> {
        if self.no_hosts && (!self.hosts_file.is_empty() || !self.add_host.is_empty()) {
            let other = if self.add_host.is_empty() { "--hosts-file" } else { "--add-host" };
            return Err(CliError::new(format!("--no-hosts and {other} cannot be set together")));
        }
        let network = &mut request.config.network;
        (network.mode, network.options) = namespace::network(self.network.as_deref().unwrap_or_default())?;
        network.mode_set = self.network.is_some_and(|mode| !matches!(mode.as_str(), "" | "private"));
        request.publish = self.publish;
        network.publish_all = self.publish_all;
        network.expose = self.expose;
        network.add_hosts = self.add_host;
        network.dns = self.dns;
        network.dns_options = self.dns_option;
        network.dns_search = self.dns_search;
        network.no_hosts = self.no_hosts;
        network.hosts_file = self.hosts_file;
        Ok(())
    }
}
