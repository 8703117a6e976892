//! `container inspect`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Time;
use super::config::{Config, image_name};
use super::host_config::HostConfig;
use super::mounts::{self, Mount};
use super::network::NetworkSettings;
use crate::engine::container::{self, stop};
use crate::engine::{Engine, Error};
use crate::storage::{ContainerConfig, ContainerState, Namespace, NetworkMode, Root, Status, containers, layer};

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "interface {}", rename_all = "PascalCase")]
pub struct Container {
    pub id: String,
    created: Time,
    path: String,
    args: Vec<String>,
    state: State,
    image: String,
    image_digest: String,
    image_name: String,
    rootfs: String,
    pod: &'static str,
    resolv_conf_path: String,
    hostname_path: String,
    hosts_path: String,
    static_dir: String,
    #[serde(rename = "OCIConfigPath", skip_serializing_if = "String::is_empty")]
    oci_config_path: String,
    #[serde(rename = "OCIRuntime")]
    oci_runtime: String,
    conmon_pid_file: String,
    pid_file: String,
    name: String,
    restart_count: u32,
    driver: &'static str,
    mount_label: &'static str,
    process_label: &'static str,
    app_armor_profile: String,
    effective_caps: Vec<String>,
    bounding_caps: Vec<String>,
    #[serde(rename = "ExecIDs")]
    exec_ids: Vec<String>,
    graph_driver: GraphDriver,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<u64>,
    mounts: Vec<Mount>,
    dependencies: Vec<String>,
    network_settings: NetworkSettings,
    namespace: &'static str,
    is_infra: bool,
    is_service: bool,
    kube_exit_code_propagation: &'static str,
    #[serde(rename = "lockNumber")]
    lock_number: u32,
    config: Config,
    host_config: HostConfig,
    use_image_hosts: bool,
    use_image_hostname: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "*define.InspectContainerState", rename_all = "PascalCase")]
