//! `rmi`: remove images.

use std::process::ExitCode;

use crate::cli::several::Failures;
use crate::cli::{CliError, Globals, output};
use crate::engine::Error;
use crate::engine::image::{self, ListRequest, RemoveOptions, Removed};
use crate::storage;

#[derive(clap::Args)]
pub struct RmiArgs {
    /// Remove all images
    #[arg(short, long)]
    all: bool,
    /// Force removal of the image and of the containers that use it
    #[arg(short, long)]
    force: bool,
    /// Ignore errors if a specified image does not exist
    #[arg(short, long)]
    ignore: bool,
    /// Do not remove dangling images (there are no parent images to remove)
    #[arg(long)]
    no_prune: bool,
    /// Images, by name or ID
    #[arg(value_name = "IMAGE")]
    names: Vec<String>,
}

pub fn rmi(args: RmiArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.all && !args.names.is_empty() {
        return Err("when using the --all switch, you may not pass any images names or IDs".into());
    }
    if !args.all && args.names.is_empty() {
        return Err("image name or ID must be specified".into());
    }
    let engine = globals.engine()?;
    let names = match args.all {
        true => image::list(&engine, &ListRequest::default())?.into_iter().map(|image| image.record.id).collect(),
        false => args.names,
    };
    let remove = |name: &str| match args.all && !args.force {
        // All of an image's names go, but no container that uses it.
        true => image::remove_with_names(&engine, name),
        false => image::remove(&engine, name, RemoveOptions { force: args.force }),
    };
    let mut failures = Failures::default();
    for name in names {
        match remove(&name) {
            Ok(done) => {
                for step in done {
                    match step {
                        Removed::Untagged(name) => output::line(&format!("Untagged: {name}"))?,
                        Removed::Deleted(id) => output::line(&format!("Deleted: {id}"))?,
                    }
                }
            }
            Err(Error::Storage(storage::Error::NoImage(_))) if args.ignore || args.force => {}
            Err(error) => {
                let code = match &error {
                    Error::Storage(storage::Error::NoImage(_)) => 1,
                    Error::Storage(storage::Error::ImageInUse { .. }) => 2,
                    other => other.exit_code(),
                };
                failures.add(CliError::new(error).code(code));
            }
        }
    }
    failures.finish()
}
