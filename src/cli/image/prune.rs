//! `image prune`: remove images that nothing uses.

use std::process::ExitCode;

use crate::cli::{CliError, Globals, output, several};
use crate::engine::image;

#[derive(clap::Args)]
pub struct PruneArgs {
    /// Remove all images not in use by containers, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Remove persistent build cache (there is none)
    #[arg(long)]
    build_cache: bool,
    /// Remove images even when they are used by external containers (there are none)
    #[arg(long)]
    external: bool,
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

pub fn prune(args: PruneArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let warning = match args.all {
        true => "WARNING! This command removes all images without at least one container associated with them.",
        false => "WARNING! This command removes all dangling images.",
    };
    if args.force || several::confirm(warning)? {
        for pruned in image::prune(&globals.engine()?, args.all, &args.filter)? {
            output::line(&pruned.id)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
