//! Pulling the large image from a registry on loopback, beside what a shell user has: `curl | gzip -dc | tar -x` of the same
//! layers, side by side, which verifies nothing and writes no state.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dulse::oci::Digest;

use crate::fixture::{Fixture, program, run, time};
use crate::image::{self, Large};
use crate::report::Table;

/// On tmpfs: what the work costs.
pub fn on_tmpfs(fixture: &Fixture) -> Result<Table, String> {
    measure(fixture, Path::new("/dev/shm"), false, "pull of a 1 GB, four-layer, 70,000-file image into tmpfs")
}

/// On the scratch directory's disk, synced at the end.
pub fn on_disk(fixture: &Fixture) -> Result<Table, String> {
    measure(fixture, &fixture.scratch, true, "the same onto disk, synced at the end")
}

fn measure(fixture: &Fixture, target: &Path, sync: bool, title: &str) -> Result<Table, String> {
    let cache = std::env::var_os("DULSE_BENCH_CACHE").map_or_else(|| fixture.scratch.join("large"), PathBuf::from);
    let large = image::large(&cache).map_err(|error| format!("{}: {error}", cache.display()))?;
    let registry = Registry::start(fixture)?;
    registry.push(&large)?;
    let mut table = Table::times(title);
    let work = target.join(format!("dulse-bench-pull-{}", std::process::id()));
    for _ in 0..3 {
        for engine in fixture.engines() {
            fs::create_dir_all(&work).map_err(|error| error.to_string())?;
            let begin = Instant::now();
            time(fixture.command(&engine).env("XDG_DATA_HOME", &work).args(["pull", "-q"]).arg(registry.image()))?;
            synced(sync, &work)?;
            table.duration(&engine, begin.elapsed());
            run(fixture.command(&engine).env("XDG_DATA_HOME", &work).args(["rmi", "-a", "-f"]))?;
            run(fixture.command(&engine).env("XDG_DATA_HOME", &work).args(["system", "reset", "-f"]))?;
            let _ = fs::remove_dir_all(&work);
        }
        fs::create_dir_all(&work).map_err(|error| error.to_string())?;
        let begin = Instant::now();
        time(Command::new("sh").arg("-c").arg(shell_line(&registry, &large)).current_dir(&work))?;
        synced(sync, &work)?;
        table.duration("curl, gzip -dc, tar -x", begin.elapsed());
        fs::remove_dir_all(&work).map_err(|error| error.to_string())?;
    }
    Ok(table)
}

fn synced(sync: bool, directory: &Path) -> Result<(), String> {
    if sync { run(Command::new("sync").arg("-f").arg(directory)).map(drop) } else { Ok(()) }
}

fn shell_line(registry: &Registry, large: &Large) -> String {
    let layer = |(number, (_, digest)): (usize, &(PathBuf, Digest))| {
        let url = format!("http://{}/v2/bench/blobs/{digest}", registry.address);
        format!("(mkdir {number} && curl -s {url} | gzip -dc | tar -x -C {number}) & ")
    };
    large.layers.iter().enumerate().map(layer).collect::<String>() + "wait"
}

/// Debian's docker-registry on a free port of loopback; ends with this value.
struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    fn start(fixture: &Fixture) -> Result<Self, String> {
        let server = program("docker-registry").ok_or("no docker-registry in PATH (Debian package docker-registry)")?;
        let storage = fixture.scratch.join("registry");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(|error| error.to_string())?.port();
        let address = format!("127.0.0.1:{port}");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {address}}}\n",
            storage.display()
        );
        let configuration = fixture.scratch.join("registry.yml");
        fs::write(&configuration, text).map_err(|error| error.to_string())?;
        let mut command = Command::new(server);
        command.arg("serve").arg(configuration).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| error.to_string())?;
        let registry = Self { process, address };
        for _ in 0..200 {
            if TcpStream::connect(&registry.address).is_ok() {
                return Ok(registry);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("docker-registry did not answer within 10 seconds".into())
    }

    fn image(&self) -> String {
        format!("{}/bench:latest", self.address)
    }

    /// Uploads what it has not yet, distribution specification "Pushing".
    fn push(&self, large: &Large) -> Result<(), String> {
        let config = std::env::temp_dir().join(format!("dulse-bench-config-{}", std::process::id()));
        fs::write(&config, &large.config).map_err(|error| error.to_string())?;
        for (file, digest) in &large.layers {
            self.push_blob(file, digest)?;
        }
        self.push_blob(&config, &Digest::sha256(large.config.as_bytes()))?;
        fs::write(&config, &large.manifest).map_err(|error| error.to_string())?;
        let manifest = format!("http://{}/v2/bench/manifests/latest", self.address);
        let kind = format!("Content-Type: {}", dulse::oci::media_type::OCI_MANIFEST);
        let sent = run(Command::new("curl")
            .args(["-sf", "-X", "PUT", "-H", &kind, "--data-binary"])
            .arg(format!("@{}", config.display()))
            .arg(manifest));
        let _ = fs::remove_file(config);
        sent.map(drop)
    }

    fn push_blob(&self, file: &Path, digest: &Digest) -> Result<(), String> {
        let uploads = format!("http://{}/v2/bench/blobs/uploads/", self.address);
        let headers = run(Command::new("curl").args(["-sf", "-D", "-", "-o", "/dev/null", "-X", "POST"]).arg(uploads))?;
        let location = headers.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("location")));
        let (_, location) = location.ok_or("the registry gave no upload location")?;
        let separator = if location.contains('?') { '&' } else { '?' };
        let url = format!("{}{separator}digest={digest}", location.trim());
        run(Command::new("curl").args(["-sf", "-X", "PUT", "-H", "Content-Type: application/octet-stream", "-T"]).arg(file).arg(url))
            .map(drop)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
