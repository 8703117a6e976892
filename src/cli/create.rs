//! `create`.

use std::process::ExitCode;

use super::container_flags::ContainerFlags;
use super::{CliError, Globals, output};
use crate::engine::container;

/// Options of `create`.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    #[command(flatten)]
    shared: ContainerFlags,
}

pub fn run(args: CreateArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = args.shared.request()?;
    let created = container::create(&globals.engine()?, request)?;
    output::line(&created.config.id)?;
    Ok(ExitCode::SUCCESS)
}
