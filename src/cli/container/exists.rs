//! `container exists`: tells by the exit code alone.

use std::process::ExitCode;

use crate::cli::{CliError, Globals};
use crate::engine::container;
use crate::storage;

#[derive(clap::Args)]
pub struct ExistsArgs {
    /// Check external storage containers as well as dulse's (there are none)
    #[arg(long)]
    external: bool,
    /// Container, by name or ID
    container: String,
}

pub fn exists(args: ExistsArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    match container::find(&globals.engine()?, &args.container) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(storage::Error::NoContainer(_)) => Ok(ExitCode::from(1)),
        Err(error) => Err(error.into()),
    }
}
