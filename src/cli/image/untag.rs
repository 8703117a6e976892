//! `untag`: take names from an image.

use std::process::ExitCode;

use crate::cli::{CliError, Globals};
use crate::engine::image;

#[derive(clap::Args)]
pub struct UntagArgs {
    /// Image, by name or ID
    image: String,
    /// Names to take from it; all of them where none is given
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub fn untag(args: UntagArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    image::untag(&globals.engine()?, &args.image, &args.names)?;
    Ok(ExitCode::SUCCESS)
}
