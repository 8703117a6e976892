//! A small command line over the monitor, so that tests can run, attach, stop and kill clients as separate processes:
//!
//! `run [-t] [-i] [-d] [-p] [--dir DIR] [--timeout MS] [--restarts N] [--size BYTES] COMMAND…` and `attach [-t] [-i] DIR`.
//! DIR gets `log`, `control`, `pid` and `exit`, the last with a line per exit.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use dulse::monitor::{
    self, After, AttachEnd, AttachOptions, ChildStdio, Error, ExitStatus, LaunchError, Launched, Lifecycle, LogConfig, LogDriver, Session,
    Streams,
};
use dulse::sys::{socket, supervisor, tty};
use dulse::term::DetachKeys;

#[derive(Default)]
struct Options {
    terminal: bool,
    stdin: bool,
    detach: bool,
    passthrough: bool,
    no_proxy: bool,
    directory: Option<PathBuf>,
    timeout: Option<u64>,
    restarts: u32,
    max_size: u64,
    rest: Vec<String>,
}

pub fn main(arguments: &[String]) -> ExitCode {
    let mut options = Options::default();
    let mut words = arguments[1..].iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("a value").clone();
        match word.as_str() {
            "-t" => options.terminal = true,
            "-i" => options.stdin = true,
            "-d" => options.detach = true,
            "-p" => options.passthrough = true,
            "-n" => options.no_proxy = true,
            "--dir" => options.directory = Some(value().into()),
            "--timeout" => options.timeout = Some(value().parse().unwrap()),
            "--restarts" => options.restarts = value().parse().unwrap(),
            "--size" => options.max_size = value().parse().unwrap(),
            _ => {
                options.rest.push(word.clone());
                options.rest.extend(words.cloned());
                break;
            }
        }
    }
    let streams = Streams { stdin: options.stdin, ..Streams::OUTPUT };
    let stream = if arguments[0] == "run" {
        run(&options, streams)
    } else {
        monitor::join(&PathBuf::from(&options.rest[0]).join("control"), streams)
    };
    let result = stream.and_then(|stream| {
        if options.detach {
            return monitor::wait_started(&stream).map(|_| AttachEnd::Exited(0));
        }
        let attach =
            AttachOptions { terminal: options.terminal, streams, detach_keys: DetachKeys::default(), sig_proxy: !options.no_proxy };
        monitor::attach(stream, &attach)
    });
    match result {
        Ok(AttachEnd::Exited(code)) => ExitCode::from(code as u8),
        Ok(AttachEnd::Detached) => ExitCode::from(99),
        Err(Error::Launch(failure)) => {
            eprintln!("{}", failure.message);
            ExitCode::from(failure.code)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(98)
        }
    }
}

fn run(options: &Options, streams: Streams) -> Result<std::os::unix::net::UnixStream, Error> {
    let directory = options.directory.clone();
    let driver = match (&directory, options.passthrough) {
        (_, true) => LogDriver::Passthrough,
        (Some(_), _) => LogDriver::K8sFile,
        (None, _) => LogDriver::None,
    };
    monitor::spawn(options.passthrough, |client| {
        let at = |name: &str| directory.as_ref().map(|directory| directory.join(name));
        let session = Session {
            terminal: options.terminal,
            size: monitor::own_size(),
            stdin: options.stdin,
            client: Some(client),
            streams: if options.detach { Streams::NONE } else { streams },
            control: at("control").map(|path| socket::listen(&path).unwrap()),
            log: LogConfig { driver, path: at("log").unwrap_or_default(), max_size: options.max_size, ..LogConfig::default() },
            timeout: options.timeout.map(Duration::from_millis),
            error_log: at("errors"),
            ..Session::default()
        };
        if let Some(path) = at("monitor") {
            fs::write(path, std::process::id().to_string()).unwrap();
        }
        let mut process = Process { command: &options.rest, directory: directory.clone(), restarts: options.restarts };
        monitor::supervise(session, &mut process);
    })
}

/// Supervised here: a plain child.
struct Process<'a> {
    command: &'a [String],
    directory: Option<PathBuf>,
    restarts: u32,
}

impl Lifecycle for Process<'_> {
    fn launch(&mut self, stdio: ChildStdio<'_>) -> Result<Launched, LaunchError> {
        let owned = |fd: std::os::fd::BorrowedFd<'_>| Stdio::from(fd.try_clone_to_owned().unwrap());
        let mut terminal: Option<OwnedFd> = None;
        let mut command = Command::new(&self.command[0]);
        if let Some(size) = stdio.terminal {
            let pair = tty::open_pair(size).unwrap();
            command = Command::new("setsid");
            command.arg("--ctty").arg(&self.command[0]);
            command.stdin(owned(pair.slave.as_fd())).stdout(owned(pair.slave.as_fd())).stderr(owned(pair.slave.as_fd()));
            terminal = Some(pair.master);
        } else {
            command.stdin(owned(stdio.fds[0])).stdout(owned(stdio.fds[1])).stderr(owned(stdio.fds[2]));
        }
        match command.args(&self.command[1..]).spawn() {
            Ok(child) => {
                let pid = child.id() as i32;
                Ok(Launched { pid, pidfd: supervisor::open_pidfd(pid).unwrap(), terminal })
            }
            Err(error) => Err(LaunchError { code: 127, message: format!("{}: {error}", self.command[0]), hint: None }),
        }
    }

    fn started(&mut self, pid: i32) {
        if let Some(directory) = &self.directory {
            fs::write(directory.join("pid"), pid.to_string()).unwrap();
        }
    }

    fn exited(&mut self, status: ExitStatus) -> After {
        if let Some(directory) = &self.directory {
            let mut file = File::options().create(true).append(true).open(directory.join("exit")).unwrap();
            writeln!(file, "{}", status.code()).unwrap();
        }
        if self.restarts == 0 {
            return After::End;
        }
        self.restarts -= 1;
        After::Restart(Duration::from_millis(50))
    }
}
