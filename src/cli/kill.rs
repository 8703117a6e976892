//! `kill`: send a signal to containers.

use std::path::PathBuf;
use std::process::ExitCode;

use super::several::{self, Failures};
use super::{CliError, Globals, output};
use crate::engine::container::{self, Selection};
use crate::spec::signal;

#[derive(clap::Args)]
pub struct KillArgs {
    /// Signal all running containers
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Signal to send to the container
    #[arg(short, long, default_value = "KILL")]
    signal: String,
    /// Containers, by name or ID
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

pub fn kill(args: KillArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let filters = if args.all { vec!["status=running".to_owned()] } else { Vec::new() };
    let selection = Selection { names: args.names, all: args.all, latest: args.latest, filters, cidfiles: args.cidfile, ignore: false };
    several::check(&selection)?;
    let number = signal::parse(&args.signal).map_err(|error| CliError::new(crate::engine::Error::from(error)))?;
    let engine = globals.engine()?;
    let mut failures = Failures::default();
    for selected in selection.resolve(&engine)? {
        match selected.map_err(CliError::new).and_then(|selected| {
            container::stop::kill(&engine, &selected.id, number)?;
            Ok(selected.shown)
        }) {
            Ok(shown) => output::line(&shown)?,
            Err(failure) => failures.add(failure),
        }
    }
    failures.finish()
}
