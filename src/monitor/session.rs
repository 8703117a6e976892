//! What a monitor is given to do: the session, and the hooks of whoever started it.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use crate::sys::tty::WindowSize;

/// One process to supervise with its standard streams: a container's first process or an exec session.
#[derive(Debug)]
pub struct Session {
    /// The container is given a terminal; its two output streams become one.
    pub terminal: bool,
    /// Size of that terminal at the start (the client's own), zero where there is none to take over.
    pub size: WindowSize,
    /// Keep standard input open (`-i`), with or without a client; else it is /dev/null.
    pub stdin: bool,
    /// The command that started this session: it hears whether the start worked and then gets `streams`.
    pub client: Option<UnixStream>,
    /// Streams relayed to and from `client`; none for a detached start.
    pub streams: Streams,
    /// Where `attach`, `resize` and `wait` connect; `None` for a session that cannot be joined.
    pub control: Option<UnixListener>,
    pub log: LogConfig,
    /// `--timeout`: the process is killed after this long.
    pub timeout: Option<Duration>,
    /// `--preserve-fds`: descriptors 3 to 2+N of the client stay open for the launch; all its other foreign ones are closed.
    pub preserve_fds: u32,
    /// Appended to with the monitor's own complaints (a full disk under the log …), which nobody else would hear.
    pub error_log: Option<PathBuf>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            terminal: false,
            size: WindowSize::default(),
            stdin: false,
            client: None,
            streams: Streams::NONE,
            control: None,
            log: LogConfig::default(),
            timeout: None,
            preserve_fds: 0,
            error_log: None,
        }
    }
}

/// Which of the three standard streams a client takes part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

impl Streams {
    /// A client that only wants to hear of the start and of the exit.
    pub const NONE: Self = Self { stdin: false, stdout: false, stderr: false };
    pub const ALL: Self = Self { stdin: true, stdout: true, stderr: true };
    pub const OUTPUT: Self = Self { stdin: false, stdout: true, stderr: true };

    pub fn any(self) -> bool {
        self.stdin || self.stdout || self.stderr
    }
}

/// Where the output of a session is kept.
#[derive(Clone, Debug, Default)]
pub struct LogConfig {
    pub driver: LogDriver,
    /// The file of `k8s-file` and `json-file`.
    pub path: PathBuf,
    /// Bytes after which the file starts anew; 0 is without limit.
    pub max_size: u64,
    /// journald: the container's ID (64 digits), name and `--log-opt tag`.
    pub id: String,
    pub name: String,
    pub tag: String,
    /// journald: fields beside the fixed ones, from `--log-opt label`.
    pub labels: Vec<(String, String)>,
}

/// `--log-driver`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogDriver {
    K8sFile,
    /// Lines of JSON as docker writes them were never podman's: the name stands for `k8s-file`.
    JsonFile,
    Journald,
    #[default]
    None,
    /// The container gets the client's own descriptors; nothing is relayed or kept.
    Passthrough,
    /// The same, and a terminal among them is welcome.
    PassthroughTty,
}

impl LogDriver {
    /// The driver by the name used on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "k8s-file" => Self::K8sFile,
            "json-file" => Self::JsonFile,
            "journald" => Self::Journald,
            "none" => Self::None,
            "passthrough" => Self::Passthrough,
            "passthrough-tty" => Self::PassthroughTty,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::K8sFile => "k8s-file",
            Self::JsonFile => "json-file",
            Self::Journald => "journald",
            Self::None => "none",
            Self::Passthrough => "passthrough",
            Self::PassthroughTty => "passthrough-tty",
        }
    }

    pub fn is_passthrough(self) -> bool {
        matches!(self, Self::Passthrough | Self::PassthroughTty)
    }
}

/// What the launched process gets as its standard streams.
#[derive(Debug)]
pub struct ChildStdio<'a> {
    /// Descriptors 0, 1 and 2. With `terminal`, they are /dev/null and the terminal takes their place.
    pub fds: [BorrowedFd<'a>; 3],
    /// Make a terminal of this size inside the container (its own devpts), give it to the process as controlling
    /// terminal and streams, and return the other end in [`Launched::terminal`].
    pub terminal: Option<WindowSize>,
}

/// A process that now runs.
#[derive(Debug)]
pub struct Launched {
    /// A child of the monitor, directly or through its being the subreaper.
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// The master end of the terminal made for the process.
    pub terminal: Option<OwnedFd>,
}

/// Why a process could not be launched, in the words and with the exit code the user gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchError {
    /// 125 the engine's fault, 126 not executable, 127 not found.
    pub code: u8,
    pub message: String,
    /// The command that mends it.
    pub hint: Option<String>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Exited(i32),
    Killed {
        signal: i32,
    },
    /// `--timeout` was over; the process was killed for it. Its exit code is -1, as podman records it.
    TimedOut,
}

impl ExitStatus {
    /// The exit code as a shell tells it: 128 + n for a signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Killed { signal } => 128 + signal,
            Self::TimedOut => -1,
        }
    }
}

/// What happens after an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The session is over.
    End,
    /// It is launched again after this delay.
    Restart(Duration),
}

/// The hooks of whoever wants a process supervised; all run in the monitor's process.
pub trait Lifecycle {
    /// Starts the process. Signals are blocked in the monitor and SIGPIPE is ignored: the child must reset its mask
    /// and dispositions (`sys::signal::reset_for_child`). On an error everything it began is undone again.
    fn launch(&mut self, stdio: ChildStdio<'_>) -> Result<Launched, LaunchError>;

    /// The process runs: record it. The client that waits for the start is told right after.
    fn started(&mut self, pid: i32);

    /// The process is gone and its output is read to the end: record it, tear down, and decide what follows.
    /// Clients hear of the exit after this.
    fn exited(&mut self, status: ExitStatus) -> After;

    /// All clients have been told of the end: time for what nobody has to wait for.
    fn finished(&mut self) {}

    /// The delay of a restart is over: whether to go on with it (the user may have stopped the container meanwhile).
    fn may_restart(&mut self) -> bool {
        true
    }
}
