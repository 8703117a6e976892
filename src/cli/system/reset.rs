//! `system reset`: back to the first day.

use std::process::ExitCode;

use crate::cli::{CliError, Globals, several};
use crate::engine::{Options, system};

#[derive(clap::Args)]
pub struct ResetArgs {
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

pub fn reset(args: ResetArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    // No engine is opened: that would need a store that is whole.
    let options = Options { root: globals.root.clone(), runroot: globals.runroot.clone(), ..Options::default() };
    let paths = system::reset_paths(&options)?;
    let [data, runtime, ..] = paths.as_slice() else { return Ok(ExitCode::SUCCESS) };
    let warning = format!(
        "WARNING! This will remove:\n        - all containers\n        - all images\n        - all volumes\n        - the data directory: {:?}\n        - the runtime directory: {:?}",
        data, runtime
    );
    if args.force || several::confirm(&warning)? {
        system::reset(&options)?;
    }
    Ok(ExitCode::SUCCESS)
}
