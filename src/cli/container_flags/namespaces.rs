//! Which namespaces are the container's own, and how IDs are mapped.

use crate::cli::CliError;
use crate::engine::container::CreateRequest;
use crate::spec::namespace::{Kind, parse};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Namespaces")]
pub struct NamespaceFlags {
    /// PID namespace: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE", default_value = "")]
    pid: String,
    /// IPC namespace: private, shareable, none, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE", default_value = "shareable")]
    ipc: String,
    /// UTS namespace: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE", default_value = "")]
    uts: String,
    /// Cgroup namespace: private, host, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE", default_value = "")]
    cgroupns: String,
    /// How cgroups are made: enabled, disabled, no-conmon or split
    #[arg(long, value_name = "MODE", default_value = "enabled")]
    cgroups: String,
    /// User namespace: host, keep-id[:uid=,gid=,size=], auto[:size=,...], nomap, container:NAME or ns:PATH
    #[arg(long, value_name = "MODE")]
    userns: Option<String>,
    /// Map user IDs: [FLAGS]CONTAINER_ID:FROM_ID[:SIZE]
    #[arg(long, value_name = "MAP", conflicts_with_all = ["subuidname", "subgidname"])]
    uidmap: Vec<String>,
    /// Map group IDs: [FLAGS]CONTAINER_ID:FROM_ID[:SIZE]
    #[arg(long, value_name = "MAP", conflicts_with_all = ["subuidname", "subgidname"])]
    gidmap: Vec<String>,
    /// Name in /etc/subuid whose range is used
    #[arg(long, value_name = "NAME")]
    subuidname: Option<String>,
    /// Name in /etc/subgid whose range is used
    #[arg(long, value_name = "NAME")]
    subgidname: Option<String>,
    /// Host name of the container
    #[arg(long, short = 'h', value_name = "NAME")]
    hostname: Option<String>,
    /// Do not make /etc/hostname
    #[arg(long)]
    no_hostname: bool,
}

impl NamespaceFlags {
    pub fn apply(self, request: &mut CreateRequest) -> Result<(), CliError> {
        let namespaces = &mut request.config.namespaces;
        namespaces.pid = parse(Kind::Pid, &self.pid)?;
        namespaces.ipc = parse(Kind::Ipc, &self.ipc)?;
        namespaces.uts = parse(Kind::Uts, &self.uts)?;
        namespaces.cgroup = parse(Kind::Cgroup, &self.cgroupns)?;
        if !matches!(self.cgroups.as_str(), "enabled" | "disabled" | "no-conmon" | "split") {
            let message = format!("invalid cgroup mode {:?}: must be enabled, disabled, no-conmon or split", self.cgroups);
            return Err(CliError::new(message));
        }
        if self.hostname.is_some() && namespaces.uts == crate::storage::Namespace::Host {
            return Err(CliError::new("cannot set hostname when running in the host UTS namespace: invalid configuration"));
        }
        let mapped = !self.uidmap.is_empty() || !self.gidmap.is_empty() || self.subuidname.is_some() || self.subgidname.is_some();
        if mapped && self.userns.as_deref().is_some_and(|mode| !matches!(mode, "" | "private" | "host")) {
            return Err(CliError::new("--userns and --uidmap/--gidmap/--subuidname/--subgidname are mutually exclusive"));
        }
        namespaces.user = self.userns.or_else(|| std::env::var("PODMAN_USERNS").ok()).unwrap_or_default();
        request.uidmap = self.uidmap;
        request.gidmap = self.gidmap;
        request.subuidname = self.subuidname;
        request.subgidname = self.subgidname;
        request.config.hostname_set = self.hostname.is_some();
        request.config.hostname = self.hostname.unwrap_or_default();
        request.config.network.no_hostname = self.no_hostname;
        Ok(())
    }
}
