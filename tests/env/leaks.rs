//! What a test left behind, told by the path of its directory, which everything of it names somewhere.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One line for each thing left: processes, mounts, files.
pub fn find(root: &Path) -> Vec<String> {
    // A process that is on its way out (a network helper whose namespace has just gone) gets a moment.
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut processes = processes(root);
    while !processes.is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
        processes = self::processes(root);
    }
    let mut found: Vec<String> = processes.into_iter().map(|(pid, command)| format!("process {pid}: {command}")).collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    found.extend(mounts.lines().filter(|line| mentions(line.as_bytes(), root)).map(|line| format!("mount {line}")));
    for directory in ["data", "run", "tmp"] {
        files(&root.join(directory), &mut found);
    }
    found
}

/// Ends what [`find`] found, so that one test's failure does not disturb others.
pub fn end_processes(root: &Path) {
    for (pid, _) in processes(root) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Removes files of subordinate IDs, which only a user namespace that maps them can.
pub fn remove_by_force(root: &Path) {
    let _ = Command::new("unshare").args(["--map-root-user", "--map-auto", "--", "rm", "-rf"]).arg(root).status();
    let _ = fs::remove_dir_all(root);
}

/// Processes whose environment, command line or mounts name `root`. Those of a container belong to other IDs and hide their environment,
/// but their mounts can be read.
pub fn processes(root: &Path) -> Vec<(i32, String)> {
    let own = std::process::id() as i32;
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            ["environ", "cmdline", "mountinfo"]
                .iter()
                .any(|file| fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| mentions(&bytes, root)))
        })
        .filter_map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let zombie = status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
            (!zombie).then(|| (pid, String::from_utf8_lossy(&command).replace('\0', " ")))
        })
        .collect()
}

fn mentions(bytes: &[u8], root: &Path) -> bool {
    let name = root.as_os_str().as_encoded_bytes();
    bytes.windows(name.len()).any(|window| window == name)
}

/// Everything below `directory` but empty directories.
pub fn files(directory: &Path, found: &mut Vec<String>) {
    match fs::read_dir(directory) {
        Ok(entries) => {
            for entry in entries.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    files(&entry.path(), found);
                } else {
                    found.push(format!("file {}", entry.path().display()));
                }
            }
        }
        Err(error) => found.push(format!("{}: {error}", directory.display())),
    }
}
