//! `ps`: the containers there are.

use std::process::ExitCode;

use super::template::{self, Format};
use super::{CliError, Globals, output, table};
use crate::engine::container::{self, ListRequest};
use crate::storage::ContainerState;

mod row;

use row::Row;

/// What can be sorted by.
const SORTS: [&str; 8] = ["command", "created", "id", "image", "names", "runningfor", "size", "status"];

/// Headers of the fields that a table format can name.
const HEADERS: [(&str, &str); 36] = [
    ("AutoRemove", "AUTO REMOVE"),
    ("CIDFile", "CID FILE"),
    ("Cgroup", "CGROUPNS"),
    ("Command", "COMMAND"),
    ("Created", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedHuman", "CREATED"),
    ("ExitCode", "EXIT CODE"),
    ("Exited", "EXITED"),
    ("ExitedAt", "EXITED AT"),
    ("ExposedPorts", "EXPOSED PORTS"),
    ("ID", "CONTAINER ID"),
    ("IPC", "IPC"),
    ("Image", "IMAGE"),
    ("ImageID", "IMAGE ID"),
    ("IsInfra", "IS INFRA"),
    ("Labels", "LABELS"),
    ("MNT", "MNT"),
    ("Mounts", "MOUNTS"),
    ("NET", "NET"),
    ("Names", "NAMES"),
    ("Namespaces", "NAMESPACES"),
    ("Networks", "NETWORKS"),
    ("PIDNS", "PIDNS"),
    ("Pid", "PID"),
    ("Pod", "POD ID"),
    ("PodName", "PODNAME"),
    ("Ports", "PORTS"),
    ("Restarts", "RESTARTS"),
    ("RunningFor", "RUNNING FOR"),
    ("Size", "SIZE"),
    ("StartedAt", "STARTED AT"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("User", "USERNS"),
    ("UTS", "UTS"),
];

#[derive(clap::Args)]
pub struct PsArgs {
    /// Show all the containers, default is only running containers
    #[arg(short, long)]
    all: bool,
    /// Show containers in storage that are not dulse's own (there are none)
    #[arg(long)]
    external: bool,
    /// Filter output based on conditions given
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Pretty-print containers to JSON or using a Go template
    #[arg(long)]
    format: Option<String>,
    /// Print the n last created containers (all states)
    #[arg(short = 'n', long, value_name = "N", allow_negative_numbers = true)]
    last: Option<i64>,
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Display the extended information
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Do not print headers
    #[arg(long)]
    noheading: bool,
    /// Display namespace information
    #[arg(long, alias = "namespace")]
    ns: bool,
    /// Print the ID and name of the pod the containers are associated with
    #[arg(short, long)]
    pod: bool,
    /// Print the numeric IDs of the containers only
    #[arg(short, long)]
    quiet: bool,
    /// Display the total file sizes
    #[arg(short, long)]
    size: bool,
    /// Sort output by: command, created, id, image, names, runningfor, size, status
    #[arg(long, default_value = "created", value_name = "CHOICE")]
    sort: String,
    /// Accepted for compatibility: the state is always in sync
    #[arg(long)]
    sync: bool,
    /// Watch the ps output on an interval in seconds
    #[arg(short, long, value_name = "SECONDS")]
    watch: Option<u64>,
}

pub fn ps(args: PsArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    check(&args)?;
    let engine = globals.engine()?;
    let last = match args.last {
        _ if args.latest => Some(1),
        Some(last) if last >= 0 => usize::try_from(last).ok(),
        _ => None,
    };
    let request = ListRequest { all: args.all, last, filters: args.filter.clone() };
    loop {
        let mut states = container::list(&engine, &request)?;
        if !matches!(args.sort.as_str(), "created" | "size") {
            states.sort_by(|one, other| container::compare(&args.sort, one, other));
        }
        print(&args, &engine, states)?;
        match args.watch {
            None => return Ok(ExitCode::SUCCESS),
            Some(_) if output::is_closed() => return Ok(ExitCode::SUCCESS),
            Some(seconds) => {
                std::thread::sleep(std::time::Duration::from_secs(seconds.max(1)));
                output::text("\x1b[H\x1b[2J")?;
            }
        }
    }
}

fn check(args: &PsArgs) -> Result<(), CliError> {
    if args.last.is_some_and(|last| last >= 0) && args.latest {
        return Err("last and latest are mutually exclusive".into());
    }
    if args.quiet && (args.size || args.ns) {
        return Err("quiet conflicts with size and namespace".into());
    }
    if args.size && args.ns {
        return Err("size and namespace options conflict".into());
    }
    if args.watch.is_some() && args.latest {
        return Err("the watch and latest flags cannot be used together".into());
    }
    if !SORTS.contains(&args.sort.as_str()) {
        let list = SORTS.join(", ");
        return Err(format!(
            "invalid argument {0:?} for \"--sort\" flag: {0:?} is not a valid value.  Choose from: \"{list}\"\nSee 'dulse ps --help'",
            args.sort
        )
        .into());
    }
    Ok(())
}

fn print(args: &PsArgs, engine: &crate::engine::Engine, states: Vec<ContainerState>) -> Result<(), CliError> {
    if args.quiet && args.format.is_none() {
        let ids = states.iter().map(|state| if args.no_trunc { &state.id } else { &state.id[..12.min(state.id.len())] });
        return Ok(output::text(&ids.fold(String::new(), |text, id| text + id + "\n"))?);
    }
    let mut rows = Vec::with_capacity(states.len());
    for state in states {
        rows.push(Row::new(engine, state, args.size, args.no_trunc)?);
    }
    if args.sort == "size" {
        rows.sort_by_key(|row| std::cmp::Reverse(row.size.map(|(_, virtual_size)| virtual_size)));
    }
    match args.format.as_deref() {
        Some("json") => Ok(output::json(&rows.iter().map(Row::to_json).collect::<Vec<_>>(), 2)?),
        Some(format) => {
            let headers: &[(&str, &str)] = if args.noheading { &[] } else { &HEADERS };
            let format = Format::list("ps", format)?;
            Ok(output::rendered(format.render_list(headers, rows.iter().map(Row::to_value).collect()))?)
        }
        None => {
            let (header, cells) = columns(args, &rows);
            Ok(output::text(&table::rows(if args.noheading { &[] } else { &header }, cells))?)
        }
    }
}

fn columns(args: &PsArgs, rows: &[Row]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    if args.ns {
        let header = vec!["CONTAINER ID", "NAMES", "PID", "CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS"];
        let cells = rows.iter().map(|row| {
            let mut cells = vec![row.id(), row.state.summary.name.clone(), row.state.pid.to_string()];
            cells.extend(["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"].map(|name| row.namespace(name)));
            cells
        });
        return (header, cells.collect());
    }
    let mut header = vec!["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
    if args.pod {
        header.extend(["POD ID", "PODNAME"]);
    }
    if args.size {
        header.push("SIZE");
    }
    let cells = rows.iter().map(|row| {
        let mut cells = vec![
            row.id(),
            row.state.summary.image.clone(),
            row.command(),
            row.created_ago(),
            row.status(),
            row.ports(),
            row.state.summary.name.clone(),
        ];
        if args.pod {
            cells.extend([String::new(), String::new()]);
        }
        if args.size {
            cells.push(row.size_text());
        }
        cells
    });
    (header, cells.collect())
}
