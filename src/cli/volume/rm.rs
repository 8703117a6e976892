//! `volume rm`.

use std::process::ExitCode;

use crate::cli::several::Failures;
use crate::cli::{CliError, Globals, output};
use crate::engine::{Error, volume};
use crate::storage;

#[derive(clap::Args)]
pub struct RmArgs {
    /// Remove all volumes
    #[arg(short, long)]
    all: bool,
    /// Remove a volume by force, even if it is being used by a container
    #[arg(short, long)]
    force: bool,
    /// Seconds to wait for running containers to stop before killing the container
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names of the volumes
    #[arg(value_name = "VOLUME")]
    names: Vec<String>,
}

pub fn rm(args: RmArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.all != args.names.is_empty() {
        return Err("choose either one or more volumes or all".into());
    }
    if args.time.is_some() && !args.force {
        return Err("--force option must be specified to use the --time option".into());
    }
    let engine = globals.engine()?;
    let names = match args.all {
        true => volume::list(&engine, &[])?.into_iter().map(|volume| volume.name).collect(),
        false => args.names,
    };
    let mut failures = Failures::default();
    for name in names {
        match volume::remove(&engine, &name, args.force, args.time) {
            Ok(name) => output::line(&name)?,
            Err(Error::Storage(storage::Error::NoVolume(_))) if args.force => {}
            Err(error) => {
                let code = match &error {
                    Error::Storage(storage::Error::NoVolume(_)) => 1,
                    Error::Storage(storage::Error::VolumeInUse { .. }) => 2,
                    other => other.exit_code(),
                };
                failures.add(CliError::new(error).code(code));
            }
        }
    }
    failures.finish()
}
