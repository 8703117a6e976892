//! `system prune`: remove what nothing uses.

use std::process::ExitCode;

use crate::cli::{CliError, Globals, human, output, several};
use crate::engine::system::{self, PruneRequest};

#[derive(clap::Args)]
pub struct PruneArgs {
    /// Remove all unused data
    #[arg(short, long)]
    all: bool,
    /// Remove build containers (there are none)
    #[arg(long)]
    build: bool,
    /// Remove container data in storage not controlled by dulse (there is none)
    #[arg(long)]
    external: bool,
    /// Provide filter values (e.g. 'label=<key>=<value>')
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Prune volumes
    #[arg(long)]
    volumes: bool,
}

pub fn prune(args: PruneArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if !args.force && !several::confirm(&warning(&args))? {
        return Ok(ExitCode::SUCCESS);
    }
    let request = PruneRequest { all: args.all, volumes: args.volumes, filters: args.filter };
    let pruned = system::prune(&globals.engine()?, &request)?;
    let mut text = String::new();
    for (what, names) in [("Containers", &pruned.containers), ("Volumes", &pruned.volumes), ("Images", &pruned.images)] {
        if !names.is_empty() {
            text.push_str(&format!("Deleted {what}\n{}\n", names.join("\n")));
        }
    }
    output::line(&format!("{text}Total reclaimed space: {}", human::size(pruned.bytes, 4)))?;
    Ok(ExitCode::SUCCESS)
}

fn warning(args: &PruneArgs) -> String {
    let volumes = if args.volumes { "\n\t- all volumes not used by at least one container" } else { "" };
    let images = match args.all {
        true => "all images without at least one container associated with them\n\t- all build cache",
        false => "all dangling images\n\t- all dangling build cache",
    };
    format!(
        "WARNING! This command removes:\n\t- all stopped containers\n\t- all networks not used by at least one container{volumes}\n\t- {images}\n"
    )
}
