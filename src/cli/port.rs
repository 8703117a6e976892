//! `port`: which ports of the host lead to a container.

use std::process::ExitCode;

use super::{CliError, Globals, output};
use crate::engine::container::{self, Selection};
use crate::storage::{PortMapping, Status, containers};

#[derive(clap::Args)]
pub struct PortArgs {
    /// Display port information for all containers
    #[arg(short, long)]
    all: bool,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Container, by name or ID
    container: Option<String>,
    /// PORT[/PROTOCOL] of the container
    #[arg(value_name = "PORT")]
    port: Option<String>,
}

pub fn port(args: PortArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    // With --latest the only operand is the port.
    let (container, wanted) = if args.latest && args.port.is_none() { (None, args.container) } else { (args.container, args.port) };
    if container.is_none() && !args.all && !args.latest {
        return Err(CliError::new("you must supply a running container name or id"));
    }
    if container.is_some() && args.all {
        return Err(CliError::new("no additional arguments can be used with --all"));
    }
    let wanted = wanted.as_deref().map(parse).transpose()?;
    let engine = globals.engine()?;
    let selection = Selection { names: container.into_iter().collect(), all: args.all, latest: args.latest, ..Selection::default() };
    let mut found = false;
    for selected in selection.resolve(&engine)? {
        let state = containers::load_state(&engine.store, &selected?.id)?;
        // Nothing leads to one that does not run.
        if state.status != Status::Running {
            continue;
        }
        for mapping in container::single_ports(&state.ports) {
            if wanted.as_ref().is_some_and(|(port, protocol)| mapping.container_port != *port || mapping.protocol != *protocol) {
                continue;
            }
            found = true;
            let host = address(&mapping);
            let prefix = if args.all { format!("{}\t", &state.id[..12]) } else { String::new() };
            match &wanted {
                Some(_) if !args.all => output::line(&host)?,
                _ => output::line(&format!("{prefix}{}/{} -> {host}", mapping.container_port, mapping.protocol))?,
            }
        }
        if let (Some((port, protocol)), false) = (&wanted, found || state.ports.is_empty()) {
            let shown = if protocol == "tcp" { port.to_string() } else { format!("{port}/{protocol}") };
            return Err(CliError::new(format!("failed to find published port {shown:?}")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(text: &str) -> Result<(u16, String), CliError> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match (port.parse(), protocol) {
        (Ok(port), "tcp" | "udp" | "sctp") => Ok((port, protocol.to_owned())),
        (Ok(_), _) => Err(CliError::new(format!("port protocol must be tcp, udp or sctp: {protocol:?}"))),
        _ => Err(CliError::new(format!("invalid port {port:?}"))),
    }
}

fn address(mapping: &PortMapping) -> String {
    match mapping.host_ip.as_str() {
        "" => format!("0.0.0.0:{}", mapping.host_port),
        ip if ip.contains(':') => format!("[{ip}]:{}", mapping.host_port),
        ip => format!("{ip}:{}", mapping.host_port),
    }
}
