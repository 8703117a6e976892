//! `container prune`: remove containers that do not run.

use std::process::ExitCode;

use crate::cli::{CliError, Globals, output, several};
use crate::engine::system;

#[derive(clap::Args)]
pub struct PruneArgs {
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

pub fn prune(args: PruneArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.force || several::confirm("WARNING! This will remove all non running containers.")? {
        let (removed, _) = system::prune_containers(&globals.engine()?, &args.filter)?;
        removed.iter().try_for_each(|id| output::line(id))?;
    }
    Ok(ExitCode::SUCCESS)
}
