//! `Config`: what the container's process was asked to be.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Empty, Nullable};
use crate::engine::container::exposed_ports;
use crate::spec::signal;
use crate::storage::{ContainerConfig, Root};

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "*define.InspectContainerConfig", rename_all = "PascalCase")]
pub struct Config {
    hostname: String,
    domainname: &'static str,
    user: String,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: Vec<String>,
    cmd: Nullable<Vec<String>>,
    image: String,
    volumes: Option<()>,
    working_dir: String,
    entrypoint: Nullable<Vec<String>>,
    on_build: Option<()>,
    labels: Nullable<BTreeMap<String, String>>,
    annotations: Nullable<BTreeMap<String, String>>,
    stop_signal: String,
    healthcheck_on_failure_action: &'static str,
    health_log_destination: &'static str,
    healthcheck_max_log_count: u32,
    healthcheck_max_log_size: u32,
    create_command: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    timezone: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    systemd_mode: bool,
    umask: String,
    timeout: u64,
    stop_timeout: i64,
    passwd: bool,
    #[serde(rename = "sdNotifyMode")]
    sd_notify_mode: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, Empty>,
}

impl Config {
    pub fn of(config: &ContainerConfig) -> Self {
        let process = &config.process;
        Self {
            hostname: config.hostname.clone(),
            domainname: "",
            user: process.user.clone(),
            attach_stdin: false,
            attach_stdout: false,
            attach_stderr: false,
            tty: process.terminal,
            open_stdin: process.stdin_open,
            stdin_once: false,
            env: process.env.clone(),
            cmd: Nullable(process.command.clone()),
            image: image_name(config),
            volumes: None,
            working_dir: if process.workdir.is_empty() { "/".into() } else { process.workdir.clone() },
            entrypoint: Nullable(process.entrypoint.clone()),
            on_build: None,
            labels: Nullable(config.labels.clone()),
            annotations: Nullable(config.annotations.clone()),
            stop_signal: signal::name(config.stop_signal),
            healthcheck_on_failure_action: "none",
            health_log_destination: "local",
            healthcheck_max_log_count: 5,
            healthcheck_max_log_size: 500,
            create_command: config.create_command.clone(),
            timezone: process.timezone.clone(),
            systemd_mode: config.systemd == crate::storage::Systemd::Always,
            umask: if process.umask.is_empty() { "0022".into() } else { process.umask.clone() },
            timeout: config.timeout,
            stop_timeout: config.stop_timeout,
            passwd: process.passwd,
            sd_notify_mode: "container",
            exposed_ports: exposed_ports(&config.network.expose)
                .into_iter()
                .chain(config.network.ports.iter().map(|port| (port.container_port, port.protocol.clone())))
                .map(|(port, protocol)| (format!("{port}/{protocol}"), Empty))
                .collect(),
        }
    }
}

/// The name of the image, empty for a container of a directory.
pub fn image_name(config: &ContainerConfig) -> String {
    match &config.root {
        Root::Image { name, .. } => name.clone(),
        Root::Directory { .. } => String::new(),
    }
}
