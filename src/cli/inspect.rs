//! `inspect`: everything about containers, images and volumes.

use std::process::ExitCode;

use serde::Serialize;

use super::several::Failures;
use super::template::{self, Format};
use super::{CliError, Globals, output};
use crate::engine::{Engine, container, inspect, volume};

#[derive(clap::Args)]
pub struct InspectArgs {
    /// Format the output to a Go template or json
    #[arg(short, long, default_value = "json")]
    format: String,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Display total file size
    #[arg(short, long)]
    size: bool,
    /// Specify inspect-object type: all, container, image or volume
    #[arg(short = 't', long = "type", default_value = "all")]
    kind: String,
    /// Names or IDs
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// What can be inspected.
#[derive(Serialize)]
#[serde(untagged)]
enum Object {
    Container(Box<inspect::Container>),
    Image(Box<inspect::Image>),
    Volume(Box<volume::Volume>),
}

pub fn inspect(args: InspectArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    run(args, globals)
}

#[derive(clap::Args)]
pub struct ContainerInspectArgs {
    /// Format the output to a Go template or json
    #[arg(short, long, default_value = "json")]
    format: String,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Display total file size
    #[arg(short, long)]
    size: bool,
    /// Containers, by name or ID
    #[arg(value_name = "CONTAINER")]
    names: Vec<String>,
}

/// `container inspect`.
pub fn container(args: ContainerInspectArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let ContainerInspectArgs { format, latest, size, names } = args;
    run(InspectArgs { format, latest, size, kind: "container".into(), names }, globals)
}

#[derive(clap::Args)]
pub struct ImageInspectArgs {
    /// Format the output to a Go template or json
    #[arg(short, long, default_value = "json")]
    format: String,
    /// Images, by name or ID
    #[arg(value_name = "IMAGE")]
    names: Vec<String>,
}

/// `image inspect`.
pub fn image(args: ImageInspectArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    run(InspectArgs { format: args.format, latest: false, size: false, kind: "image".into(), names: args.names }, globals)
}

fn run(args: InspectArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if !["all", "container", "image", "volume"].contains(&args.kind.as_str()) {
        let message = format!("invalid type {:?}: must be \"image\", \"container\", \"volume\", or \"all\"", args.kind);
        return Err(message.into());
    }
    if args.latest && !args.names.is_empty() {
        return Err("--latest and arguments cannot be used together".into());
    }
    if !args.latest && args.names.is_empty() {
        return Err("no names or ids specified".into());
    }
    let engine = globals.engine()?;
    let mut names = args.names.clone();
    if args.latest {
        names.push(container::latest(&engine)?.id);
    }
    let mut failures = Failures::default();
    let mut found = Vec::new();
    for name in &names {
        match look_up(&engine, name, &args) {
            Ok(object) => found.push(object),
            Err(failure) => failures.add(failure),
        }
    }
    if args.format == "json" || args.format.is_empty() {
        output::json(&found, 5)?;
    } else if !found.is_empty() {
        let format =
            Format::list("inspect", &args.format.replace(".Src", ".Source").replace(".Dst", ".Destination").replace(".ImageID", ".Image"))?;
        output::rendered(format.render_list(&[], found.iter().map(template::from_serialize).collect()))?;
    }
    failures.finish()
}

fn look_up(engine: &Engine, name: &str, args: &InspectArgs) -> Result<Object, CliError> {
    let container = || inspect::container(engine, name, args.size).map(|found| Object::Container(Box::new(found)));
    let image = || inspect::image(engine, name).map(|found| Object::Image(Box::new(found)));
    let volume = || volume::inspect(engine, name).map(|found| Object::Volume(Box::new(found)));
    let missing = |what: &str, error: crate::engine::Error| match is_missing(&error) {
        true => CliError::new(format!("no such {what} {name:?}")),
        false => error.into(),
    };
    match args.kind.as_str() {
        "container" => container().map_err(|error| missing("container", error)),
        "image" => Ok(image()?),
        "volume" => volume().map_err(|error| missing("volume", error)),
        _ => {
            for attempt in [&container as &dyn Fn() -> Result<Object, crate::engine::Error>, &image, &volume] {
                match attempt() {
                    Ok(found) => return Ok(found),
                    Err(error) if is_missing(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(CliError::new(format!("no such object: {name:?}")))
        }
    }
}

fn is_missing(error: &crate::engine::Error) -> bool {
    use crate::storage::Error::{NoContainer, NoImage, NoVolume};
    matches!(error, crate::engine::Error::Storage(NoContainer(_) | NoImage(_) | NoVolume(_)))
}
