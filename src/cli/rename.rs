//! `rename`: give a container another name.

use std::process::ExitCode;

use super::{CliError, Globals};
use crate::engine::container;

#[derive(clap::Args)]
pub struct RenameArgs {
    /// Container, by name or ID
    container: String,
    /// Its new name
    name: String,
}

pub fn rename(args: RenameArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let engine = globals.engine()?;
    let selected = container::find(&engine, &args.container)?;
    container::rename(&engine, &selected.id, &args.name)?;
    Ok(ExitCode::SUCCESS)
}
