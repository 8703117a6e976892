//! The helper process: started beside the container's mounts, awaited, ended.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{AccessFlags, access};

use super::pasta::{self, Memory};
use super::plan::{Backend, Plan};
use super::{Error, address, port, slirp};
use crate::sys;

/// A network that works.
#[derive(Debug)]
pub struct Connection {
    pub helper: Helper,
    /// The container's addresses, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// Name servers that the helper provides.
    pub dns: Vec<IpAddr>,
    /// Where the host is reached from inside.
    pub host: Option<IpAddr>,
    pub ipv6: bool,
}

/// The running helper of a container. It lives on when this is dropped, slirp4netns excepted.
#[derive(Debug)]
pub struct Helper {
    pub backend: Backend,
    /// `None` where pasta was told to write its PID elsewhere.
    pub pid: Option<i32>,
    pidfd: Option<OwnedFd>,
    /// pasta ends when this is removed.
    link: Option<PathBuf>,
    /// slirp4netns ends when this is closed.
    _exit: Option<OwnedFd>,
}

impl Helper {
    /// Ends it. A caller that is its parent or a subreaper still has to reap it.
    pub fn stop(self) {
        if let Some(link) = &self.link {
            let _ = fs::remove_file(link);
        }
        if let Some(pidfd) = &self.pidfd {
            let _ = sys::clone::kill(pidfd.as_fd(), libc::SIGKILL);
        }
    }
}

/// A helper that configures the network namespace meanwhile. Dropping it ends it.
#[derive(Debug)]
pub struct Starting {
    plan: Plan,
    /// The process whose namespaces they are.
    target: i32,
    user: OwnedFd,
    network: OwnedFd,
    program: PathBuf,
    child: Option<Child>,
}

/// The started program.
#[derive(Debug)]
struct Child {
    pid: i32,
    output: File,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Pasta { command: pasta::Command, link: PathBuf, pid_file: PathBuf, map_guest: bool },
    Slirp { options: slirp::Options, directory: File, ready: io::PipeReader, exit: io::PipeWriter },
}

/// Starts the helper on the user and network namespaces of process `pid`. pasta needs no ID maps for its start; slirp4netns does, and so is
/// started by [`Starting::wait`]. Where pasta is missing and nobody asked for it by name,
/// slirp4netns takes its place.
pub fn start(plan: &Plan, pid: i32, user: OwnedFd, network: OwnedFd) -> Result<Starting, Error> {
    port::check(&plan.ports)?;
    let (backend, program) = match find(plan.backend, plan) {
        Some(program) => (plan.backend, program),
        None => substitute(plan).ok_or(Error::NoHelper(plan.backend))?,
    };
    let mut starting = Starting { plan: Plan { backend, ..plan.clone() }, target: pid, user, network, program, child: None };
    if backend == Backend::Pasta {
        let map_guest = Memory::new(&plan.cache).says_map_guest(&starting.program);
        starting.child = Some(starting.spawn_pasta(map_guest)?);
    }
    Ok(starting)
}

/// slirp4netns instead of a pasta that nobody asked for by name.
fn substitute(plan: &Plan) -> Option<(Backend, PathBuf)> {
    let other = Backend::Slirp4netns;
    if plan.explicit || plan.backend == other { None } else { find(other, plan).map(|program| (other, program)) }
}

/// The program in the directories of containers.conf, then in PATH, then where distributions have it.
fn find(backend: Backend, plan: &Plan) -> Option<PathBuf> {
    sys::program::find(backend.program(), &plan.settings.helper_directories)
}

impl Starting {
    /// Waits until the network is configured; the ID maps are written by now. A network that fails for want of something that slirp4netns does not need is tried with it.
    pub fn wait(mut self) -> Result<Connection, Error> {
        loop {
            let child = match self.child.take() {
                Some(child) => child,
                None => self.spawn_slirp()?,
            };
            let (code, message, map_guest) = match child.ready(&self.plan, self.target)? {
                Outcome::Connected(connection) => return Ok(connection),
                Outcome::Failed { code, message, map_guest } => (code, message, map_guest),
            };
            if map_guest && pasta::lacks_map_guest(&message) {
                Memory::new(&self.plan.cache).note(&self.program);
                self.child = Some(self.spawn_pasta(false)?);
            } else if let Some((backend, program)) = substitute(&self.plan).filter(|_| pasta::found_no_route(&message)) {
                self.plan.backend = backend;
                self.program = program;
            } else {
                return Err(explain(self.plan.backend, code, &message));
            }
        }
    }

    fn spawn_pasta(&self, map_guest: bool) -> Result<Child, Error> {
        let link = pasta::link_namespace(&self.plan.directory)?;
        let pid_file = self.plan.directory.join("pasta.pid");
        let command = pasta::command(&self.plan, &text(&link), &text(&pid_file), map_guest)?;
        // pasta closes what it inherits from 3 on, and from within the container's user namespace it may open no process's namespaces.
        let output = self.output()?;
        let pid = self.run(&command.arguments, &[self.network.as_fd(), self.user.as_fd(), output.as_fd()])?;
        Ok(Child { pid, output, kind: Kind::Pasta { command, link, pid_file, map_guest } })
    }

