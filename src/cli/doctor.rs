//! `doctor`: what this host lacks to run containers.

use std::process::ExitCode;

use super::{CliError, Globals, output};
use crate::engine::doctor::{self, Check, Facts, Status};

/// Check what this host offers to containers, and print the command that mends what is missing. The exit code is 0 where containers can be
/// run, 1 otherwise.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Change the output format to JSON
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<String>,
    /// Print only what is not in order
    #[arg(long, short)]
    quiet: bool,
}

pub fn doctor(args: DoctorArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let mut checks = doctor::examine(&Facts::probe(&globals.options()));
    let runs = doctor::can_run(&checks);
    if args.quiet {
        checks.retain(|check| check.status != Status::Ok);
    }
    match args.format.as_deref() {
        Some("json") => output::json(&serde_json::json!({ "ok": runs, "checks": checks }), 2)?,
        Some(other) => return Err(CliError::new(format!("unknown format {other:?}: json is the only one"))),
        None => output::text(&report(&checks, runs))?,
    }
    Ok(ExitCode::from(u8::from(!runs)))
}

fn report(checks: &[Check], runs: bool) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for check in checks {
        let mark = match check.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        text.push_str(&format!("{mark}  {:width$}  {}\n", check.name, check.message));
        if let Some(command) = &check.mend {
            text.push_str(&format!("      {:width$}  -> {command}\n", ""));
        }
    }
    let warnings = checks.iter().filter(|check| check.status == Status::Warn).count();
    text.push_str(&match (runs, warnings) {
        (true, 0) => "Containers run on this host.\n".to_owned(),
        (true, 1) => "Containers run on this host; 1 feature is missing.\n".to_owned(),
        (true, _) => format!("Containers run on this host; {warnings} features are missing.\n"),
        (false, _) => "Containers cannot be run on this host as it is.\n".to_owned(),
    });
    text
}
