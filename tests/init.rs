//! The container init by itself: it needs no container to be shown right.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

/// The embedded init, written out once: a program that is still open for writing in a child of another test cannot be run.
fn init() -> Command {
    static PROGRAM: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let directory = PROGRAM.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("init");
        std::fs::write(&path, dulse::spec::init::PROGRAM).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o555)).unwrap();
        directory
    });
    Command::new(directory.path().join("init"))
}

#[test]
fn the_status_is_the_commands() {
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let mut command = init();
        assert_eq!(command.args(["--", "sh", "-c", script]).status().unwrap().code(), Some(code), "{script}");
    }
}

#[test]
fn a_command_that_is_not_there_is_127_and_one_that_cannot_run_126() {
    for (arguments, code) in [(vec!["--", "no-such-command"], 127), (vec!["--", "/etc/passwd"], 126), (vec![], 125)] {
        let mut command = init();
        assert_eq!(command.args(&arguments).stderr(Stdio::null()).status().unwrap().code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn signals_reach_the_command() {
    let mut command = init();
    let script = "trap 'exit 42' USR1; echo ready; while :; do sleep 0.01; done";
    let mut child = command.args(["--", "sh", "-c", script]).stdout(Stdio::piped()).process_group(0).spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGUSR1).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(42), None));
}

#[test]
fn orphans_are_reaped() {
    // In a PID namespace of its own the init is process 1, and an orphan's end would show in /proc.
    let command = init();
    let script = "sh -c 'sleep 0.1 &' ; sleep 0.5; cat /proc/[0-9]*/status 2>/dev/null | grep -c '^State:.Z'";
    let mut unshare = Command::new("unshare");
    unshare.args(["-Urpf", "--mount-proc", "--kill-child"]).arg(command.get_program()).args(["--", "sh", "-c", script]);
    let output = unshare.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "{}", String::from_utf8_lossy(&output.stderr));
}
