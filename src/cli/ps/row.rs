//! One container as `ps` shows it: cells of the table, fields of a template, JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::TemplateError;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::template::{self, Object, Value};
use crate::cli::{CliError, human};
use crate::engine::container::{self, stop};
use crate::engine::{Engine, when};
use crate::storage::{ContainerState, Status};

pub struct Row {
    pub state: ContainerState,
    /// Bytes of the container's own layer, and of that with the image's.
    pub size: Option<(u64, u64)>,
    no_trunc: bool,
    now: Timestamp,
}

/// What Go's zero time is in Unix seconds: podman's answer for "never".
const NEVER: i64 = -62_135_596_800;

impl Row {
    pub fn new(engine: &Engine, state: ContainerState, size: bool, no_trunc: bool) -> Result<Self, CliError> {
        let size = if size { Some(container::size(engine, &state)?) } else { None };
        Ok(Self { state, size, no_trunc, now: Timestamp::now() })
    }

    pub fn id(&self) -> String {
        if self.no_trunc { self.state.id.clone() } else { self.state.id.chars().take(12).collect() }
    }

    pub fn command(&self) -> String {
        let command = self.state.summary.command.join(" ");
        match self.no_trunc || command.chars().count() <= 20 {
            true => command,
            false => command.chars().take(17).collect::<String>() + "...",
        }
    }

    pub fn created_ago(&self) -> String {
        format!("{} ago", self.since(&self.state.summary.created))
    }

    fn since(&self, time: &str) -> String {
        human::duration(when::parse(time).map_or(0, |time| self.now.duration_since(time).as_secs()))
    }

    pub fn status(&self) -> String {
        match self.state.status {
            Status::Running => format!("Up {}", self.since(&self.state.started)),
            Status::Exited | Status::Stopped => format!("Exited ({}) {} ago", self.state.exit_code, self.since(&self.state.finished)),
            Status::Created => "Created".into(),
            Status::Initialized => "Initialized".into(),
            Status::Paused => "Paused".into(),
            Status::Stopping => "Stopping".into(),
            Status::Removing => "Removing".into(),
        }
    }

    pub fn ports(&self) -> String {
        container::describe_ports(&self.state.ports, &self.state.summary.expose)
    }

    pub fn size_text(&self) -> String {
        match self.size {
            Some((own, total)) => format!("{} (virtual {})", human::size(own, 3), human::size(total, 3)),
            None => String::new(),
        }
    }

    /// The inode number of a running container's namespace.
    pub fn namespace(&self, name: &str) -> String {
        if self.state.pid <= 0 || !stop::is_running(&self.state) {
            return String::new();
        }
        let link = std::fs::read_link(format!("/proc/{}/ns/{name}", self.state.pid)).unwrap_or_default();
        link.to_string_lossy().trim_start_matches(|character: char| !character.is_ascii_digit()).trim_end_matches(']').to_owned()
    }

    fn exited(&self) -> bool {
        matches!(self.state.status, Status::Exited | Status::Stopped)
    }

    /// Networks by name; the modes that stand for no network of ours are none.
    fn networks(&self) -> Vec<String> {
        let modes = ["pasta", "slirp4netns", "host", "none"];
        self.state.summary.networks.iter().filter(|name| !modes.contains(&name.as_str())).cloned().collect()
    }

