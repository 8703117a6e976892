//! `logs`.

use std::io::{self, BufWriter, Stderr, Stdout, Write};
use std::process::ExitCode;

use jiff::Timestamp;

use super::{CliError, Globals};
use crate::engine::container::{self, LogContainer};
use crate::engine::when;
use crate::monitor::{self, LogEntry, LogQuery};

/// Options of `logs`.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// Output the containers in different colors
    #[arg(long)]
    color: bool,
    /// Accepted for docker's sake
    #[arg(long, hide = true)]
    details: bool,
    /// Wait for more output until the container ends
    #[arg(long, short)]
    follow: bool,
    /// The container created last
    #[arg(long, short)]
    latest: bool,
    /// Name the container in each line, where there are several
    #[arg(long, short)]
    names: bool,
    /// Only output since a time: RFC 3339, a duration before now (10m), or seconds since 1970
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only so many lines from the end; -1 for all
    #[arg(long, value_name = "LINES", default_value_t = -1)]
    tail: i64,
    /// Output the time of each line
    #[arg(long, short)]
    timestamps: bool,
    /// Only output until a time; a duration is from now on
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Containers, by name or ID
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn run(args: LogsArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.latest && !args.containers.is_empty() {
        return Err(CliError::new("--latest and containers cannot be used together"));
    }
    if !args.latest && args.containers.is_empty() {
        return Err(CliError::new("specify at least one container name or ID to log"));
    }
    let query = LogQuery {
        follow: args.follow,
        since: moment("since", args.since.as_deref(), -1)?,
        until: moment("until", args.until.as_deref(), 1)?,
        tail: usize::try_from(args.tail).ok(),
    };
    let engine = globals.engine()?;
    let ids = if args.latest {
        vec![container::latest(&engine)?.id]
    } else {
        let found = args.containers.iter().map(|name| container::find(&engine, name).map(|selected| selected.id));
        found.collect::<Result<_, _>>()?
    };
    let containers = ids.iter().map(|id| container::log_of(&engine, id)).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<_> = containers.iter().map(|container| container.source.clone()).collect();
    let mut output = Output::new(&args, &containers);
    match monitor::read_logs(&sources, &query, &mut |index, entry| output.write(index, entry)) {
        // A reader that has seen enough.
        Err(monitor::Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        result => result?,
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A duration counts back for `--since` and ahead for `--until`, as `direction` says.
fn moment(flag: &str, text: Option<&str>, direction: i32) -> Result<Option<Timestamp>, CliError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let now = Timestamp::now();
    let ahead = || when::duration(text).and_then(|duration| now.checked_add(duration.checked_mul(direction)?).ok());
    let moment = ahead().or_else(|| when::moment(text, now));
    moment.map(Some).ok_or_else(|| CliError::new(format!("parsing --{flag} {text:?}: unable to interpret time value")))
}

/// podman's colors, by the container's place on the command line.
const COLORS: [&str; 7] = ["\x1b[37m", "\x1b[31m", "\x1b[33m", "\x1b[34m", "\x1b[35m", "\x1b[36m", "\x1b[32m"];
const RESET: &str = "\x1b[0m";

/// The two streams that output goes back to.
struct Output {
    stdout: BufWriter<Stdout>,
    stderr: BufWriter<Stderr>,
    last_to_stderr: bool,
    /// What goes before each line of a container's.
    prefixes: Vec<String>,
    timestamps: bool,
    color: bool,
    follow: bool,
}

impl Output {
    fn new(args: &LogsArgs, containers: &[LogContainer]) -> Self {
        let prefix = |container: &LogContainer| match (containers.len(), args.names) {
            (1, _) => String::new(),
            (_, true) => format!("{} ", container.name),
            (_, false) => format!("{:.12} ", container.source.id),
        };
        Self {
            stdout: BufWriter::new(io::stdout()),
            stderr: BufWriter::new(io::stderr()),
            last_to_stderr: false,
            prefixes: containers.iter().map(prefix).collect(),
            timestamps: args.timestamps,
            color: args.color,
            follow: args.follow,
        }
    }

    fn write(&mut self, index: usize, entry: &LogEntry) -> io::Result<()> {
        if entry.errors != self.last_to_stderr {
            // Both may be the same terminal: nothing overtakes what came before.
            self.flush()?;
            self.last_to_stderr = entry.errors;
        }
        let stream: &mut dyn Write = if entry.errors { &mut self.stderr } else { &mut self.stdout };
        if self.color {
            stream.write_all(COLORS[index % COLORS.len()].as_bytes())?;
        }
        stream.write_all(self.prefixes[index].as_bytes())?;
        if self.timestamps {
            stream.write_all(entry.time().as_bytes())?;
            stream.write_all(b" ")?;
        }
        stream.write_all(entry.text())?;
        if self.color {
            stream.write_all(RESET.as_bytes())?;
        }
        if entry.complete {
            stream.write_all(b"\n")?;
        }
        if self.follow {
            stream.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()?;
        self.stderr.flush()
    }
}
