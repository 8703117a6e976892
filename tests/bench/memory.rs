//! Memory: the peak of a `run`'s client, and what the monitor keeps to itself.

use std::fs;
use std::process::{Command, Stdio};

use crate::cases::remove_all;
use crate::fixture::{Fixture, IMAGE, program, run};
use crate::report::Table;

/// Peak resident set of `run`, and private memory of the monitor of a detached container (conmon's, for podman).
pub fn memory(fixture: &Fixture) -> Result<Table, String> {
    let mut table = Table::sizes("memory: peak RSS of `run --rm`, private memory of a detached container's monitor");
    for engine in fixture.engines() {
        let mut command = fixture.command(&engine);
        command.args(["run", "--rm", "--network", "none", IMAGE, "true"]).stdin(Stdio::null()).stdout(Stdio::null());
        table.add(&format!("{engine} run"), peak(&mut command)?);
    }
    for engine in fixture.engines() {
        let id = run(fixture.command(&engine).args(["run", "-d", "--network", "none", IMAGE, "sleep", "600"]))?;
        let format = "{{.State.ConmonPid}}";
        let pid = run(fixture.command(&engine).args(["inspect", "--format", format, &id]))?;
        table.add(&format!("{engine} monitor"), private(&pid)?);
    }
    remove_all(fixture)?;
    Ok(table)
}

/// Peak RSS of a command in KiB, as time(1) gives it.
fn peak(command: &mut Command) -> Result<f64, String> {
    let time = program("time").ok_or("no time(1) in PATH (package time)")?;
    let mut timed = Command::new(time);
    timed.args(["-f", "%M"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        timed.env(name, value.unwrap_or_default());
    }
    let output = timed.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines().last().and_then(|line| line.trim().parse().ok()).ok_or(text)
}

/// Private_Clean and Private_Dirty of a process in KiB, proc_pid_smaps(5).
fn private(pid: &str) -> Result<f64, String> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let rows = text.lines().filter(|line| line.starts_with("Private_"));
    Ok(rows.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum())
}
