//! `volume ls`.

use std::process::ExitCode;

use crate::cli::template::{Format, Object, Value};
use crate::cli::{CliError, Globals, output, table, template};
use crate::engine::volume::{self, Volume};

const HEADERS: [(&str, &str); 15] = [
    ("Anonymous", "ANONYMOUS"),
    ("CreatedAt", "CREATED AT"),
    ("Driver", "DRIVER"),
    ("GID", "GID"),
    ("Labels", "LABELS"),
    ("MountCount", "MOUNT COUNT"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Name", "VOLUME NAME"),
    ("NeedsChown", "NEEDS CHOWN"),
    ("NeedsCopyUp", "NEEDS COPY UP"),
    ("Options", "OPTIONS"),
    ("Scope", "SCOPE"),
    ("Status", "STATUS"),
    ("UID", "UID"),
    ("VolumeConfigResponse", "VOLUME CONFIG RESPONSE"),
];

#[derive(clap::Args)]
pub struct LsArgs {
    /// Filter volume output
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Format volume output using JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Do not print headers
    #[arg(short, long)]
    noheading: bool,
    /// Print volume output in quiet mode
    #[arg(short, long)]
    quiet: bool,
}

pub fn ls(args: LsArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.quiet && args.format.is_some() {
        return Err("quiet and format flags cannot be used together".into());
    }
    let volumes = volume::list(&globals.engine()?, &args.filter)?;
    match args.format.as_deref() {
        Some("json") => output::json(&volumes, 2)?,
        Some(format) => {
            let headers: &[(&str, &str)] = if args.noheading { &[] } else { &HEADERS };
            let format = Format::list("ls", format)?;
            output::rendered(format.render_list(headers, volumes.iter().map(to_value).collect::<Result<_, _>>()?))?;
        }
        None if args.quiet => output::text(&volumes.iter().fold(String::new(), |text, volume| text + &volume.name + "\n"))?,
        None if volumes.is_empty() && args.noheading => {}
        None => {
            let header: &[&str] = if args.noheading { &[] } else { &["DRIVER", "VOLUME NAME"] };
            let cells = volumes.iter().map(|volume| vec![volume.driver.clone(), volume.name.clone()]);
            output::text(&table::rows(header, cells.collect::<Vec<_>>()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All fields, those included that JSON leaves out when they are empty.
pub(super) fn to_value(volume: &Volume) -> Result<Value, serde_json::Error> {
    let empty = std::collections::BTreeMap::new();
    Ok(Object::new("*types.VolumeListReport")
        .field("Name", &volume.name)
        .field("Driver", &volume.driver)
        .field("Mountpoint", &volume.mountpoint)
        .field("CreatedAt", template::time(&volume.created_at.0))
        .field("Status", &empty)
        .field("Labels", &volume.labels)
        .field("Scope", volume.scope)
        .field("Options", &volume.options)
        .field("UID", i64::from(volume.uid))
        .field("GID", i64::from(volume.gid))
        .field("Anonymous", volume.anonymous)
        .field("MountCount", i64::from(volume.mount_count))
        .field("NeedsCopyUp", volume.needs_copy_up)
        .field("NeedsChown", volume.needs_chown)
        .field("Timeout", 0)
        .field("StorageID", "")
        .json(&serde_json::to_value(volume)?)
        .build())
}
