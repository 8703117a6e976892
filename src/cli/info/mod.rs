//! `info`: the host, the store, the versions, in podman's structure.

mod tree;

use std::process::ExitCode;

use tree::{Node, Struct};

use super::template::{Format, is_json};
use super::{CliError, Globals, output};
use crate::engine::info::{self, Helper, Info};
use crate::spec::capability;
use crate::userns::IdMapping;

/// Display information about the host, the store and dulse itself.
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Change the output format to JSON or a Go template
    #[arg(short, long)]
    format: Option<String>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn info(args: InfoArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let tree = tree(&info::gather(&globals.engine()?)?);
    match args.format.as_deref() {
        Some(format) if is_json(format) => output::json(&tree, 2)?,
        Some(format) => output::rendered(Format::single("info", format)?.render(&tree.value()))?,
        None => output::text(&tree.yaml())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn tree(info: &Info) -> Node {
    Struct::new("*define.Info")
        .field("host", "Host", host(info))
        .field("store", "Store", store(info))
        .field("registries", "Registries", registries(info))
        .field("plugins", "Plugins", plugins())
        .field("version", "Version", version())
        .into()
}

fn host(info: &Info) -> Struct {
    let [user, system, idle] = info.cpu_utilization;
    let utilization = Struct::new("*define.CPUUsage")
        .field("userPercent", "UserPercent", user)
        .field("systemPercent", "SystemPercent", system)
        .field("idlePercent", "IdlePercent", idle);
    let distribution = Struct::new("define.DistributionInfo")
        .field("distribution", "Distribution", info.distribution.id.as_str())
        .field("variant", "Variant", info.distribution.variant.as_str())
        .field("version", "Version", if info.distribution.version.is_empty() { "unknown" } else { &info.distribution.version })
        .field("codename", "Codename", info.distribution.codename.as_str());
    let maps = Struct::new("define.IDMappings").field("gidmap", "GIDMap", mappings(&info.id_map.gids)).field(
        "uidmap",
        "UIDMap",
        mappings(&info.id_map.uids),
    );
    let own = |kind, with_name: bool| {
        let described = Struct::new(kind);
        let described = if with_name { described.field("name", "Name", "dulse") } else { described };
        described.field("package", "Package", "").field("path", "Path", info.executable.display().to_string()).field(
            "version",
            "Version",
            format!("dulse version {VERSION}"),
        )
    };
    let security = Struct::new("define.SecurityInfo")
        .field("apparmorEnabled", "AppArmorEnabled", false)
        .field("capabilities", "DefaultCapabilities", capability::DEFAULT.join(","))
        .field("rootless", "Rootless", info.uid != 0)
        .field("seccompEnabled", "SECCOMPEnabled", info.seccomp)
        .field("seccompProfilePath", "SECCOMPProfilePath", "")
        .field("selinuxEnabled", "SELinuxEnabled", info.selinux);
    let socket = Struct::new("*define.RemoteSocket").field("path", "Path", "").field("exists", "Exists", false);
    Struct::new("*define.HostInfo")
        .field("arch", "Arch", architecture())
        .field("buildahVersion", "BuildahVersion", "")
        .field("cgroupManager", "CgroupManager", info.cgroup_manager.as_str())
        .field("cgroupVersion", "CgroupsVersion", info.cgroup_version.as_str())
        .field("cgroupControllers", "CgroupControllers", Node::strings(&info.controllers))
        .field("conmon", "Conmon", own("*define.ConmonInfo", false))
        .field("cpus", "CPUs", info.cpus)
        .field("cpuUtilization", "CPUUtilization", utilization)
        .field("databaseBackend", "DatabaseBackend", "files")
        .field("distribution", "Distribution", distribution)
        .field("eventLogger", "EventLogger", "file")
        .field("hostname", "Hostname", info.hostname.as_str())
        .field("idMappings", "IDMappings", maps)
        .field("kernel", "Kernel", info.kernel.as_str())
        .field("logDriver", "LogDriver", info.log_driver.as_str())
        .field("memFree", "MemFree", info.memory[0])
        .field("memTotal", "MemTotal", info.memory[1])
        .field("networkBackend", "NetworkBackend", "pasta")
        .field("ociRuntime", "OCIRuntime", own("*define.OCIRuntimeInfo", true))
        .field("os", "OS", std::env::consts::OS)
        .field("remoteSocket", "RemoteSocket", socket)
        .field("rootlessNetworkCmd", "RootlessNetworkCmd", if info.pasta.is_some() { "pasta" } else { "slirp4netns" })
        .field("serviceIsRemote", "ServiceIsRemote", false)
        .field("security", "Security", security)
        .field("slirp4netns", "Slirp4NetNS", helper("define.SlirpInfo", info.slirp4netns.as_ref()))
        .field("pasta", "Pasta", helper("define.PastaInfo", info.pasta.as_ref()))
        .field("swapFree", "SwapFree", info.swap[0])
        .field("swapTotal", "SwapTotal", info.swap[1])
        .field("uptime", "Uptime", uptime(info.uptime))
        .field("variant", "Variant", "")
        .field("linkmode", "Linkmode", "static")
}

fn mappings(mappings: &[IdMapping]) -> Node {
    let mapping = |mapping: &IdMapping| {
        Struct::new("idtools.IDMap")
            .field("container_id", "ContainerID", mapping.container)
            .field("host_id", "HostID", mapping.host)
            .field("size", "Size", mapping.size)
            .into()
    };
    Node::List(mappings.iter().map(mapping).collect())
}

fn helper(kind: &'static str, helper: Option<&Helper>) -> Struct {
    let text = |value: Option<String>| value.unwrap_or_default();
    Struct::new(kind)
        .field("executable", "Executable", text(helper.map(|helper| helper.path.display().to_string())))
        .field("package", "Package", "")
        .field("version", "Version", text(helper.map(|helper| helper.version.clone())))
}

fn store(info: &Info) -> Struct {
    let [number, paused, running, stopped] = info.containers;
    let containers = Struct::new("define.ContainerStore")
        .field("number", "Number", number)
        .field("paused", "Paused", paused)
        .field("running", "Running", running)
        .field("stopped", "Stopped", stopped);
    let status = [("Backing Filesystem", info.file_system.as_str()), ("Native Overlay Diff", "true"), ("Using metacopy", "false")];
    let status = status.map(|(key, value)| (key.to_owned(), value.into())).to_vec();
    Struct::new("*define.StoreInfo")
        .field("containerStore", "ContainerStore", containers)
        .field("graphDriverName", "GraphDriverName", "overlay")
        .field("graphOptions", "GraphOptions", Node::Map(Vec::new()))
        .field("graphRoot", "GraphRoot", info.graph_root.display().to_string())
        .field("graphRootAllocated", "GraphRootAllocated", info.allocated)
        .field("graphRootUsed", "GraphRootUsed", info.used)
        .field("graphStatus", "GraphStatus", Node::Map(status))
        .field("imageCopyTmpDir", "ImageCopyTmpDir", info.graph_root.join("tmp").display().to_string())
        .field("imageStore", "ImageStore", Struct::new("define.ImageStore").field("number", "Number", info.images))
        .field("runRoot", "RunRoot", info.run_root.display().to_string())
        .field("volumePath", "VolumePath", info.graph_root.join("volumes").display().to_string())
        .field("transientStore", "TransientStore", false)
}

/// As podman's: what is searched, where anything is.
fn registries(info: &Info) -> Node {
    if info.search_registries.is_empty() {
        return Node::Map(Vec::new());
    }
    Node::Map(vec![("search".to_owned(), Node::strings(&info.search_registries))])
}

fn plugins() -> Struct {
    Struct::new("define.Plugins")
        .field("volume", "Volume", Node::strings(&["local"]))
        .field("network", "Network", Node::strings(&["pasta", "slirp4netns"]))
        .field("log", "Log", Node::strings(&["k8s-file", "json-file", "none", "passthrough", "journald"]))
        .field("authorization", "Authorization", serde_json::Value::Null)
}

fn version() -> Struct {
    Struct::new("define.Version")
        .field("APIVersion", "APIVersion", VERSION)
        .field("Version", "Version", VERSION)
        .field("GoVersion", "GoVersion", "")
        .field("GitCommit", "GitCommit", "")
        .field("BuiltTime", "BuiltTime", "")
        .field("Built", "Built", 0)
        .field("BuildOrigin", "BuildOrigin", "")
        .field("OsArch", "OsArch", format!("{}/{}", std::env::consts::OS, architecture()))
        .field("Os", "Os", std::env::consts::OS)
}

/// Go's name of it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `1h 6m 52.00s`, and in days where that is long.
fn uptime(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = format!("{hours}h {minutes}m {rest}.00s");
    if hours == 0 { text } else { format!("{text} (Approximately {:.2} days)", hours as f64 / 24.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_find_podmans_fields() {
        let info = Info { graph_root: "/data".into(), uid: 1000, ..Info::default() };
        let template =
            "{{.Host.Security.Rootless}} {{.Store.GraphRoot}} {{.Host.OCIRuntime.Name}} {{.Version.Version}} {{.Host.CgroupsVersion}}";
        let text = Format::single("info", template).unwrap().render(&tree(&info).value()).unwrap();
        assert_eq!(text.trim_end(), format!("true /data dulse {VERSION}"));
        let error = Format::single("info", "{{.Host.Nope}}").unwrap().render(&tree(&info).value()).unwrap_err();
        assert!(error.to_string().ends_with("can't evaluate field Nope in type *define.HostInfo"), "{error}");
    }

    #[test]
    fn the_uptime_is_podmans() {
        assert_eq!(uptime(4012), "1h 6m 52.00s (Approximately 0.04 days)");
        assert_eq!(uptime(61), "0h 1m 1.00s");
    }
}
