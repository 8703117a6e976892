//! `unshare`: run a command in a modified user namespace.

use std::process::ExitCode;

use super::{CliError, Globals};

/// Run a command in a user namespace with the IDs that containers have by default, and in a mount namespace of its own: what they own in
/// volumes can be looked at and removed there.
#[derive(Debug, clap::Args)]
pub struct UnshareArgs {
    /// Command and its arguments; the user's shell otherwise
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub fn unshare(args: UnshareArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let code = crate::engine::unshare::unshare(&globals.engine()?, &args.command)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(125)))
}
