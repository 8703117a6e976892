//! The processes of a running container, seen from the host, and what `top` shows of them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::engine::Error;
use crate::spec::capability;
use crate::storage::ContainerConfig;
use crate::userns::IdMap;

/// One process, the raw contents of its files in /proc.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// PIDs on the host and in the container.
    pub host_pid: i32,
    pub pid: i32,
    pub parent: i32,
    pub group: i32,
    pub state: String,
    /// Device number of the terminal.
    pub terminal: i32,
    /// Clock ticks: in user mode and in the kernel, and of the start since boot.
    pub ticks: u64,
    pub start: u64,
    pub nice: i64,
    /// KiB.
    pub virtual_size: u64,
    pub resident: u64,
    pub name: String,
    /// NUL became a blank.
    pub arguments: String,
    /// Real, effective user IDs of the host.
    pub uids: [u32; 2],
    pub gids: [u32; 2],
    pub groups: Vec<u32>,
    pub seccomp: String,
    /// Inheritable, permitted, effective, bounding, ambient.
    pub capabilities: [u64; 5],
    pub label: String,
}

/// The processes in the PID namespace of the process `init`, by PID.
pub fn processes(init: i32) -> Result<Vec<Process>, Error> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid"));
    let wanted = namespace(init).map_err(Error::io("read", format!("/proc/{init}/ns/pid")))?;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").map_err(Error::io("read", "/proc"))?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // Those of other users cannot be looked into, and those that have ended meanwhile are not missed.
        if namespace(pid).is_ok_and(|other| other == wanted) {
            found.extend(read(&entry.path(), pid));
        }
    }
    let inside: HashMap<i32, i32> = found.iter().map(|process| (process.host_pid, process.pid)).collect();
    for process in &mut found {
        process.parent = inside.get(&process.parent).copied().unwrap_or(0);
    }
    found.sort_by_key(|process| process.pid);
    Ok(found)
}

fn read(directory: &Path, host_pid: i32) -> Option<Process> {
    let text = |name: &str| fs::read_to_string(directory.join(name)).ok();
    let stat = text("stat")?;
    let (head, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<i64>().ok()).unwrap_or(0);
    let status = text("status")?;
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim).unwrap_or_default();
    let ids = |key: &str| -> [u32; 2] {
        let mut ids = line(key).split_ascii_whitespace().filter_map(|id| id.parse().ok());
        [ids.next().unwrap_or(0), ids.next().unwrap_or(0)]
    };
    let set = |key: &str| u64::from_str_radix(line(key), 16).unwrap_or(0);
    let kibibytes = |key: &str| line(key).split_ascii_whitespace().next().and_then(|size| size.parse().ok()).unwrap_or(0);
    let arguments = fs::read(directory.join("cmdline")).unwrap_or_default();
    let name = head.split_once('(').map(|(_, name)| name.to_owned()).unwrap_or_default();
    Some(Process {
        host_pid,
        pid: line("NSpid:").split_ascii_whitespace().last()?.parse().ok()?,
        parent: number(1) as i32,
        group: line("NSpgid:").split_ascii_whitespace().last().and_then(|group| group.parse().ok()).unwrap_or(0),
        state: fields.first().map(|state| (*state).to_owned()).unwrap_or_default(),
        terminal: number(4) as i32,
        ticks: (number(11) + number(12)) as u64,
        start: number(19) as u64,
        nice: number(16),
        virtual_size: kibibytes("VmSize:"),
        resident: kibibytes("VmRSS:"),
        arguments: match arguments.is_empty() {
            true => format!("[{name}]"),
            false => String::from_utf8_lossy(&arguments).replace('\0', " "),
        },
        name,
        uids: ids("Uid:"),
        gids: ids("Gid:"),
        groups: line("Groups:").split_ascii_whitespace().filter_map(|id| id.parse().ok()).collect(),
        seccomp: match line("Seccomp:") {
            "0" => "disabled",
            "1" => "strict",
            "2" => "filter",
            _ => "?",
        }
        .into(),
        capabilities: ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"].map(set),
        label: text("attr/current")
            .map(|label| label.trim_end_matches(['\0', '\n']).to_owned())
            .filter(|label| !label.is_empty())
            .unwrap_or("?".into()),
    })
}

/// How the container calls its users and groups.
#[derive(Debug, Default)]
pub struct Names {
    map: IdMap,
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    /// From the passwd and group files that the container's first process sees.
    pub fn of(config: &ContainerConfig, init: i32) -> Self {
        let table = |name: &str| -> HashMap<u32, String> {
            let text = fs::read_to_string(format!("/proc/{init}/root/etc/{name}")).unwrap_or_default();
            let entry = |line: &str| {
                let mut fields = line.split(':');
                let name = fields.next()?.to_owned();
                Some((fields.nth(1)?.parse().ok()?, name))
            };
            // The first of several names of an ID counts.
            text.lines().rev().filter_map(entry).collect()
        };
        Self { map: config.id_map.clone(), users: table("passwd"), groups: table("group") }
    }

    /// The ID in the container; one that is not mapped shows as the overflow ID.
    pub fn uid(&self, host: u32) -> u32 {
        self.map.container_uid(host).unwrap_or(65534)
    }

    pub fn gid(&self, host: u32) -> u32 {
        self.map.container_gid(host).unwrap_or(65534)
    }

    pub fn user(&self, host: u32) -> String {
        let id = self.uid(host);
        self.users.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    pub fn group(&self, host: u32) -> String {
        let id = self.gid(host);
        self.groups.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// A capability set by names without `CAP_`: `none`, `full` or a list.
pub fn capability_names(set: u64) -> String {
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok().and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(40);
    let full = u64::MAX >> (63 - last.min(63));
    match set & full {
        0 => "none".into(),
        all if all == full => "full".into(),
        some => {
            let held = capability::ALL.iter().enumerate().filter(|(bit, _)| some & (1 << bit) != 0);
            let mut names: Vec<&str> = held.map(|(_, name)| name.trim_start_matches("CAP_")).collect();
            names.sort_unstable();
            names.join(",")
        }
    }
}
