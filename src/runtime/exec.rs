//! A further process in a running container.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use crate::sys;

use super::channel::{Channel, Context, Failure, Kind, Message};
use super::launch::{self, Running};
use super::plan::{ProcessPlan, clone_flag, id_map};
use super::process::{Settings, keyring};
use super::terminal::Terminal;
use super::{Error, Exec, Target, own_file};

/// Starts a process in all namespaces of a running container. To be called while the process has one thread.
pub fn exec(target: &Target<'_>, request: &Exec<'_>) -> Result<Running, Error> {
    let plan = ProcessPlan::new(request.process)?;
    let system = |step: &str| {
        let step = step.to_owned();
        move |source| Error::System { step, source }
    };
    let pidfd = sys::clone::open_process(target.pid).map_err(|_| Error::NotRunning(target.id.to_owned()))?;
    let namespaces = target.spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
    let kinds = namespaces.into_iter().flatten().fold(0, |kinds, namespace| kinds | clone_flag(namespace.typ()));
    let (ours, theirs) = Channel::pair().map_err(system("make a socket pair"))?;
    let mut ours = Some(ours);
    let map = target.spec.linux().as_ref().map(id_map);
    map.iter().filter(|map| !map.uids.is_empty()).try_for_each(|map| map.check(plan.uid, plan.gid))?;
    let guarded = own_file::needs_guard(map.as_ref());
    let child = || {
        drop(ours.take());
        // Out of the way of the descriptors that the program is to get.
        let Ok(channel) = theirs.above(request.preserve.len()) else { return 125 };
        match run(request, &plan, &channel, guarded) {
            Ok(never) => match never {},
            Err(failure) => {
                channel.failed(&failure);
                125
            }
        }
    };
    let score = plan.oom_score_adj.map(OomScore::set).transpose().map_err(system("set oom_score_adj"))?;
    let process = match sys::clone::clone_joined(&[(pidfd.as_fd(), kinds)], 0, child) {
        Ok(process) => process,
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Err(Error::NotRunning(target.id.to_owned())),
        Err(error) => return Err(system("join the namespaces of the container")(error)),
    };
    drop((score, theirs));
    let died = || Error::InitDied { id: target.id.to_owned() };
    let channel = ours.ok_or_else(died)?;
    let received = channel.receive().and_then(|message| match message {
        Message::Created(console) => channel.wait_executed().map(|failure| (console, failure)),
        Message::Failed(failure) => Ok((None, Some(failure))),
        Message::Executing(_) | Message::Namespace(_) | Message::End => Err(io::Error::from_raw_os_error(libc::ECHILD)),
    });
    let error = match received {
        Ok((console, None)) => return Ok(Running { pid: process.pid, pidfd: process.pidfd, console }),
        Ok((_, Some(failure))) => launch::error(target.id, in_running_container(failure)),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => died(),
        Err(error) => system("receive from the new process")(error),
    };
    let _ = sys::clone::wait(process.pid);
    Err(error)
}

/// In the new process, which is in the container's namespaces already.
fn run(request: &Exec<'_>, plan: &ProcessPlan, channel: &Channel, guarded: bool) -> Result<std::convert::Infallible, Failure> {
    // Until the exec this is our program: nobody in the container may look into it or open its file through /proc (CVE-2019-5736).
    sys::process::set_dumpable(false).step(|| "make the process undumpable".into())?;
    nix::unistd::setsid().step(|| "start a session".into())?;
    keyring();
    let root = sys::mount::open_tree(None, c"/", sys::mount::Clone::No).step(|| "open the root directory".into())?;
    let terminal = plan.terminal.map(|size| Terminal::new(root.as_fd(), size, plan.uid)).transpose()?;
    channel.created(terminal.as_ref().map(Terminal::master)).step(|| "report to the caller".into())?;
    let settings = Settings {
        plan,
        stdio: request.stdio,
        preserve: request.preserve,
        keep_groups: request.keep_groups,
        seccomp: request.seccomp,
        die_with_parent: request.die_with_parent,
        channel,
        guarded,
    };
    drop(root);
    Err(settings.execute(terminal))
}

/// A working directory that is missing is the command's fault here, not the container's: podman's exit codes for `exec`.
fn in_running_container(failure: Failure) -> Failure {
    match (failure.kind, failure.errno) {
        (Kind::Workdir, errno) => Failure {
            kind: if errno == libc::ENOENT { Kind::NotFound } else { Kind::NotExecutable },
            step: format!("chdir to `{}`", failure.step),
            ..failure
        },
        _ => failure,
    }
}

/// The caller's own OOM score, changed for the time of the clone: in the container /proc is the container's, which nobody has to trust.
struct OomScore {
    before: String,
}

impl OomScore {
    const FILE: &str = "/proc/self/oom_score_adj";

    fn set(score: i32) -> io::Result<Self> {
        let before = fs::read_to_string(Self::FILE)?;
        if before.trim() != score.to_string() {
            fs::write(Self::FILE, score.to_string())?;
        }
        Ok(Self { before })
    }
}

impl Drop for OomScore {
    fn drop(&mut self) {
        // Going back to where one came from needs no privileges.
        let _ = fs::write(Self::FILE, &self.before);
    }
}
