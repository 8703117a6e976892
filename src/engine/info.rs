//! What `info` tells of the host and of the store.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::doctor::Distribution;
use super::{Engine, Error};
use crate::config::Config;
use crate::storage::{Status, containers, image};
use crate::sys;
use crate::userns::{self, IdMap, SubIds};

/// A helper program.
#[derive(Clone, Debug, Default)]
pub struct Helper {
    pub path: PathBuf,
    /// All that `--version` prints.
    pub version: String,
}

/// The data of `info`; sizes in bytes.
#[derive(Clone, Debug, Default)]
pub struct Info {
    pub distribution: Distribution,
    pub hostname: String,
    pub kernel: String,
    pub cpus: usize,
    /// Per cent since boot: user, system, idle.
    pub cpu_utilization: [f64; 3],
    pub memory: [u64; 2],
    pub swap: [u64; 2],
    /// Seconds.
    pub uptime: u64,
    pub uid: u32,
    pub id_map: IdMap,
    pub cgroup_version: String,
    pub controllers: Vec<String>,
    pub cgroup_manager: String,
    pub seccomp: bool,
    pub selinux: bool,
    pub pasta: Option<Helper>,
    pub slirp4netns: Option<Helper>,
    pub log_driver: String,
    pub executable: PathBuf,
    /// Containers: all, paused, running, stopped.
    pub containers: [usize; 4],
    pub images: usize,
    pub graph_root: PathBuf,
    pub run_root: PathBuf,
    pub allocated: u64,
    pub used: u64,
    pub file_system: String,
    pub search_registries: Vec<String>,
}

/// Gathers it.
pub fn gather(engine: &Engine) -> Result<Info, Error> {
    let config = Config::load(&engine.paths)?;
    let states = containers::list_states(&engine.store)?;
    let count = |wanted: &[Status]| states.iter().filter(|state| wanted.contains(&state.status)).count();
    let (paused, running) = (count(&[Status::Paused]), count(&[Status::Running, Status::Stopping]));
    let memory = read("/proc/meminfo");
    let kilobytes = |key: &str| field(&memory, key).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0) << 10;
    let cgroup2 = fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false);
    let space = nix::sys::statvfs::statvfs(&engine.paths.data).ok();
    let bytes = |blocks: u64| space.as_ref().map_or(0, |space| blocks.saturating_mul(space.fragment_size()));
    let (total, free) = space.as_ref().map_or((0, 0), |space| (space.blocks(), space.blocks_free()));
    Ok(Info {
        distribution: Distribution::parse(&read("/etc/os-release")),
        hostname: read("/proc/sys/kernel/hostname").trim().to_owned(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        cpu_utilization: utilization(&read("/proc/stat")),
        memory: [kilobytes("MemFree:"), kilobytes("MemTotal:")],
        swap: [kilobytes("SwapFree:"), kilobytes("SwapTotal:")],
        uptime: read("/proc/uptime").split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0),
        uid: sys::host::uid(),
        id_map: SubIds::of_user().map(|ids| userns::default_map(&ids)).unwrap_or_default(),
        cgroup_version: if cgroup2 { "v2" } else { "v1" }.to_owned(),
        controllers: controllers(cgroup2),
        cgroup_manager: config.engine.cgroup_manager.clone().unwrap_or_else(|| manager().to_owned()),
        seccomp: !read("/proc/sys/kernel/seccomp/actions_avail").is_empty(),
        selinux: fs::exists("/sys/fs/selinux/enforce").unwrap_or(false),
        pasta: helper("pasta", &config),
        slirp4netns: helper("slirp4netns", &config),
        log_driver: config.containers.log_driver.clone().unwrap_or_else(|| "k8s-file".to_owned()),
        executable: std::env::current_exe().unwrap_or_default(),
        containers: [states.len(), paused, running, states.len() - paused - running],
        images: image::list(&engine.store)?.len(),
        graph_root: engine.paths.data.clone(),
        run_root: engine.paths.runtime.clone(),
        allocated: bytes(total),
        used: bytes(total.saturating_sub(free)),
        file_system: super::doctor::file_system(&engine.paths.data),
        search_registries: config.registries()?.unqualified_search,
    })
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first word after `key` at the beginning of a line.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next())
}

/// User, system and idle time in per cent, of the first line of /proc/stat.
fn utilization(text: &str) -> [f64; 3] {
    let line = text.lines().next().unwrap_or_default();
    let times: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|number| number.parse().ok()).collect();
    let total: f64 = times.iter().sum();
    let per_cent = |index: usize| match times.get(index) {
        Some(time) if total > 0.0 => (time / total * 10_000.0).round() / 100.0,
        _ => 0.0,
    };
    [per_cent(0), per_cent(2), per_cent(3)]
}

/// Those of the own control group.
fn controllers(cgroup2: bool) -> Vec<String> {
    if !cgroup2 {
        return Vec::new();
    }
    let own = read("/proc/self/cgroup");
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    read(&format!("/sys/fs/cgroup{own}/cgroup.controllers")).split_whitespace().map(Into::into).collect()
}

fn manager() -> &'static str {
    if fs::exists("/run/systemd/system").unwrap_or(false) { "systemd" } else { "cgroupfs" }
}

fn helper(name: &str, config: &Config) -> Option<Helper> {
    let path = sys::program::find(name, &config.engine.helper_binaries_dir)?;
    let output = Command::new(&path).arg("--version").output().ok()?;
    Some(Helper { path, version: String::from_utf8_lossy(&output.stdout).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilization_adds_up() {
        assert_eq!(utilization("cpu  20 0 30 50 0 0 0 0 0 0\ncpu0 1 1 1 1\n"), [20.0, 30.0, 50.0]);
        assert_eq!(utilization(""), [0.0; 3]);
    }

    #[test]
    fn fields_are_found_by_their_key() {
        assert_eq!(field("MemTotal:       100 kB\nMemFree:  7 kB\n", "MemFree:"), Some("7"));
    }
}
