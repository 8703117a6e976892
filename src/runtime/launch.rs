//! The caller's side of a start: clone, ID maps, and the conversation with the new process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::{self, clone::Process};
use crate::userns;

use super::channel::{Channel, Kind, Message};
use super::plan::Plan;
use super::{Error, Launch, init, own_file};

/// A container's first process before it executes the container's program. Dropping it kills it.
#[derive(Debug)]
pub struct Init {
    id: String,
    /// `None` once it is the caller's ([`Init::start`]) or has been waited for.
    process: Option<Process>,
    pid: i32,
    channel: Channel,
    created: bool,
    console: Option<OwnedFd>,
    id_map: Option<userns::IdMap>,
    /// The process sends its namespaces: see [`Init::namespaces`].
    sends_namespaces: bool,
}

/// What a network helper joins.
#[derive(Debug)]
pub struct Namespaces {
    pub user: OwnedFd,
    pub network: OwnedFd,
}

/// A running process of a container, a child of the caller.
#[derive(Debug)]
pub struct Running {
    pub pid: i32,
    pub pidfd: OwnedFd,
    /// The controlling side of the terminal that was made in the container's /dev/pts, where one was asked for.
    pub console: Option<OwnedFd>,
}

/// Makes the container's first process in its namespaces and writes its ID maps; it goes on with the mounts by itself.
/// To be called while the process has one thread.
pub fn spawn(launch: &Launch<'_>) -> Result<Init, Error> {
    let mut init = begin(launch)?;
    init.go_on()?;
    Ok(init)
}

