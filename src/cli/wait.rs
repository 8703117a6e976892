//! `wait`: until containers end, or reach another state.

use std::process::ExitCode;
use std::time::Duration;

use super::several::Failures;
use super::{CliError, Globals, output};
use crate::engine::container::{self, Condition};
use crate::engine::when;
use crate::storage;

#[derive(clap::Args)]
pub struct WaitArgs {
    /// Condition to wait on
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    condition: Vec<String>,
    /// Return on the first container that matches a condition
    #[arg(long)]
    exit_first_match: bool,
    /// Ignore if a container does not exist
    #[arg(long)]
    ignore: bool,
    /// Time Interval to wait before polling for completion
    #[arg(short, long, default_value = "250ms", value_name = "DURATION")]
    interval: String,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Containers, by name or ID
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

pub fn wait(args: WaitArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.names.is_empty() && !args.latest {
        return Err(CliError::new("\"dulse wait\" requires a name, id, or the \"--latest\" flag"));
    }
    if !args.names.is_empty() && args.latest {
        return Err(CliError::new("--latest and containers cannot be used together"));
    }
    let interval = interval(&args.interval).ok_or_else(|| CliError::new(format!("time: invalid duration {:?}", args.interval)))?;
    let conditions = args.condition.iter().map(|text| Condition::parse(text)).collect::<Result<Vec<_>, _>>()?;
    let engine = globals.engine()?;
    let mut ids = Vec::new();
    if args.latest {
        ids.push(Some(container::latest(&engine)?.id));
    }
    for name in &args.names {
        match container::find(&engine, name) {
            Ok(selected) => ids.push(Some(selected.id)),
            Err(storage::Error::NoContainer(_)) if args.ignore => ids.push(None),
            Err(error) => return Err(error.into()),
        }
    }
    if args.exit_first_match {
        let code = container::wait_first(&engine, &ids.into_iter().flatten().collect::<Vec<_>>(), &conditions, interval)?;
        output::line(&code.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut failures = Failures::default();
    for id in ids {
        match id.map_or(Ok(-1), |id| container::wait(&engine, &id, &conditions, interval)) {
            Ok(code) => output::line(&code.to_string())?,
            Err(error) => failures.add(error),
        }
    }
    failures.finish()
}

/// A Go duration, or a number of milliseconds.
fn interval(text: &str) -> Option<Duration> {
    match text.parse::<u64>() {
        Ok(milliseconds) => Some(Duration::from_millis(milliseconds)),
        Err(_) => when::duration(text).and_then(|duration| Duration::try_from(duration).ok()),
    }
}
