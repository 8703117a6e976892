//! `rm`: remove containers.

use std::path::PathBuf;
use std::process::ExitCode;

use super::several::{self, Failures};
use super::{CliError, Globals, output};
use crate::engine::container::{self, RemoveOptions, Selected, Selection};
use crate::storage;

#[derive(clap::Args)]
pub struct RmArgs {
    /// Remove all containers
    #[arg(short, long)]
    all: bool,
    /// Read the container ID from the file
    #[arg(long, value_name = "FILE")]
    cidfile: Vec<PathBuf>,
    /// Remove container and all containers that depend on the selected container
    #[arg(long)]
    depend: bool,
    /// Filter output based on conditions given
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Force removal of a running or unusable container
    #[arg(short, long)]
    force: bool,
    /// Ignore errors when a specified container is missing
    #[arg(short, long)]
    ignore: bool,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Seconds to wait for stop before killing the container
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    /// Containers, by name or ID
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

pub fn rm(args: RmArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.time.is_some() && !args.force {
        return Err(CliError::new("--force option must be specified to use the --time option"));
    }
    let selection = Selection {
        names: args.names,
        all: args.all,
        latest: args.latest,
        filters: args.filter,
        cidfiles: args.cidfile,
        ignore: args.ignore || args.force,
    };
    several::check(&selection)?;
    let engine = globals.engine()?;
    let mut failures = Failures::default();
    let mut chosen: Vec<Selected> = Vec::new();
    for selected in selection.resolve(&engine)? {
        match selected {
            Ok(selected) => chosen.push(selected),
            Err(storage::Error::NoContainer(name)) => {
                failures.add(CliError::new(format!("no container with ID or name {name:?} found: no such container")).code(1));
            }
            Err(error) => failures.add(error),
        }
    }
    // Dependents go with what they depend on.
    let options = RemoveOptions { force: args.force, timeout: args.time, volumes: args.volumes, depend: args.depend || args.all };
    let ids: Vec<String> = chosen.iter().map(|selected| selected.id.clone()).collect();
    for removed in container::remove_all(&engine, &ids, &options)? {
        removed.warning.iter().for_each(|warning| several::warn(warning));
        match removed.result {
            Ok(()) => {
                let shown =
                    chosen.iter().find(|selected| selected.id == removed.id).map_or(removed.id.as_str(), |selected| &selected.shown);
                output::line(shown)?;
            }
            Err(error) => failures.add(error),
        }
    }
    failures.finish()
}
