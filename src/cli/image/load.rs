//! `load`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{CliError, Globals, output};
use crate::engine::image;

/// Load one or more images from a tar archive or directory
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// Read from this archive or directory instead of standard input
    #[arg(short, long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Do not show what is copied
    #[arg(short, long)]
    quiet: bool,
}

pub fn load(args: LoadArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.input.is_none() && std::io::stdin().is_terminal() {
        return Err(CliError::new("cannot read from terminal, use command-line redirection or the --input flag"));
    }
    let input = args.input.filter(|path| path.as_os_str() != "-");
    for record in image::load(&globals.engine()?, input.as_deref(), args.quiet)? {
        if record.names.is_empty() {
            output::line(&format!("Loaded image: sha256:{}", record.id))?;
        }
        for name in &record.names {
            output::line(&format!("Loaded image: {name}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
