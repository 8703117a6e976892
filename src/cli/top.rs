//! `top`: the processes of a container, by the descriptors of ps(1) as AIX has them and some of a container's own.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use super::{CliError, Globals, human, output, table};
use crate::engine::container::processes::{Names, Process};
use crate::engine::container::{self, processes};
use crate::storage::{Status, containers};

#[derive(clap::Args)]
pub struct TopArgs {
    /// Act on the latest container
    #[arg(short, long)]
    latest: bool,
    /// Container, then format descriptors (args capamb capbnd capeff capinh capprm comm etime group groups hgroup hgroups hpid huid huser
    /// label nice pcpu pgid pid ppid rgroup rss ruser seccomp state stime time tty uid user vsz), or options of ps(1), which is then run
    /// in the container
    #[arg(value_name = "CONTAINER [DESCRIPTOR]", trailing_var_arg = true, allow_hyphen_values = true)]
    operands: Vec<String>,
}

/// How a descriptor is called: by name, by ps(1)'s code; and its header.
const DESCRIPTORS: [(&str, &str, &str); 32] = [
    ("args", "%a", "COMMAND"),
    ("capamb", "", "AMBIENT CAPS"),
    ("capbnd", "", "BOUNDING CAPS"),
    ("capeff", "", "EFFECTIVE CAPS"),
    ("capinh", "", "INHERITED CAPS"),
    ("capprm", "", "PERMITTED CAPS"),
    ("comm", "%c", "COMMAND"),
    ("etime", "%t", "ELAPSED"),
    ("group", "%G", "GROUP"),
    ("groups", "", "GROUPS"),
    ("hgroup", "", "HGROUP"),
    ("hgroups", "", "HGROUPS"),
    ("hpid", "", "HPID"),
    ("huid", "", "HUID"),
    ("huser", "", "HUSER"),
    ("label", "", "LABEL"),
    ("nice", "%n", "NI"),
    ("pcpu", "%C", "%CPU"),
    ("pgid", "%r", "PGID"),
    ("pid", "%p", "PID"),
    ("ppid", "%P", "PPID"),
    ("rgroup", "%g", "RGROUP"),
    ("rss", "", "RSS"),
    ("ruser", "%u", "RUSER"),
    ("seccomp", "", "SECCOMP"),
    ("state", "", "STATE"),
    ("stime", "", "STIME"),
    ("time", "%x", "TIME"),
    ("tty", "%y", "TTY"),
    ("uid", "", "UID"),
    ("user", "%U", "USER"),
    ("vsz", "%z", "VSZ"),
];

const DEFAULT: [&str; 8] = ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"];

pub fn top(args: TopArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let engine = globals.engine()?;
    let mut operands = args.operands;
    let id = if args.latest {
        container::latest(&engine)?.id
    } else if operands.is_empty() {
        return Err("you must provide the name or id of a running container".into());
    } else {
        let name = operands.remove(0);
        container::find(&engine, &name).map_err(|error| CliError::new(format!("unable to look up requested container: {error}")))?.id
    };
    let state = containers::load_state(&engine.store, &id)?;
    if state.status != Status::Running {
        return Err("top can only be used on running containers".into());
    }
    let Some(columns) = columns(&operands) else { return ps(globals, &id, &operands) };
    let config = containers::load_config(&engine.store, &id)?;
    let names = Names::of(&config, state.pid);
    let clock = Clock::now()?;
    let header: Vec<&str> = columns.iter().map(|(_, _, header)| *header).collect();
    let found = processes::processes(state.pid)?;
    let cells = found.iter().map(|process| columns.iter().map(|(name, _, _)| cell(name, process, &names, &clock)).collect());
    output::text(&table::rows(&header, cells.collect::<Vec<_>>()))?;
    Ok(ExitCode::SUCCESS)
}

/// The columns that the operands name; `None` where one is not ours, so that ps(1) is asked.
fn columns(operands: &[String]) -> Option<Vec<(&'static str, &'static str, &'static str)>> {
    let wanted: Vec<&str> = operands.iter().flat_map(|operand| operand.split([',', ' '])).filter(|name| !name.is_empty()).collect();
    let wanted = if wanted.is_empty() { DEFAULT.to_vec() } else { wanted };
    wanted
        .iter()
        .map(|name| DESCRIPTORS.iter().find(|(known, code, _)| known == name || !code.is_empty() && code == name).copied())
        .collect()
}

