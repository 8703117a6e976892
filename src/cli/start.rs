//! `start`.

use std::process::ExitCode;

use super::{CliError, Globals, error, output, run};
use crate::engine::container::{self, Selected, Selection, StartRequest, Started};
use crate::engine::{Engine, Error};
use crate::monitor::Streams;
use crate::storage::containers;
use crate::term::DetachKeys;

/// Options of `start`.
#[derive(Debug, clap::Args)]
pub struct StartArgs {
    /// Attach to the container's output
    #[arg(long, short)]
    attach: bool,
    /// Attach to the container's input, too
    #[arg(long, short)]
    interactive: bool,
    /// Start all containers that do not run
    #[arg(long)]
    all: bool,
    /// Start the containers that match, as for ps
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// The container created last
    #[arg(long, short)]
    latest: bool,
    /// Keys that detach from the container; empty for none
    #[arg(long, value_name = "KEYS", default_value = crate::term::DEFAULT_DETACH_KEYS)]
    detach_keys: String,
    /// Pass signals on to the container (the default when attached)
    #[arg(long, default_value_t = true, action = clap::ArgAction::SetTrue)]
    sig_proxy: bool,
    /// Containers, by name or ID
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(args: StartArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let attach = args.attach || args.interactive;
    if args.containers.is_empty() && !args.all && !args.latest && args.filter.is_empty() {
        return Err(CliError::new("start requires at least one argument"));
    }
    if attach && args.all {
        return Err(CliError::new("you cannot start and attach all containers at once"));
    }
    if attach && args.containers.len() > 1 {
        return Err(CliError::new("you cannot start and attach multiple containers at once"));
    }
    let detach_keys = DetachKeys::parse(&args.detach_keys)?;
    let engine = globals.engine()?;
    let chosen = choose(&engine, &args)?;
    if attach {
        return match chosen.into_iter().next() {
            Some(selected) => attached(&engine, &selected?.id, &args, detach_keys),
            None => Ok(ExitCode::SUCCESS),
        };
    }
    // A name that stands for nothing stops all, as for podman.
    let chosen = chosen.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut failed = false;
    for Selected { id, shown } in &chosen {
        let started = containers::load_config(&engine.store, id)
            .map_err(Error::from)
            .and_then(|config| container::start(&engine, config, &StartRequest::default()));
        match started {
            Ok(_) => output::line(shown)?,
            Err(failure) => {
                error::report(&wrapped(id, failure));
                failed = true;
            }
        }
    }
    Ok(if failed { ExitCode::from(125) } else { ExitCode::SUCCESS })
}

/// What is to be started; with `--all`, what does not run.
fn choose(engine: &Engine, args: &StartArgs) -> Result<Vec<Result<Selected, Error>>, CliError> {
    let selection = Selection {
        names: args.containers.clone(),
        all: args.all,
        latest: args.latest,
        filters: args.filter.clone(),
        ..Selection::default()
    };
    let idle = |selected: &Result<Selected, crate::storage::Error>| match selected {
        Ok(selected) if args.all => !containers::is_alive(&engine.store, &selected.id),
        _ => true,
    };
    Ok(selection.resolve(engine)?.into_iter().filter(idle).map(|selected| selected.map_err(Error::from)).collect())
}

fn attached(engine: &Engine, id: &str, args: &StartArgs, detach_keys: DetachKeys) -> Result<ExitCode, CliError> {
    let config = containers::load_config(&engine.store, id).map_err(Error::from)?;
    let terminal = config.process.terminal;
    let streams = Streams { stdin: args.interactive && config.process.stdin_open, ..run::streams(&config) };
    let request = StartRequest { streams, wait: true, sig_proxy: args.sig_proxy && !terminal, detach_keys };
    match container::start(engine, config, &request).map_err(|failure| wrapped(id, failure))? {
        Started::Exited(code) => Ok(ExitCode::from(code as u8)),
        Started::Detached | Started::Running(_) => Ok(ExitCode::SUCCESS),
        Started::AlreadyRunning => match container::attach(engine, id, &request)? {
            Started::Exited(code) => Ok(ExitCode::from(code as u8)),
            _ => Ok(ExitCode::SUCCESS),
        },
    }
}

/// `start` ends with 125 whatever the reason, unlike `run`.
fn wrapped(id: &str, failure: Error) -> CliError {
    let hint = failure.hint();
    let error = CliError::new(format!("unable to start container {id:?}: {}", failure.message()));
    CliError { hint, ..error }
}