    fn spawn_slirp(&self) -> Result<Child, Error> {
        let failed = |error| Error::Run(Backend::Slirp4netns, error);
        let options = slirp::Options::of(&self.plan)?;
        let _ = fs::remove_file(self.plan.directory.join(slirp::SOCKET));
        let directory = File::open(&self.plan.directory).map_err(Error::io("open", &self.plan.directory))?;
        let (ready, ready_writer) = io::pipe().map_err(failed)?;
        let (exit_reader, exit) = io::pipe().map_err(failed)?;
        let arguments = options.arguments(!self.plan.ports.is_empty());
        let null = File::open("/dev/null").map_err(failed)?;
        let output = self.output()?;
        let streams = [null.as_fd(), output.as_fd(), output.as_fd()];
        let others = [ready_writer.as_fd(), exit_reader.as_fd(), self.user.as_fd(), self.network.as_fd(), directory.as_fd()];
        let pid = self.run(&arguments, &[&streams[..], &others[..]].concat())?;
        Ok(Child { pid, output, kind: Kind::Slirp { options, directory, ready, exit } })
    }

    /// A file in memory for what the program says: a pipe would have to be read as long as it lives.
    fn output(&self) -> Result<File, Error> {
        let output = memfd_create(c"network", MFdFlags::MFD_CLOEXEC);
        output.map(File::from).map_err(|errno| Error::Run(self.plan.backend, errno.into()))
    }

    /// Runs the program; `fds` become its descriptors 0, 1, 2, …
    fn run(&self, arguments: &[String], fds: &[BorrowedFd<'_>]) -> Result<i32, Error> {
        let failed = |error| Error::Run(self.plan.backend, error);
        let unfit = |_| failed(io::ErrorKind::InvalidInput.into());
        let program = CString::new(self.program.as_os_str().as_bytes()).map_err(unfit)?;
        let words = std::iter::once(Ok(program.clone())).chain(arguments.iter().map(|argument| CString::new(argument.as_str())));
        let words = words.collect::<Result<Vec<_>, _>>().map_err(unfit)?;
        sys::spawn_helper::spawn_helper(&program, &words, fds).map_err(failed)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            if let Kind::Pasta { link, .. } = &child.kind {
                let _ = fs::remove_file(link);
            }
            let _ = sys::clone::open_process(child.pid).and_then(|pidfd| sys::clone::kill(pidfd.as_fd(), libc::SIGKILL));
            let _ = sys::clone::wait(child.pid);
        }
    }
}

enum Outcome {
    Connected(Connection),
    Failed { code: i32, message: String, map_guest: bool },
}

impl Child {
    /// Waits for success or failure: pasta's first process ends with either, slirp4netns writes a byte or ends.
    fn ready(self, plan: &Plan, target: i32) -> Result<Outcome, Error> {
        let Self { pid, output, kind } = self;
        let failed = |error| Error::Run(plan.backend, error);
        match kind {
            Kind::Pasta { command, link, pid_file, map_guest } => match sys::clone::wait(pid).map_err(failed)? {
                0 => Ok(Outcome::Connected(pasta_connection(command, link, &pid_file, target))),
                code => Ok(Outcome::Failed { code, message: said(output), map_guest }),
            },
            Kind::Slirp { options, directory, mut ready, exit } => {
                if ready.read(&mut [0]).map_err(failed)? == 0 {
                    let code = sys::clone::wait(pid).map_err(failed)?;
                    return Ok(Outcome::Failed { code, message: said(output), map_guest: false });
                }
                let helper = Helper {
                    backend: Backend::Slirp4netns,
                    pid: Some(pid),
                    pidfd: sys::clone::open_process(pid).ok(),
                    link: None,
                    _exit: Some(exit.into()),
                };
                if let Err(error) = slirp::forward(directory.as_fd(), &options, &plan.ports) {
                    helper.stop();
                    let _ = sys::clone::wait(pid);
                    return Err(error);
                }
                Ok(Outcome::Connected(Connection {
                    helper,
                    addresses: vec![options.guest()],
                    dns: vec![options.dns()],
                    host: address::of_host(&[]),
                    ipv6: options.ipv6(),
                }))
            }
        }
    }
}

fn pasta_connection(command: pasta::Command, link: PathBuf, pid_file: &Path, target: i32) -> Connection {
    let addresses = address::of_process(target);
    let ipv4 = addresses.iter().any(IpAddr::is_ipv4);
    let ipv6 = addresses.iter().any(IpAddr::is_ipv6);
    let fits = |address: &IpAddr| if address.is_ipv4() { ipv4 } else { ipv6 };
    let pid = fs::read_to_string(pid_file).ok().and_then(|text| text.trim().parse().ok());
    let host = command.host.into_iter().find(fits).or_else(|| address::of_host(&addresses));
    let helper = Helper {
        backend: Backend::Pasta,
        pid,
        pidfd: pid.and_then(|pid| sys::clone::open_process(pid).ok()),
        link: Some(link),
        _exit: None,
    };
    Connection { helper, dns: command.dns.into_iter().filter(fits).collect(), host, ipv6, addresses }
}

/// What the program wrote, without the usage text, an old pasta's complaints about a missing system logger and slirp4netns's progress.
fn said(mut output: File) -> String {
    let mut bytes = Vec::new();
    let _ = output.rewind().and_then(|()| output.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let noise = ["Failed to send ", "WARNING: Support for ", "Starting slirp", "* ", "sent tapfd", "received tapfd"];
    let lines = text.lines().filter(|line| !line.is_empty() && !noise.iter().any(|prefix| line.starts_with(prefix)));
    lines.take_while(|line| !line.starts_with("Usage:")).collect::<Vec<_>>().join("\n")
}

/// The failure in the words of its cause, where we know better than the program.
fn explain(backend: Backend, code: i32, message: &str) -> Error {
    let tun = Path::new("/dev/net/tun");
    if !tun.exists() {
        return Error::NoTun("does not exist", Some("sudo modprobe tun".into()));
    }
    if access(tun, AccessFlags::R_OK | AccessFlags::W_OK).is_err() {
        return Error::NoTun("is not accessible", Some("sudo chmod 666 /dev/net/tun".into()));
    }
    Error::Failed { backend, code, message: message.to_owned() }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
