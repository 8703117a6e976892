//! `run`: create and start in one.

use std::process::ExitCode;

use super::container_flags::ContainerFlags;
use super::{CliError, Globals, output};
use crate::engine::container::{self, StartRequest, Started};
use crate::monitor::Streams;
use crate::storage::ContainerConfig;
use crate::term::DetachKeys;

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    shared: ContainerFlags,
    /// Run in the background and print the container ID
    #[arg(long, short)]
    detach: bool,
    /// Keys that detach from the container; empty for none
    #[arg(long, value_name = "KEYS", default_value = crate::term::DEFAULT_DETACH_KEYS)]
    detach_keys: String,
    /// Pass signals on to the container
    #[arg(long, default_value_t = true, action = clap::ArgAction::SetTrue)]
    sig_proxy: bool,
}

pub fn run(args: RunArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = args.shared.request()?;
    if args.detach && !request.config.process.attach.is_empty() {
        return Err(CliError::new("invalid arguments: --attach and --detach cannot be used together"));
    }
    let detach_keys = DetachKeys::parse(&args.detach_keys)?;
    let engine = globals.engine()?;
    let created = container::create(&engine, request)?;
    let id = created.config.id.clone();
    let streams = if args.detach { Streams::NONE } else { streams(&created.config) };
    let sig_proxy = args.sig_proxy && !created.config.process.terminal;
    let start = StartRequest { streams, wait: !args.detach, sig_proxy, detach_keys };
    match container::start_new(&engine, created, &start)? {
        Started::Exited(code) => Ok(ExitCode::from(code as u8)),
        Started::Detached => Ok(ExitCode::SUCCESS),
        Started::Running(_) | Started::AlreadyRunning => {
            output::line(&id)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What a foreground start attaches to: what `-a` names, else output, and input with `-i`.
pub fn streams(config: &ContainerConfig) -> Streams {
    let named = |name: &str| config.process.attach.iter().any(|stream| stream == name);
    if config.process.attach.is_empty() {
        return Streams { stdin: config.process.stdin_open, stdout: true, stderr: true };
    }
    Streams { stdin: named("stdin") && config.process.stdin_open, stdout: named("stdout"), stderr: named("stderr") }
}
