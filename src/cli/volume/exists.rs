//! `volume exists`: tells by the exit code alone.

use std::process::ExitCode;

use crate::cli::{CliError, Globals};
use crate::storage::volumes;

#[derive(clap::Args)]
pub struct ExistsArgs {
    /// Name of the volume
    volume: String,
}

pub fn exists(args: ExistsArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let found = volumes::get(&globals.engine()?.store, &args.volume)?.is_some();
    Ok(ExitCode::from(u8::from(!found)))
}