struct State {
    oci_version: &'static str,
    status: &'static str,
    running: bool,
    paused: bool,
    restarting: bool,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    dead: bool,
    pid: i32,
    #[serde(skip_serializing_if = "is_zero")]
    conmon_pid: i32,
    exit_code: i32,
    error: String,
    started_at: Time,
    finished_at: Time,
    #[serde(skip_serializing_if = "String::is_empty")]
    cgroup_path: String,
    checkpointed_at: Time,
    restored_at: Time,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopped_by_user: bool,
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// Where the root file system comes from, in the words of podman's storage drivers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename = "*define.DriverData", rename_all = "PascalCase")]
pub struct GraphDriver {
    pub name: &'static str,
    pub data: BTreeMap<&'static str, String>,
}

/// The container of this name or ID; `size` adds how much it has written.
pub fn container(engine: &Engine, name: &str, size: bool) -> Result<Container, Error> {
    let id = containers::find(&engine.store, name)?;
    let state = containers::load_state(&engine.store, &id)?;
    let config = containers::load_config(&engine.store, &id)?;
    let paths = containers::paths(&engine.store, &id);
    let (size_rw, size_root_fs) = match size {
        true => container::size(engine, &state).map(|(own, total)| (Some(own), Some(total)))?,
        false => (None, None),
    };
    let (image, image_digest, rootfs) = match &config.root {
        Root::Image { id, digest, .. } => (id.clone(), digest.clone(), String::new()),
        Root::Directory { path, .. } => (String::new(), String::new(), path.display().to_string()),
    };
    let has_run = !state.started.is_empty();
    let runtime = |name: &str| paths.runtime.join(name).display().to_string();
    let generated = |name: &str| if has_run { runtime(name) } else { String::new() };
    let file =
        |given: &Option<std::path::PathBuf>, name: &str| given.as_ref().map_or_else(|| runtime(name), |path| path.display().to_string());
    let mut args = config.process.args.clone();
    let path = if args.is_empty() { String::new() } else { args.remove(0) };
    let (path, args) = match config.init {
        true => ("/run/podman-init".to_owned(), ["--".to_owned(), path].into_iter().chain(args).collect()),
        false => (path, args),
    };
    Ok(Container {
        created: Time(config.created.clone()),
        path,
        args,
        state: State::of(&state),
        image,
        image_digest,
        image_name: image_name(&config),
        rootfs,
        pod: "",
        resolv_conf_path: generated("resolv.conf"),
        hostname_path: generated("hostname"),
        hosts_path: generated("hosts"),
        static_dir: paths.directory.display().to_string(),
        oci_config_path: generated("config.json"),
        oci_runtime: engine.options.runtime.as_ref().map_or_else(|| "dulse".into(), |path| path.display().to_string()),
        conmon_pid_file: file(&config.conmon_pid_file, "conmon.pid"),
        pid_file: file(&config.pid_file, "pidfile"),
        name: config.name.clone(),
        restart_count: state.restart_count,
        driver: "overlay",
        mount_label: "",
        process_label: "",
        app_armor_profile: config.security.apparmor.clone(),
        effective_caps: effective_capabilities(&config),
        bounding_caps: config.security.capabilities.clone(),
        exec_ids: state.exec_ids.clone(),
        graph_driver: graph_driver(engine, &config, &state),
        size_rw,
        size_root_fs,
        mounts: mounts::mounts(engine, &config.mounts),
        dependencies: dependencies(&config),
        network_settings: NetworkSettings::of(&config, &state),
        namespace: "",
        is_infra: false,
        is_service: false,
        kube_exit_code_propagation: "invalid",
        lock_number: 0,
        config: Config::of(&config),
        host_config: HostConfig::of(&config),
        use_image_hosts: config.network.no_hosts || config.network.hosts_file == "image",
        use_image_hostname: config.network.no_hostname,
        id,
    })
}

impl State {
    fn of(state: &ContainerState) -> Self {
        let runs = stop::is_running(state);
        Self {
            oci_version: "1.2.1",
            status: stop::status_name(state.status),
            running: state.status == Status::Running,
            paused: state.status == Status::Paused,
            restarting: false,
            oom_killed: state.oom_killed,
            dead: false,
            pid: if runs { state.pid } else { 0 },
            conmon_pid: if runs { state.monitor_pid } else { 0 },
            exit_code: state.exit_code,
            error: state.error.clone(),
            started_at: Time(state.started.clone()),
            finished_at: Time(state.finished.clone()),
            cgroup_path: if runs { cgroup(state.pid) } else { String::new() },
            checkpointed_at: Time::default(),
            restored_at: Time::default(),
            stopped_by_user: state.stopped_by_user && !runs,
        }
    }
}

/// The control group of a process in the unified hierarchy.
fn cgroup(pid: i32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned()
}

/// A process that is not root in the container has only what was added for it.
fn effective_capabilities(config: &ContainerConfig) -> Vec<String> {
    let user = config.process.user.split(':').next().unwrap_or_default();
    match user {
        "" | "0" | "root" => config.security.capabilities.clone(),
        _ if config.security.privileged => config.security.capabilities.clone(),
        _ => config.security.capabilities.iter().filter(|name| config.security.cap_add.contains(name)).cloned().collect(),
    }
}

fn graph_driver(engine: &Engine, config: &ContainerConfig, state: &ContainerState) -> GraphDriver {
    let paths = containers::paths(&engine.store, &config.id);
    let mut data = BTreeMap::new();
    if let Root::Image { layers, .. } = &config.root {
        let directories =
            layers.iter().rev().filter_map(|digest| Some(layer::directory(&engine.store, &digest.parse().ok()?).display().to_string()));
        data.insert("LowerDir", directories.collect::<Vec<_>>().join(":"));
    }
    if stop::is_running(state) {
        data.insert("MergedDir", paths.merged.display().to_string());
    }
    data.insert("UpperDir", paths.upper.display().to_string());
    data.insert("WorkDir", paths.work.display().to_string());
    GraphDriver { name: "overlay", data }
}

/// Containers whose namespaces it uses.
fn dependencies(config: &ContainerConfig) -> Vec<String> {
    let namespaces = &config.namespaces;
    let mut ids: Vec<String> = [&namespaces.pid, &namespaces.ipc, &namespaces.uts, &namespaces.cgroup]
        .into_iter()
        .filter_map(|namespace| if let Namespace::Container(id) = namespace { Some(id.clone()) } else { None })
        .collect();
    if let NetworkMode::Container(id) = &config.network.mode {
        ids.push(id.clone());
    }
    ids.sort();
    ids.dedup();
    ids
}
