//! `volume prune`: remove volumes that no container uses.

use std::process::ExitCode;

use crate::cli::{CliError, Globals, output, several};
use crate::engine::volume;

#[derive(clap::Args)]
pub struct PruneArgs {
    /// Accepted for compatibility: named volumes are always among those removed
    #[arg(short, long)]
    all: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

pub fn prune(args: PruneArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let engine = globals.engine()?;
    if args.dry_run {
        volume::unused(&engine, &args.filter)?.iter().try_for_each(|name| output::line(name))?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.force {
        let unused = volume::unused(&engine, &args.filter)?;
        if unused.is_empty() {
            output::line("No dangling volumes found")?;
            return Ok(ExitCode::SUCCESS);
        }
        let warning = "WARNING! This will remove all volumes not used by at least one container. The following volumes will be removed:";
        if !several::confirm(&format!("{warning}\n{}", unused.join("\n")))? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    for pruned in volume::prune(&engine, &args.filter)? {
        output::line(&pruned.name)?;
    }
    Ok(ExitCode::SUCCESS)
}
