//! Mounts, as the list of `Mounts`, as `Binds` and as `Tmpfs`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Nullable;
use crate::engine::Engine;
use crate::storage::{Mount as Configured, MountKind, volumes};

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "define.InspectMount", rename_all = "PascalCase")]
pub struct Mount {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    source: String,
    destination: String,
    driver: &'static str,
    /// Relabelling, z or Z.
    mode: String,
    options: Nullable<Vec<String>>,
    #[serde(rename = "RW")]
    rw: bool,
    propagation: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    sub_path: String,
}

const PROPAGATIONS: [&str; 8] = ["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"];

/// Volumes, then binds, then images; tmpfs mounts are listed elsewhere.
pub fn mounts(engine: &Engine, configured: &[Configured]) -> Vec<Mount> {
    let of = |wanted: &[MountKind]| -> Vec<Mount> {
        configured.iter().filter(|mount| wanted.contains(&mount.kind)).map(|mount| describe(engine, mount)).collect()
    };
    [of(&[MountKind::Volume]), of(&[MountKind::Bind]), of(&[MountKind::Image])].concat()
}

fn describe(engine: &Engine, mount: &Configured) -> Mount {
    let (kind, name, source, driver) = match mount.kind {
        MountKind::Volume => ("volume", mount.source.clone(), volumes::data(&engine.store, &mount.source).display().to_string(), "local"),
        MountKind::Image => ("image", String::new(), mount.source.clone(), ""),
        _ => ("bind", String::new(), mount.source.clone(), ""),
    };
    let image = mount.kind == MountKind::Image;
    let read_only = mount.options.iter().any(|option| matches!(option.as_str(), "ro" | "readonly"));
    Mount {
        kind,
        name,
        source,
        destination: mount.destination.clone(),
        driver,
        mode: mount.options.iter().find(|option| is_relabel(option)).cloned().unwrap_or_default(),
        options: Nullable(if image { Vec::new() } else { options(mount) }),
        rw: if image { mount.options.iter().any(|option| option == "rw") } else { !read_only },
        propagation: if image { String::new() } else { propagation(mount) },
        sub_path: mount.subpath.clone(),
    }
}

/// What is neither read-only nor propagation.
fn options(mount: &Configured) -> Vec<String> {
    let own = |option: &&String| {
        !matches!(option.as_str(), "ro" | "rw" | "readonly") && !is_relabel(option) && !PROPAGATIONS.contains(&option.as_str())
    };
    let mut options: Vec<String> = mount.options.iter().filter(own).cloned().collect();
    if mount.kind == MountKind::Volume {
        for (option, opposite) in [("nosuid", "suid"), ("nodev", "dev")] {
            if !options.iter().any(|given| given == option || given == opposite) {
                options.push(option.into());
            }
        }
    }
    if mount.kind != MountKind::Tmpfs && !options.iter().any(|option| matches!(option.as_str(), "bind" | "rbind")) {
        options.push("rbind".into());
    }
    options
}

fn is_relabel(option: &str) -> bool {
    matches!(option, "z" | "Z")
}

fn propagation(mount: &Configured) -> String {
    mount.options.iter().find(|option| PROPAGATIONS.contains(&option.as_str())).cloned().unwrap_or_else(|| "rprivate".into())
}

/// `SOURCE:DESTINATION:OPTIONS` of volumes and binds.
pub fn binds(configured: &[Configured]) -> Vec<String> {
    let of = |kind: MountKind| configured.iter().filter(move |mount| mount.kind == kind);
    let line = |mount: &Configured| {
        let mut parts = vec![access(mount), propagation(mount)];
        parts.extend(options(mount));
        format!("{}:{}:{}", mount.source, mount.destination, parts.join(","))
    };
    of(MountKind::Volume).chain(of(MountKind::Bind)).map(line).collect()
}

/// `ro` or `rw`, which is what a mount is that says neither.
fn access(mount: &Configured) -> String {
    let read_only = mount.options.iter().any(|option| matches!(option.as_str(), "ro" | "readonly"));
    if read_only { "ro" } else { "rw" }.to_owned()
}

/// Options of tmpfs mounts by destination.
pub fn tmpfs(configured: &[Configured]) -> BTreeMap<String, String> {
    let line = |mount: &Configured| {
        let mut parts = vec![access(mount), propagation(mount)];
        parts.extend(options(mount));
        for option in ["nosuid", "nodev", "tmpcopyup"] {
            let negated = format!("no{option}");
            if !parts.iter().any(|part| part == option || *part == negated || option.strip_prefix("no") == Some(part)) {
                parts.push(option.into());
            }
        }
        parts.join(",")
    };
    configured.iter().filter(|mount| mount.kind == MountKind::Tmpfs).map(|mount| (mount.destination.clone(), line(mount))).collect()
}
