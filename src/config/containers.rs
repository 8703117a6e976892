//! containers.conf(5): the keys that dulse heeds. Others are read over, as newer and older tools share the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::files::{drop_ins, from_environment, read};
use super::{Config, Error, Paths};

/// `[containers]`: defaults of a new container. `None` and empty mean that the built-in default stands.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContainersTable {
    pub annotations: Vec<String>,
    pub apparmor_profile: Option<String>,
    pub base_hosts_file: Option<String>,
    pub cgroupns: Option<String>,
    pub cgroups: Option<String>,
    /// Present but empty means no capabilities at all.
    pub default_capabilities: Option<Vec<String>>,
    pub default_sysctls: Vec<String>,
    pub default_ulimits: Vec<String>,
    pub devices: Vec<String>,
    pub dns_options: Vec<String>,
    pub dns_searches: Vec<String>,
    pub dns_servers: Vec<String>,
    pub env: Vec<String>,
    pub env_host: Option<bool>,
    pub host_containers_internal_ip: Option<String>,
    pub http_proxy: Option<bool>,
    pub init: Option<bool>,
    pub init_path: Option<PathBuf>,
    pub ipcns: Option<String>,
    pub keyring: Option<bool>,
    pub log_driver: Option<String>,
    pub log_path: Option<PathBuf>,
    /// Bytes; negative is without limit.
    pub log_size_max: Option<i64>,
    pub log_tag: Option<String>,
    pub mounts: Vec<String>,
    pub netns: Option<String>,
    pub no_hosts: Option<bool>,
    pub no_hostname: Option<bool>,
    pub oom_score_adj: Option<i32>,
    pub pidns: Option<String>,
    pub pids_limit: Option<i64>,
    pub prepare_volume_on_create: Option<bool>,
    pub privileged: Option<bool>,
    pub read_only: Option<bool>,
    pub seccomp_profile: Option<PathBuf>,
    pub shm_size: Option<String>,
    pub tz: Option<String>,
    pub umask: Option<String>,
    pub userns: Option<String>,
    pub utsns: Option<String>,
    pub volumes: Vec<String>,
}

/// `[engine]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EngineTable {
    pub cgroup_manager: Option<String>,
    pub detach_keys: Option<String>,
    /// Variables set for dulse itself, such as proxies.
    pub env: Vec<String>,
    pub events_logfile_path: Option<PathBuf>,
    pub events_logger: Option<String>,
    pub helper_binaries_dir: Vec<PathBuf>,
    pub hooks_dir: Vec<PathBuf>,
    pub image_copy_tmp_dir: Option<String>,
    pub image_default_transport: Option<String>,
    /// Layers copied at the same time.
    pub image_parallel_copies: Option<usize>,
    pub image_volume_mode: Option<String>,
    pub network_cmd_options: Vec<String>,
    pub network_cmd_path: Option<PathBuf>,
    pub no_pivot_root: Option<bool>,
    pub platform_to_oci_runtime: BTreeMap<String, String>,
    pub pull_policy: Option<String>,
    pub retry: Option<u32>,
    pub retry_delay: Option<String>,
    pub runtime: Option<String>,
    /// Runtime name to the paths where it may be.
    pub runtimes: BTreeMap<String, Vec<PathBuf>>,
    pub stop_timeout: Option<u32>,
    pub volume_path: Option<PathBuf>,
}

/// `[network]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NetworkTable {
    pub default_host_ips: Vec<String>,
    pub default_network: Option<String>,
    pub default_rootless_network_cmd: Option<String>,
    pub dns_bind_port: Option<u16>,
    pub pasta_options: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    containers: ContainersTable,
    engine: EngineTable,
    network: NetworkTable,
}

