//! `volume inspect`.

use std::process::ExitCode;

use crate::cli::several::Failures;
use crate::cli::template::Format;
use crate::cli::{CliError, Globals, output};
use crate::engine::volume;

#[derive(clap::Args)]
pub struct InspectArgs {
    /// Inspect all volumes
    #[arg(short, long)]
    all: bool,
    /// Format volume output using JSON or a Go template
    #[arg(short, long, default_value = "json")]
    format: String,
    /// Names of the volumes
    #[arg(value_name = "VOLUME")]
    names: Vec<String>,
}

pub fn inspect(args: InspectArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.all && !args.names.is_empty() || !args.all && args.names.is_empty() {
        return Err("provide one or more volume names or use --all".into());
    }
    let engine = globals.engine()?;
    let mut failures = Failures::default();
    let mut found = Vec::new();
    if args.all {
        found = volume::list(&engine, &[])?;
    }
    for name in &args.names {
        match volume::inspect(&engine, name) {
            Ok(volume) => found.push(volume),
            Err(_) => failures.add(CliError::new(format!("no such volume {name}"))),
        }
    }
    if args.format == "json" || args.format.is_empty() {
        output::json(&found, 5)?;
    } else {
        let format = Format::list("inspect", &args.format)?;
        output::rendered(format.render_list(&[], found.iter().map(super::ls::to_value).collect::<Result<_, _>>()?))?;
    }
    failures.finish()
}
