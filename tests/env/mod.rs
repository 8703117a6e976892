//! What every end-to-end test starts from: a [`TestEnv`] with directories of its own, the real binary, and a check at its end that
//! nothing is left of it: no process, no mount, no file.
//!
//! ```ignore
//! mod env;
//!
//! #[test]
//! fn run_passes_the_status_on() {
//!     let env = env::TestEnv::with_busybox();
//!     env.dulse("run --rm busybox sh -c 'exit 3'").fails(3);
//! }
//! ```

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test may say what it found")]

pub mod command;
pub mod host;
pub mod image;
pub mod images;
pub mod leaks;
pub mod mock;
pub mod pty;
pub mod registry;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use command::{Background, Invocation, Run};
pub use host::skipped;
pub use image::{Image, Layer};
pub use mock::{Action, Mock};
pub use registry::Registry;

/// The binary under test.
pub const DULSE: &str = env!("CARGO_BIN_EXE_dulse");

/// One test's private world. Dropping it resets the store and fails the test if anything is left behind.
pub struct TestEnv {
    root: PathBuf,
    variables: Vec<(String, String)>,
    /// Whether another engine than dulse uses it: then there is nothing to reset and to check.
    foreign: bool,
}

impl TestEnv {
    /// An empty store; registries on loopback are reached over plain HTTP, every image is trusted.
    pub fn new() -> Self {
        host::refuse_root();
        // Short, since the sockets below it have room for 108 bytes; not on tmpfs, which old kernels cannot put an overlay on.
        let root = tempfile::Builder::new().prefix("d-").tempdir_in("/tmp").unwrap().keep();
        for directory in ["data", "run", "cache", "config/containers", "home", "tmp", "work"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::set_permissions(root.join("run"), PermissionsExt::from_mode(0o700)).unwrap();
        let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
        let variables = [
            ("HOME", at("home")),
            ("XDG_DATA_HOME", at("data")),
            ("XDG_RUNTIME_DIR", at("run")),
            ("XDG_CACHE_HOME", at("cache")),
            ("XDG_CONFIG_HOME", at("config")),
            ("TMPDIR", at("tmp")),
            ("USER", host::user()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm".to_owned()),
        ];
        let env = Self { root, variables: variables.map(|(name, value)| (name.to_owned(), value)).into(), foreign: false };
        env.configure("registries.conf", "unqualified-search-registries = []\n[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n");
        env.configure("policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n");
        env.configure("containers.conf", "[engine]\nevents_logger = \"file\"\n[containers]\nlog_driver = \"k8s-file\"\n");
        env
    }

    /// The same for another engine, which leaves things behind.
    pub fn foreign() -> Self {
        let mut env = Self::new();
        env.foreign = true;
        env
    }

    /// The same with the image `localhost/busybox:latest`.
    pub fn with_busybox() -> Self {
        let env = Self::new();
        env.load(&images::busybox(), "localhost/busybox:latest");
        env
    }

    /// Writes a file of `$XDG_CONFIG_HOME/containers`.
    pub fn configure(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.join("config/containers").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Sets a variable of the environment of every command to come.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Removes one.
    pub fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `$XDG_DATA_HOME/dulse`.
    pub fn data(&self) -> PathBuf {
        self.root.join("data/dulse")
    }

    /// `$XDG_RUNTIME_DIR/dulse`.
    pub fn runtime(&self) -> PathBuf {
        self.root.join("run/dulse")
    }

    /// A place for the test's own files (bind mounts, archives), and the working directory of its commands.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Writes a file below [`TestEnv::work`].
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A command of dulse, its arguments split as a shell would: `env.dulse("run --rm busybox sh -c 'echo hi'")`.
    pub fn dulse(&self, line: &str) -> Invocation<'_> {
        let words = shlex::split(line).unwrap_or_else(|| panic!("not a command line: {line}"));
        self.program(DULSE).args(words)
    }

    /// Any other program in the environment of this test.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Invocation<'_> {
        Invocation::new(program.as_ref(), &self.work(), &self.variables)
    }

    /// Brings an image into the store by `load`, under this name.
    pub fn load(&self, image: &Image, name: &str) {
        let archive = image.docker_archive(&self.root.join("image.tar"), &[name]);
        self.dulse("load -q -i").arg(&archive).ok();
        fs::remove_file(archive).unwrap();
    }

    /// The container's state as `inspect` tells it, with the template given: `env.inspect("c", ".State.Status")`.
    pub fn inspect(&self, name: &str, field: &str) -> String {
        self.dulse("inspect --format").arg(format!("{{{{{field}}}}}")).arg(name).ok().trim_end().to_owned()
    }

    /// Waits until `condition` holds; fails the test after ten seconds.
    pub fn eventually(&self, what: &str, condition: impl FnMut() -> bool) {
        eventually(what, condition);
    }
}

/// Waits until `condition` holds; fails the test after ten seconds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "not within ten seconds: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if self.foreign {
            leaks::end_processes(&self.root);
            leaks::remove_by_force(&self.root);
            return;
        }
        let mut problems = Vec::new();
        let reset = self.dulse("system reset --force").timeout(Duration::from_secs(60)).run();
        if reset.code != 0 {
            problems.push(format!("system reset: {reset}"));
        }
        problems.extend(leaks::find(&self.root));
        leaks::end_processes(&self.root);
        if std::env::var_os("DULSE_TEST_KEEP").is_some() {
            eprintln!("kept: {}", self.root.display());
        } else if let Err(error) = fs::remove_dir_all(&self.root) {
            problems.push(format!("{}: cannot be removed by its owner: {error}", self.root.display()));
            leaks::remove_by_force(&self.root);
        }
        if problems.is_empty() {
            return;
        }
        let problems = problems.join("\n  ");
        if std::thread::panicking() {
            eprintln!("left behind by the failed test:\n  {problems}");
        } else {
            panic!("left behind by the test:\n  {problems}");
        }
    }
}