/// Runs the container's own ps(1). What is neither a descriptor nor options as ps has them (`-ef`, `aux`) is refused here: not every ps
/// does so.
fn ps(globals: &Globals, id: &str, operands: &[String]) -> Result<ExitCode, CliError> {
    let looks_like_options = |operand: &String| operand.starts_with('-') || operand.chars().all(|letter| "aefjlosuvwxX".contains(letter));
    if let (Some(first), false) = (operands.first(), operands.first().is_some_and(looks_like_options)) {
        return Err(format!("ps(1) failed with exit code 1: error: unknown format descriptor {first:?}").into());
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg0("dulse");
    for (flag, path) in [("--root", &globals.root), ("--runroot", &globals.runroot)] {
        if let Some(path) = path {
            command.arg(flag).arg(path);
        }
    }
    let status = command.args(["exec", id, "ps"]).args(operands).status()?;
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(code) => Err(format!("ps(1) failed with exit code {code}").into()),
        None => Err("ps(1) was ended by a signal".into()),
    }
}

/// What times are counted by.
struct Clock {
    /// Nanoseconds since boot, and since the epoch.
    since_boot: u64,
    now: jiff::Timestamp,
}

/// Clock ticks a second, as /proc counts: 100 for user space on every architecture.
const TICKS: u64 = 100;

impl Clock {
    fn now() -> Result<Self, CliError> {
        let uptime = std::fs::read_to_string("/proc/uptime")?;
        let seconds: f64 = uptime.split_ascii_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
        Ok(Self { since_boot: (seconds * 1e9) as u64, now: jiff::Timestamp::now() })
    }

    fn elapsed(&self, process: &Process) -> u64 {
        self.since_boot.saturating_sub(process.start * (1_000_000_000 / TICKS))
    }
}

fn cell(name: &str, process: &Process, names: &Names, clock: &Clock) -> String {
    let busy = process.ticks * (1_000_000_000 / TICKS);
    match name {
        "args" => process.arguments.clone(),
        "capinh" => processes::capability_names(process.capabilities[0]),
        "capprm" => processes::capability_names(process.capabilities[1]),
        "capeff" => processes::capability_names(process.capabilities[2]),
        "capbnd" => processes::capability_names(process.capabilities[3]),
        "capamb" => processes::capability_names(process.capabilities[4]),
        "comm" => process.name.clone(),
        "etime" => human::go_duration(clock.elapsed(process)),
        "group" => names.group(process.gids[1]),
        "groups" => process.groups.iter().map(|id| names.group(*id)).collect::<Vec<_>>().join(","),
        "hgroup" => process.gids[1].to_string(),
        "hgroups" => process.groups.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        "hpid" => process.host_pid.to_string(),
        "huid" | "huser" => process.uids[1].to_string(),
        "label" => process.label.clone(),
        "nice" => process.nice.to_string(),
        "pcpu" => format!("{:.3}", 100.0 * busy as f64 / clock.elapsed(process).max(1) as f64),
        "pgid" => process.group.to_string(),
        "pid" => process.pid.to_string(),
        "ppid" => process.parent.to_string(),
        "rgroup" => names.group(process.gids[0]),
        "rss" => process.resident.to_string(),
        "ruser" => names.user(process.uids[0]),
        "seccomp" => process.seccomp.clone(),
        "state" => process.state.clone(),
        "stime" => {
            let elapsed = jiff::SignedDuration::from_nanos(i64::try_from(clock.elapsed(process)).unwrap_or(i64::MAX));
            let started = clock.now.checked_sub(elapsed).unwrap_or(clock.now);
            human::go_time(&jiff::Timestamp::from_second(started.as_second()).unwrap_or(started).to_string())
        }
        "time" => human::go_duration(busy),
        "tty" => terminal(process.terminal),
        "uid" => names.uid(process.uids[1]).to_string(),
        "user" => names.user(process.uids[1]),
        "vsz" => process.virtual_size.to_string(),
        _ => String::new(),
    }
}

/// A terminal's name from its device number, proc_pid_stat(5): major number in bits 8 to 15, minor in the others.
fn terminal(device: i32) -> String {
    let (major, minor) = ((device >> 8) & 0xff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    match (device, major) {
        (0, _) => "?".into(),
        (_, 136..=143) => format!("pts/{}", (major - 136) * 256 + minor),
        (_, 4) if minor < 64 => format!("tty{minor}"),
        _ => format!("{major}:{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_named_listed_or_coded() {
        let names = |operands: &[&str]| {
            let operands: Vec<String> = operands.iter().map(|text| (*text).to_owned()).collect();
            columns(&operands).map(|columns| columns.into_iter().map(|(name, _, _)| name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["huser,pid"]), Some(vec!["huser", "pid"]));
        assert_eq!(names(&["%C", "args"]), Some(vec!["pcpu", "args"]));
        assert_eq!(names(&[]), Some(DEFAULT.to_vec()));
        assert_eq!(names(&["-ef"]), None);
    }

    #[test]
    fn terminals_are_named_by_their_numbers() {
        assert_eq!(terminal(0), "?");
        assert_eq!(terminal((136 << 8) | 3), "pts/3");
        assert_eq!(terminal((4 << 8) | 1), "tty1");
    }
}