    fn state(&self) -> &'static str {
        if self.exited() { "exited" } else { stop::status_name(self.state.status) }
    }

    fn epoch(time: &str) -> i64 {
        when::parse(time).map_or(NEVER, |time| time.as_second())
    }

    fn exposed(&self) -> BTreeMap<String, Vec<String>> {
        let mut exposed = BTreeMap::<String, Vec<String>>::new();
        for (port, protocol) in container::exposed_ports(&self.state.summary.expose) {
            exposed.entry(port.to_string()).or_default().push(protocol);
        }
        exposed
    }

    /// The fields that a template can name.
    pub fn to_value(&self) -> Value {
        let summary = &self.state.summary;
        let labels = summary.labels.clone();
        let label: gotmpl::ValueFunc = Arc::new(move |arguments| match arguments {
            [Value::String(name)] => Ok(template::text(labels.get(name.as_ref()).map_or("", String::as_str))),
            _ => Err(TemplateError::Exec("wrong number of args for Label: want 1".into())),
        });
        let exposed = self.exposed();
        let exposed = Value::Map(Arc::new(
            exposed
                .iter()
                .map(|(port, protocols)| (Arc::from(port.as_str()), template::list(protocols.iter().map(|text| template::text(text)))))
                .collect(),
        ));
        let image_id = if self.no_trunc { summary.image_id.clone() } else { summary.image_id.chars().take(12).collect() };
        Object::new("containers.psReporter")
            .field("AutoRemove", summary.auto_remove)
            .field("CIDFile", "")
            .field("Cgroup", self.namespace("cgroup"))
            .field("Command", self.command())
            .field("Created", template::time(&summary.created))
            .field("CreatedAt", human::go_time(&summary.created))
            .field("CreatedHuman", self.created_ago())
            .field("ExitCode", self.state.exit_code)
            .field("Exited", self.exited())
            .field("ExitedAt", Self::epoch(&self.state.finished))
            .field("ExposedPorts", exposed)
            .field("ID", self.id())
            .field("IPC", self.namespace("ipc"))
            .field("Image", &summary.image)
            .field("ImageID", image_id)
            .field("IsInfra", false)
            .field("Label", Value::Function(label))
            .field("Labels", &summary.labels)
            .field("MNT", self.namespace("mnt"))
            .field("Mounts", summary.mounts.as_slice())
            .field("NET", self.namespace("net"))
            .field("Names", &summary.name)
            .field("Namespaces", Object::new("entities.ListContainerNamespaces").build())
            .field("Networks", self.networks().join(","))
            .field("PIDNS", self.namespace("pid"))
            .field("Pid", self.state.pid)
            .field("Pod", "")
            .field("PodName", "")
            .field("Ports", self.ports())
            .field("Restarts", i64::from(self.state.restart_count))
            .field("RunningFor", self.created_ago())
            .field("Size", self.size_text())
            .field("StartedAt", Self::epoch(&self.state.started))
            .field("State", self.state())
            .field("Status", self.status())
            .field("USERNS", self.namespace("user"))
            .field("UTS", self.namespace("uts"))
            .json(&self.to_json())
            .build()
    }

    /// `--format json`.
    pub fn to_json(&self) -> Json {
        let summary = &self.state.summary;
        let ports: Vec<Json> = container::single_ports(&self.state.ports)
            .iter()
            .map(|port| {
                json!({
                    "host_ip": port.host_ip, "container_port": port.container_port, "host_port": port.host_port, "range": port.range,
                    "protocol": port.protocol
                })
            })
            .collect();
        json!({
            "AutoRemove": summary.auto_remove,
            "Command": summary.command,
            "CreatedAt": self.created_ago(),
            "CIDFile": "",
            "Exited": self.exited(),
            "ExitedAt": Self::epoch(&self.state.finished),
            "ExitCode": self.state.exit_code,
            "ExposedPorts": if summary.expose.is_empty() { Json::Null } else { json!(self.exposed()) },
            "Id": self.state.id,
            "Image": summary.image,
            "ImageID": summary.image_id,
            "IsInfra": false,
            "Labels": if summary.labels.is_empty() { Json::Null } else { json!(summary.labels) },
            "Mounts": summary.mounts,
            "Names": [summary.name],
            "Namespaces": {},
            "Networks": self.networks(),
            "Pid": self.state.pid,
            "Pod": "",
            "PodName": "",
            "Ports": if ports.is_empty() { Json::Null } else { Json::Array(ports) },
            "Restarts": self.state.restart_count,
            "Size": self.size.map_or(Json::Null, |(own, total)| json!({"rootFsSize": total, "rwSize": own})),
            "StartedAt": Self::epoch(&self.state.started),
            "State": self.state(),
            "Status": self.status(),
            "Created": Self::epoch(&summary.created),
        })
    }
}
