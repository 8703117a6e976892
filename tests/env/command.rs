//! Commands of a test: what goes in, what came out.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pty::Pty;

/// Long enough for the slowest machine: a command that takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A command before it runs.
pub struct Invocation<'env> {
    program: OsString,
    arguments: Vec<OsString>,
    directory: PathBuf,
    variables: &'env [(String, String)],
    own_variables: Vec<(OsString, Option<OsString>)>,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
}

impl<'env> Invocation<'env> {
    pub(super) fn new(program: &OsStr, directory: &Path, variables: &'env [(String, String)]) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            directory: directory.into(),
            variables,
            own_variables: Vec::new(),
            stdin: None,
            timeout: TIMEOUT,
        }
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// A variable of this command's environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.own_variables.push((name.into(), Some(value.as_ref().into())));
        self
    }

    pub fn env_remove(mut self, name: &str) -> Self {
        self.own_variables.push((name.into(), None));
        self
    }

    /// The working directory; [`super::TestEnv::work`] otherwise.
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = directory.as_ref().into();
        self
    }

    /// What the command reads; nothing otherwise (`/dev/null`).
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(bytes.as_ref().into());
        self
    }

    /// When the command counts as hung and is killed, which fails the test; after a minute otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The plain command, for what this builder does not offer.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        self.settle(&mut command);
        command
    }

    fn settle(&self, command: &mut Command) {
        command.current_dir(&self.directory).env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        for (name, value) in &self.own_variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }

    /// Runs it to its end.
    pub fn run(self) -> Run {
        // Files rather than pipes: a monitor that keeps the standard error open must not keep the test waiting.
        let mut stdout = tempfile::tempfile().unwrap();
        let mut stderr = tempfile::tempfile().unwrap();
        let stdin = self.stdin.as_deref().map(input).map_or_else(Stdio::null, Stdio::from);
        let mut child = self
            .command()
            .stdin(stdin)
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{self}: {error}"));
        let status = wait(&mut child, self.timeout);
        let line = self.to_string();
        let run = Run { line, stdout: text(&mut stdout), stderr: text(&mut stderr), code: status.map_or(-1, code) };
        assert!(status.is_some(), "still running after {:?}, killed: {run}", self.timeout);
        run
    }

    /// Runs it, expects status 0, and returns what it printed.
    #[track_caller]
    pub fn ok(self) -> String {
        let run = self.run();
        assert!(run.code == 0, "expected to succeed: {run}");
        run.stdout
    }

    /// Runs it and expects this status.
    #[track_caller]
    pub fn fails(self, code: i32) -> Run {
        let run = self.run();
        assert!(run.code == code, "expected status {code}: {run}");
        run
    }

    /// Starts it with pipes on all three streams.
    pub fn spawn(self) -> Background {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{self}: {error}"));
        Background { line: self.to_string(), stdin: child.stdin.take(), child, timeout: self.timeout }
    }

    /// Starts it on a terminal of its own.
    pub fn pty(self) -> Pty {
        // setsid(1) makes the standard input the controlling terminal.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait", "--"]).arg(&self.program).args(&self.arguments);
        self.settle(&mut command);
        Pty::start(command, self.to_string(), self.timeout)
    }
}

impl fmt::Display for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = Path::new(&self.program).file_name().unwrap_or(&self.program);
        write!(f, "{}", program.to_string_lossy())?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", argument.to_string_lossy()))
    }
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Run {
    line: String,
    pub stdout: String,
    pub stderr: String,
    /// The exit status; 128 + n where signal n ended the command itself.
    pub code: i32,
}

impl Run {
    pub(super) fn new(line: String, stdout: String, stderr: String, code: i32) -> Self {
        Self { line, stdout, stderr, code }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: status {}\n--- stdout\n{}--- stderr\n{}---", self.line, self.code, self.stdout, self.stderr)
    }
}

/// A command that runs beside the test; killed when dropped.
pub struct Background {
    line: String,
    child: Child,
    stdin: Option<ChildStdin>,
    timeout: Duration,
}

impl Background {
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stdin.as_mut().expect("stdin is closed").write_all(bytes.as_ref()).unwrap();
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Reads the standard output until it contains `text`; returns all that was read.
    pub fn read_until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&seen).contains(text) {
            let stdout = self.child.stdout.as_mut().expect("stdout is taken");
            assert!(stdout.read(&mut byte).unwrap() == 1, "{}: ended before {text:?}: {:?}", self.line, String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Closes its input and waits for its end.
    pub fn wait(mut self) -> Run {
        self.stdin = None;
        let mut streams = (self.child.stdout.take(), self.child.stderr.take());
        let stderr = std::thread::spawn(move || read_all(streams.1.as_mut()));
        let stdout = std::thread::spawn(move || read_all(streams.0.as_mut()));
        let status = wait(&mut self.child, self.timeout);
        assert!(status.is_some(), "still running after {:?}, killed: {}", self.timeout, self.line);
        Run { line: self.line.clone(), code: status.map_or(-1, code), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the child's end; kills it and returns `None` where that takes longer than `timeout`.
pub(super) fn wait(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + timeout;
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

pub(super) fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

fn input(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn text(file: &mut File) -> String {
    file.rewind().unwrap();
    read_all(Some(file))
}

fn read_all(stream: Option<&mut impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.read_to_end(&mut bytes).unwrap();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
