//! `restart`: stop and start again.

use std::path::PathBuf;
use std::process::ExitCode;

use super::several::{self, Failures};
use super::{CliError, Globals, output};
use crate::engine::container::{self, Selection};

#[derive(clap::Args)]
pub struct RestartArgs {
    /// Restart all non-running containers
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Filter output based on conditions given
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Restart only running containers
    #[arg(long)]
    running: bool,
    /// Seconds to wait for stop before killing the container
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Containers, by name or ID
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

pub fn restart(args: RestartArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let mut filters = args.filter;
    if args.running {
        filters.push("status=running".into());
    }
    let selection = Selection { names: args.names, all: args.all, latest: args.latest, filters, cidfiles: args.cidfile, ignore: false };
    several::check(&selection)?;
    let engine = globals.engine()?;
    let mut failures = Failures::default();
    let mut chosen = Vec::new();
    for selected in selection.resolve(&engine)? {
        match selected.map_err(CliError::new).and_then(|selected| {
            let stopping = container::begin_restart(&engine, &selected.id, args.time)?;
            Ok((selected, stopping))
        }) {
            Ok(begun) => chosen.push(begun),
            Err(failure) => failures.add(failure),
        }
    }
    for (selected, stopping) in chosen {
        match stopping.finish(&engine).and_then(|stopped| {
            stopped.warning.iter().for_each(|warning| several::warn(warning));
            container::start_again(&engine, &selected.id)
        }) {
            Ok(()) => output::line(&selected.shown)?,
            Err(error) => failures.add(error),
        }
    }
    failures.finish()
}