/// Like [`spawn`], but leaves the ID maps to [`Init::go_on`], without which the process does not get far: a network helper that is started
/// in between runs beside newuidmap and the mounts.
pub fn begin(launch: &Launch<'_>) -> Result<Init, Error> {
    let plan = Plan::new(launch.spec, launch.bundle)?;
    plan.id_map.iter().try_for_each(|map| map.check(plan.process.uid, plan.process.gid))?;
    let (ours, theirs) = Channel::pair().map_err(|source| Error::System { step: "make a socket pair".into(), source })?;
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let caller_is_root = plan.caller_is_root(uid, gid);
    let mut ours = Some(ours);
    let guarded = own_file::needs_guard(plan.id_map.as_ref());
    let child = || {
        // With its copy of the caller's end gone, the process sees the end should the caller die.
        drop(ours.take());
        init::run(launch, &plan, &theirs, caller_is_root, guarded)
    };
    let joins = plan
        .joins
        .iter()
        .map(|join| {
            let file = std::fs::File::open(&join.path);
            let file = file.map_err(|source| Error::System { step: format!("open namespace {}", join.path.display()), source })?;
            Ok((OwnedFd::from(file), join.kind))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let process = if joins.is_empty() {
        sys::clone::clone_process(plan.namespaces, child)
    } else {
        let joins: Vec<_> = joins.iter().map(|(fd, kind)| (fd.as_fd(), *kind)).collect();
        sys::clone::clone_joined(&joins, plan.namespaces, child)
    };
    let process = process.map_err(|error| {
        if plan.id_map.is_some() {
            userns::diagnose(error).into()
        } else {
            Error::System { step: "make a process in its namespaces".into(), source: error }
        }
    })?;
    drop(theirs);
    let channel = ours.ok_or_else(|| Error::InitDied { id: launch.id.to_owned() })?;
    Ok(Init {
        id: launch.id.to_owned(),
        pid: process.pid,
        process: Some(process),
        channel,
        created: false,
        console: None,
        sends_namespaces: launch.connects && !plan.joins.is_empty(),
        id_map: plan.id_map,
    })
}

impl Init {
    /// Its process ID in the caller's PID namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// `None` after the process has failed.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.process.as_ref().map(|process| process.pidfd.as_fd())
    }

    /// Its user and network namespace. Only for a launch that `connects`, and before [`Init::go_on`].
    pub fn namespaces(&self) -> Result<Namespaces, Error> {
        let open = |name: &str| {
            let path = format!("/proc/{}/ns/{name}", self.pid);
            let file = std::fs::File::open(&path);
            file.map(OwnedFd::from).map_err(|source| Error::System { step: format!("open namespace {path}"), source })
        };
        if !self.sends_namespaces {
            return Ok(Namespaces { user: open("user")?, network: open("net")? });
        }
        let received = || match self.channel.receive() {
            Ok(Message::Namespace(namespace)) => Ok(namespace),
            Ok(Message::Failed(failure)) => Err(error(&self.id, failure)),
            Ok(_) => Err(Error::InitDied { id: self.id.clone() }),
            Err(source) => Err(Error::System { step: "receive from the container's init".into(), source }),
        };
        Ok(Namespaces { user: received()?, network: received()? })
    }

    /// Writes the ID maps, which the process waits for.
    pub fn go_on(&mut self) -> Result<(), Error> {
        if let Some(map) = self.id_map.take() {
            userns::write_maps(self.pid, &map)?;
            self.channel.tell(b'm').map_err(|error| self.failure(error))?;
        }
        Ok(())
    }

    /// Waits until all is mounted and set up. [`Init::start`] does this too: call it only where something is to happen in between.
    pub fn wait_created(&mut self) -> Result<(), Error> {
        if self.created {
            return Ok(());
        }
        match self.channel.receive() {
            Ok(Message::Created(console)) => {
                self.created = true;
                self.console = console;
                Ok(())
            }
            Ok(Message::Failed(failure)) => Err(error(&self.id, failure)),
            Ok(Message::End | Message::Namespace(_) | Message::Executing(_)) => Err(Error::InitDied { id: self.id.clone() }),
            Err(source) => Err(Error::System { step: "receive from the container's init".into(), source }),
        }
    }

    /// Lets it execute the container's program and waits until that has happened.
    pub fn start(mut self) -> Result<Running, Error> {
        // Told before it is asked for where nothing happens in between: the process need not wait.
        if let Err(error) = self.channel.tell(b's') {
            return Err(self.failure(error));
        }
        self.wait_created()?;
        match self.channel.wait_executed() {
            Ok(None) => {}
            Ok(Some(failure)) => return Err(error(&self.id, failure)),
            Err(source) => return Err(Error::System { step: "receive from the container's init".into(), source }),
        }
        match self.process.take() {
            Some(process) => Ok(Running { pid: process.pid, pidfd: process.pidfd, console: self.console.take() }),
            None => Err(Error::InitDied { id: self.id.clone() }),
        }
    }

    /// The reason why nobody listens at the other end: what the process has said last, else `error`.
    fn failure(&mut self, source: io::Error) -> Error {
        match self.wait_created() {
            Err(error) => error,
            Ok(()) => Error::System { step: "send to the container's init".into(), source },
        }
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            let _ = sys::clone::kill(process.pidfd.as_fd(), libc::SIGKILL);
            let _ = sys::clone::wait(process.pid);
        }
    }
}

/// The process's failure as the caller's error.
pub(super) fn error(id: &str, failure: super::channel::Failure) -> Error {
    let source = failure.error();
    let text = |source: &io::Error| format!("{}: {}", failure.step, reason(source));
    match failure.kind {
        Kind::NotFound => Error::CommandNotFound(text(&source)),
        Kind::NotExecutable => Error::NotExecutable(text(&source)),
        Kind::Workdir => {
            let problem = match failure.errno {
                libc::ENOENT => format!("does not exist on container {id}"),
                libc::ENOTDIR => format!("exists on container {id}, but is not a directory"),
                _ => format!("cannot be entered on container {id}: {}", reason(&source)),
            };
            Error::Workdir { path: failure.step, problem }
        }
        Kind::Setup => {
            let denied = matches!(failure.errno, libc::EPERM | libc::EACCES);
            match denied.then(userns::apparmor_restriction).flatten() {
                Some(restricted) => restricted.into(),
                None => Error::Init { id: id.to_owned(), step: failure.step, source },
            }
        }
    }
}

/// The message without Rust's "(os error 2)".
fn reason(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_owned()
}
