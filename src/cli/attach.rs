//! `attach`.

use std::process::ExitCode;

use super::{CliError, Globals, output};
use crate::engine::Error;
use crate::engine::container::{self, StartRequest};
use crate::monitor::Streams;
use crate::storage::containers;
use crate::term::DetachKeys;

/// Options of `attach`.
#[derive(Debug, clap::Args)]
pub struct AttachArgs {
    /// Keys that detach from the container; empty for none
    #[arg(long, value_name = "KEYS", default_value = crate::term::DEFAULT_DETACH_KEYS)]
    detach_keys: String,
    /// The container created last
    #[arg(long, short)]
    latest: bool,
    /// Do not attach to the container's input
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the container
    #[arg(long, default_value_t = true, action = clap::ArgAction::SetTrue)]
    sig_proxy: bool,
    /// Container, by name or ID
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(args: AttachArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.containers.len() > 1 {
        return Err(CliError::new("`dulse attach` accepts at most one argument"));
    }
    if args.latest && !args.containers.is_empty() {
        return Err(CliError::new("--latest and containers cannot be used together"));
    }
    let detach_keys = DetachKeys::parse(&args.detach_keys)?;
    let engine = globals.engine()?;
    let id = match args.containers.first() {
        Some(name) => container::find(&engine, name)?.id,
        None if args.latest => container::latest(&engine)?.id,
        None => return Err(CliError::new("\"dulse attach\" requires a name, id, or the \"--latest\" flag")),
    };
    if !containers::is_alive(&engine.store, &id) {
        return Err(CliError::new(format!("attaching to container {id}: you can only attach to running containers")));
    }
    let config = containers::load_config(&engine.store, &id).map_err(Error::from)?;
    let streams = Streams { stdin: !args.no_stdin && config.process.stdin_open, ..Streams::OUTPUT };
    let sig_proxy = args.sig_proxy && !config.process.terminal;
    container::attach(&engine, &id, &StartRequest { streams, wait: true, sig_proxy, detach_keys })?;
    // podman ends the container's last line, needed or not, and has no say in its exit code.
    output::line("")?;
    Ok(ExitCode::SUCCESS)
}
