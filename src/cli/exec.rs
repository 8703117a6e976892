//! `exec`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::container_flags::{read_environment, which};
use super::{CliError, Globals, output};
use crate::engine::container::{self, ExecRequest, StartRequest, Started};
use crate::monitor::Streams;
use crate::term::DetachKeys;

/// Options of `exec`.
#[derive(Debug, clap::Args)]
pub struct ExecArgs {
    /// Run in the background and print the session's ID
    #[arg(long, short)]
    detach: bool,
    /// Keys that detach from the session; empty for none
    #[arg(long, value_name = "KEYS", default_value = crate::term::DEFAULT_DETACH_KEYS)]
    detach_keys: String,
    /// Set an environment variable: NAME=VALUE; NAME or PREFIX* copy from the host
    #[arg(long, short, value_name = "ENV")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Keep standard input open
    #[arg(long, short)]
    interactive: bool,
    /// The container created last
    #[arg(long, short)]
    latest: bool,
    /// Read the container's ID from a file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// All capabilities of the user namespace, and no filter
    #[arg(long)]
    privileged: bool,
    /// Pass this number of descriptors, from 3 on
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    preserve_fds: u32,
    /// Give the process a terminal
    #[arg(long, short)]
    tty: bool,
    /// User, by name or ID: USER[:GROUP]
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Working directory
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// Container, command and its arguments
    #[arg(value_name = "CONTAINER COMMAND [ARG]...", trailing_var_arg = true)]
    operands: Vec<String>,
}

pub fn run(args: ExecArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let mut operands = args.operands.into_iter();
    let named = if args.latest || args.cidfile.is_some() { None } else { operands.next() };
    if named.is_none() && !args.latest && args.cidfile.is_none() {
        return Err(CliError::new("exec requires the name or ID of a container or the --latest or --cidfile flag"));
    }
    let command: Vec<String> = operands.collect();
    let environment = read_environment(&args.env_file, &args.env)?;
    crate::sys::host::inherited(args.preserve_fds)
        .map_err(|_| CliError::new("the preserve-fds option requires that file descriptors must be passed"))?;
    let detach_keys = DetachKeys::parse(&args.detach_keys)?;
    let engine = globals.engine()?;
    let id = which(&engine, named.as_deref(), args.cidfile.as_deref())?;
    if command.is_empty() {
        return Err(CliError::new("must provide a non-empty command to start an exec session: invalid argument"));
    }
    let streams = if args.detach { Streams::NONE } else { Streams { stdin: args.interactive, stdout: true, stderr: true } };
    let request = ExecRequest {
        command,
        environment,
        user: args.user,
        workdir: args.workdir,
        terminal: args.tty,
        stdin: args.interactive,
        privileged: args.privileged,
        preserve_fds: args.preserve_fds,
        detach: args.detach,
        start: StartRequest { streams, wait: !args.detach, sig_proxy: false, detach_keys },
    };
    let executed = container::exec(&engine, &id, request)?;
    match executed.outcome {
        Started::Exited(code) => Ok(ExitCode::from(code as u8)),
        Started::Detached => Ok(ExitCode::SUCCESS),
        Started::Running(_) | Started::AlreadyRunning => {
            output::line(&executed.id)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