/// Reads every file of the precedence and merges them in that order.
pub(super) fn load(paths: &Paths) -> Result<Config, Error> {
    let mut merged = Table::new();
    let mut last = PathBuf::from("containers.conf");
    for path in sources(paths) {
        if let Some(text) = read(&path)? {
            merge(&mut merged, parse(&path, &text)?);
            last = path;
        }
    }
    let document = if merged.is_empty() {
        Document::default()
    } else {
        Document::deserialize(merged).map_err(|error| Error::Toml(last, Box::new(error)))?
    };
    Ok(Config { paths: paths.clone(), containers: document.containers, engine: document.engine, network: document.network })
}

/// The files in order of rising precedence. `CONTAINERS_CONF` stands for all others, `CONTAINERS_CONF_OVERRIDE` comes last of all.
fn sources(paths: &Paths) -> Vec<PathBuf> {
    let mut files = match from_environment("CONTAINERS_CONF") {
        Some(only) => vec![only],
        None => {
            let mut files = vec![PathBuf::from("/usr/share/containers/containers.conf")];
            for directory in [Path::new("/etc/containers"), &paths.config] {
                files.push(directory.join("containers.conf"));
                files.extend(drop_ins(&directory.join("containers.conf.d")));
            }
            files
        }
    };
    files.extend(from_environment("CONTAINERS_CONF_OVERRIDE"));
    files
}

fn parse(path: &Path, text: &str) -> Result<Table, Error> {
    text.parse().map_err(|error| Error::Toml(path.into(), Box::new(error)))
}

/// Puts `upper` over `lower`: tables are merged key by key, anything else replaces what was there; an array whose items include
/// `{append=true}` is added to the one before it instead.
fn merge(lower: &mut Table, upper: Table) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (below, Value::Array(items)) => {
                let (append, items) = split_attributes(items);
                match below {
                    Some(Value::Array(list)) if append => list.extend(items),
                    _ => {
                        lower.insert(key, Value::Array(items));
                    }
                }
            }
            (None, Value::Table(above)) => {
                let mut table = Table::new();
                merge(&mut table, above);
                lower.insert(key, Value::Table(table));
            }
            (_, value) => {
                lower.insert(key, value);
            }
        }
    }
}

fn split_attributes(items: Vec<Value>) -> (bool, Vec<Value>) {
    let mut append = false;
    let items = items
        .into_iter()
        .filter(|item| match item {
            Value::Table(attributes) => {
                append = attributes.get("append").and_then(Value::as_bool).unwrap_or(append);
                false
            }
            _ => true,
        })
        .collect();
    (append, items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> Document {
        let mut table = Table::new();
        texts.iter().for_each(|text| merge(&mut table, parse(Path::new("test"), text).unwrap()));
        Document::deserialize(table).unwrap()
    }

    #[test]
    fn later_files_override_key_by_key() {
        let document = merged(&[
            "[containers]\npids_limit = 100\nenv = [\"A=1\"]\n[engine]\nretry = 5\n[engine.runtimes]\ncrun = [\"/usr/bin/crun\"]",
            "[containers]\nenv = [\"B=2\"]\nunheard_of = 1\n[engine.runtimes]\nrunc = [\"/usr/bin/runc\"]",
        ]);
        assert_eq!(document.containers.env, ["B=2"]);
        assert_eq!(document.containers.pids_limit, Some(100));
        assert_eq!(document.engine.retry, Some(5));
        assert_eq!(document.engine.runtimes.len(), 2);
    }

    #[test]
    fn arrays_are_appended_to_where_asked() {
        let document = merged(&["[containers]\nenv = [\"A=1\"]", "[containers]\nenv = [\"B=2\", {append=true}]"]);
        assert_eq!(document.containers.env, ["A=1", "B=2"]);
        let alone = merged(&["[containers]\nenv = [\"B=2\", {append=true}]"]);
        assert_eq!(alone.containers.env, ["B=2"]);
    }

    #[test]
    fn no_capabilities_differs_from_no_word_about_them() {
        assert_eq!(merged(&[""]).containers.default_capabilities, None);
        assert_eq!(merged(&["[containers]\ndefault_capabilities = []"]).containers.default_capabilities, Some(Vec::new()));
    }
}
