//! What every case needs: a busybox root file system, the same image in each engine's private store, a runtime bundle.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Options;
use crate::image;

/// The scratch directory and the programs found.
pub struct Fixture {
    pub scratch: PathBuf,
    pub rounds: usize,
    pub dulse: PathBuf,
    pub floor: Option<PathBuf>,
    pub rootfs: PathBuf,
    pub bundle: PathBuf,
}

/// The image's name in both engines.
pub const IMAGE: &str = "localhost/bench:latest";

impl Fixture {
    pub fn new(options: &Options) -> Result<Self, String> {
        let scratch = options.scratch.clone();
        let fixture = Self {
            rounds: options.rounds,
            dulse: fs::canonicalize(&options.dulse)
                .or_else(|_| program("dulse").ok_or(()))
                .map_err(|()| "no dulse: give --dulse PATH".to_owned())?,
            floor: options.floor.clone(),
            rootfs: scratch.join("rootfs"),
            bundle: scratch.join("bundle"),
            scratch,
        };
        fixture.prepare().map_err(|error| format!("{}: {error}", fixture.scratch.display()))?;
        Ok(fixture)
    }

    fn prepare(&self) -> Result<(), String> {
        let io = |error: std::io::Error| error.to_string();
        for directory in ["data", "run", "cache", "config/containers", "home"] {
            fs::create_dir_all(self.scratch.join(directory)).map_err(io)?;
        }
        fs::set_permissions(self.scratch.join("run"), PermissionsExt::from_mode(0o700)).map_err(io)?;
        let configuration = self.scratch.join("config/containers");
        let files = [
            ("storage.conf", "[storage]\ndriver = \"overlay\"\n"),
            (
                "containers.conf",
                "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n[containers]\nlog_driver = \"k8s-file\"\n",
            ),
            ("policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n"),
            ("registries.conf", "unqualified-search-registries = []\n[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n"),
        ];
        for (name, text) in files {
            fs::write(configuration.join(name), text).map_err(io)?;
        }
        self.make_rootfs().map_err(io)?;
        let archive = self.scratch.join("bench.tar");
        image::archive_of(&self.rootfs, IMAGE, &archive).map_err(io)?;
        for engine in self.engines() {
            run(self.command(&engine).args(["load", "-i"]).arg(&archive))?;
        }
        if program("crun").is_some() {
            fs::create_dir_all(&self.bundle).map_err(io)?;
            run(Command::new("crun").args(["spec", "--rootless"]).current_dir(&self.bundle))?;
            let path = self.bundle.join("config.json");
            let text = fs::read_to_string(&path).map_err(io)?;
            let mut spec: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            spec["process"]["args"] = serde_json::json!(["true"]);
            spec["process"]["terminal"] = false.into();
            spec["root"]["path"] = self.rootfs.to_string_lossy().into();
            fs::write(&path, spec.to_string()).map_err(io)?;
        }
        Ok(())
    }

    /// A root file system of busybox and its applets.
    fn make_rootfs(&self) -> std::io::Result<()> {
        if self.rootfs.exists() {
            return Ok(());
        }
        for directory in ["bin", "dev", "etc", "proc", "sys", "tmp", "run", "root", "var"] {
            fs::create_dir_all(self.rootfs.join(directory))?;
        }
        let busybox = program("busybox").ok_or_else(|| std::io::Error::other("no busybox in PATH (package busybox-static)"))?;
        fs::copy(busybox, self.rootfs.join("bin/busybox"))?;
        for applet in ["sh", "true", "sleep", "ls", "cat", "echo", "id", "env"] {
            symlink("busybox", self.rootfs.join("bin").join(applet))?;
        }
        fs::write(self.rootfs.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
        fs::write(self.rootfs.join("etc/group"), "root:x:0:\n")
    }

    /// The engines to compare: dulse and, where it is in PATH, podman.
    pub fn engines(&self) -> Vec<String> {
        let mut engines = vec!["dulse".to_owned()];
        engines.extend(program("podman").map(|_| "podman".to_owned()));
        engines
    }

    /// A command of `engine` with its store in the scratch directory.
    pub fn command(&self, engine: &str) -> Command {
        let mut command = if engine == "dulse" { Command::new(&self.dulse) } else { Command::new(engine) };
        self.environment(&mut command);
        command
    }

    pub fn environment(&self, command: &mut Command) {
        command.env("HOME", self.scratch.join("home"));
        for (variable, directory) in
            [("XDG_DATA_HOME", "data"), ("XDG_RUNTIME_DIR", "run"), ("XDG_CACHE_HOME", "cache"), ("XDG_CONFIG_HOME", "config")]
        {
            command.env(variable, self.scratch.join(directory));
        }
    }

    /// What the figures were taken on, as a paragraph.
    pub fn machine(&self) -> String {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo")
            .lines()
            .find_map(|line| line.strip_prefix("model name").map(|rest| rest.trim_matches([' ', '\t', ':']).to_owned()));
        let mut versions = Vec::new();
        for name in ["podman", "crun", "runc", "bwrap", "pasta"].iter().filter(|name| program(name).is_some()) {
            let output = Command::new(name).arg("--version").output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            versions.push(output.unwrap_or_default().lines().next().unwrap_or_default().to_owned());
        }
        format!(
            "Linux {}, {} cores, {}; {}; scratch on {}\n",
            read("/proc/sys/kernel/osrelease").trim(),
            std::thread::available_parallelism().map_or(1, usize::from),
            processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            versions.join(", "),
            self.scratch.display(),
        )
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for engine in self.engines() {
            let _ = self.command(&engine).args(["rm", "-f", "-a", "-t", "0"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
            let _ = self.command(&engine).args(["system", "reset", "-f"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// Where `name` is in PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Runs `command` to its end; an error unless it succeeds.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// How long `command` takes; an error unless it succeeds. Its output goes to /dev/null, so that nobody's terminal is measured.
pub fn time(command: &mut Command) -> Result<Duration, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    let elapsed = start.elapsed();
    if status.success() { Ok(elapsed) } else { Err(format!("{command:?}: {status}")) }
}
