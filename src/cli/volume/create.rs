//! `volume create`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::cli::{CliError, Globals, output};
use crate::engine::volume::{self, CreateRequest};

#[derive(clap::Args)]
pub struct CreateArgs {
    /// Specify volume driver name
    #[arg(short, long, default_value = "local")]
    driver: String,
    /// Set the GID of the volume owner
    #[arg(long)]
    gid: Option<u32>,
    /// Do not fail if volume with the same name exists
    #[arg(long)]
    ignore: bool,
    /// Set metadata for a volume
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Set the UID of the volume owner
    #[arg(long)]
    uid: Option<u32>,
    /// Name of the volume
    name: Option<String>,
}

pub fn create(args: CreateArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let request = CreateRequest {
        name: args.name,
        driver: args.driver,
        labels: pairs(&args.label),
        options: pairs(&args.opt),
        ignore: args.ignore,
        uid: args.uid,
        gid: args.gid,
    };
    output::line(&volume::create(&globals.engine()?, request)?)?;
    Ok(ExitCode::SUCCESS)
}

/// `KEY=VALUE`; a key alone has an empty value.
fn pairs(texts: &[String]) -> BTreeMap<String, String> {
    let split = |text: &String| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (text.clone(), String::new()),
    };
    texts.iter().map(split).collect()
}
