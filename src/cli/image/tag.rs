//! `tag`: give an image more names.

use std::process::ExitCode;

use crate::cli::{CliError, Globals};
use crate::engine::image;

#[derive(clap::Args)]
pub struct TagArgs {
    /// Image, by name or ID
    image: String,
    /// Names to give it
    #[arg(required = true, value_name = "TARGET_NAME")]
    names: Vec<String>,
}

pub fn tag(args: TagArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    image::tag(&globals.engine()?, &args.image, &args.names)?;
    Ok(ExitCode::SUCCESS)
}
