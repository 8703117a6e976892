//! `image exists`: tells by the exit code alone.

use std::process::ExitCode;

use crate::cli::{CliError, Globals};
use crate::engine::image;

#[derive(clap::Args)]
pub struct ExistsArgs {
    /// Image, by name or ID
    image: String,
}

pub fn exists(args: ExistsArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let found = image::find(&globals.engine()?, &args.image)?.is_some();
    Ok(ExitCode::from(u8::from(!found)))
}
