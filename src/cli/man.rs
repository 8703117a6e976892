//! `man` (hidden): writes a manual page for each command, from the definitions that parse it.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{CliError, Globals, verbs};

#[derive(clap::Args)]
pub struct ManArgs {
    /// Directory to write the pages to
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

pub fn man(args: ManArgs, _: &Globals) -> Result<ExitCode, CliError> {
    clap_mangen::generate_to(verbs::command(), &args.output)
        .map_err(|error| CliError::new(format!("cannot write manual pages to {}: {error}", args.output.display())))?;
    Ok(ExitCode::SUCCESS)
}
