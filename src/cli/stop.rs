//! `stop`: ask containers to end, and kill those that do not.

use std::path::PathBuf;
use std::process::ExitCode;

use super::several::{self, Failures};
use super::{CliError, Globals, output};
use crate::engine::container::{self, Selection};

#[derive(clap::Args)]
pub struct StopArgs {
    /// Stop all running containers
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Filter output based on conditions given
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Ignore errors when a specified container is missing
    #[arg(short, long)]
    ignore: bool,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Seconds to wait for stop before killing the container
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Containers, by name or ID
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

pub fn stop(args: StopArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let selection = Selection {
        names: args.names,
        all: args.all,
        latest: args.latest,
        filters: args.filter,
        cidfiles: args.cidfile,
        ignore: args.ignore,
    };
    several::check(&selection)?;
    let engine = globals.engine()?;
    let mut failures = Failures::default();
    let mut stopping = Vec::new();
    for selected in selection.resolve(&engine)? {
        match selected.map_err(CliError::new).and_then(|selected| {
            let begun = container::stop::begin(&engine, &selected.id, args.time)?;
            Ok((selected.shown, begun))
        }) {
            Ok(begun) => stopping.push(begun),
            Err(failure) => failures.add(failure),
        }
    }
    for (shown, begun) in stopping {
        match begun.finish(&engine) {
            Ok(stopped) => {
                stopped.warning.iter().for_each(|warning| several::warn(warning));
                output::line(&shown)?;
            }
            Err(error) => failures.add(error),
        }
    }
    failures.finish()
}
