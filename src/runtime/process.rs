//! From set-up to the container's program: limits, user, capabilities, filter, working directory, exec.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::stat::{Mode, SFlag, umask};
use nix::unistd::AccessFlags;

use crate::seccomp::Filter;
use crate::sys::process::{self as sys_process, Descriptors, Exec};
use crate::sys::{cred, seccomp, trampoline};

use super::capability::CapabilitySets;
use super::channel::{Channel, Context, Failure, Kind};
use super::plan::ProcessPlan;
use super::terminal::Terminal;

/// What a process gets beside its plan.
pub struct Settings<'a> {
    pub plan: &'a ProcessPlan,
    pub stdio: [BorrowedFd<'a>; 3],
    pub preserve: &'a [BorrowedFd<'a>],
    pub keep_groups: bool,
    pub seccomp: Option<&'a Filter>,
    pub die_with_parent: bool,
    /// Stays open until the exec.
    pub channel: &'a Channel,
    /// The container might write to this program's file: execute through the trampoline.
    pub guarded: bool,
}

impl Settings<'_> {
    /// Becomes what the plan says, in a session of its own, and executes its program; returns only with a failure.
    pub fn execute(&self, terminal: Option<Terminal>) -> Failure {
        // The supervisor blocks signals that it receives by descriptor, and a shell may have made us ignore some.
        crate::sys::signal::reset_for_child();
        match self.streams(terminal).and_then(|()| self.become_user()).and_then(|()| self.run()) {
            Ok(never) => match never {},
            Err(failure) => failure,
        }
    }

    /// Puts the standard streams and the preserved descriptors in place and closes all others, now and not at exec: the working directory
    /// and the program are paths that could lead through /proc/self/fd into what was left open of the host's (CVE-2024-21626).
    fn streams(&self, terminal: Option<Terminal>) -> Result<(), Failure> {
        if terminal.is_none() && self.plan.uid != 0 {
            self.give_streams();
        }
        let standard = match &terminal {
            Some(terminal) => [terminal.peer(); 3],
            None => self.stdio,
        };
        let all: Vec<BorrowedFd<'_>> = standard.into_iter().chain(self.preserve.iter().copied()).collect();
        let descriptors = Descriptors::prepare(&all).step(|| "copy descriptors".into())?;
        descriptors.install().step(|| "put descriptors in place".into())?;
        let (count, has_terminal) = (all.len() as u32, terminal.is_some());
        drop((descriptors, terminal));
        sys_process::close_all_but(count, self.channel.as_fd()).step(|| "close descriptors".into())?;
        if has_terminal {
            let stdin = io::stdin();
            sys_process::set_controlling_terminal(stdin.as_fd()).step(|| "set the controlling terminal".into())?;
        }
        Ok(())
    }

    /// Gives pipes to the user, so that the program can open /dev/stdout. Files and terminals stay whose they are; what cannot be
    /// given need not be.
    fn give_streams(&self) {
        for stream in self.stdio {
            let Ok(status) = nix::sys::stat::fstat(stream) else { continue };
            if matches!(SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT, SFlag::S_IFIFO | SFlag::S_IFSOCK) {
                let _ = nix::unistd::fchown(stream, Some(nix::unistd::Uid::from_raw(self.plan.uid)), None);
            }
        }
    }

    fn become_user(&self) -> Result<(), Failure> {
        let plan = self.plan;
        for (resource, soft, hard) in &plan.limits {
            sys_process::set_limit(*resource, *soft, *hard).step(|| format!("set resource limit {resource} to {soft}:{hard}"))?;
        }
        umask(Mode::from_bits_truncate(plan.umask));
        if !self.keep_groups {
            match cred::set_groups(&plan.groups) {
                // Denied in a single-ID map, whoever asks: user_namespaces(7).
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
                result => result.step(|| "set the supplementary groups".into())?,
            }
        }
        cred::set_group(plan.gid).step(|| format!("set group ID {}", plan.gid))?;
        if let Some(sets) = &plan.capabilities {
            cred::limit_bounding_set(sets.bounding).step(|| "limit the bounding set".into())?;
        }
        cred::keep_capabilities(true).step(|| "keep capabilities".into())?;
        cred::set_user(plan.uid).step(|| format!("set user ID {}", plan.uid))
    }

    fn run(&self) -> Result<std::convert::Infallible, Failure> {
        let plan = self.plan;
        let sets =
            plan.capabilities.unwrap_or(CapabilitySets { bounding: ALL, effective: ALL, permitted: ALL, ..CapabilitySets::default() });
        let all = |extra: u64| cred::set_capabilities(sets.effective | extra, sets.permitted | extra, sets.inheritable);
        // Loading a filter needs CAP_SYS_ADMIN where privileges may be gained, so that is kept until then; what is looked up before
        // the filter is in place is looked up without it, as the program itself will.
        let admin = 1 << cred::CAP_SYS_ADMIN;
        let loads_privileged = self.seccomp.is_some() && !plan.no_new_privileges;
        let retained = if loads_privileged { admin } else { 0 };
        if plan.capabilities.is_some() {
            cred::set_capabilities(sets.effective, sets.permitted | retained, sets.inheritable).step(|| "set capabilities".into())?;
        }
        if self.die_with_parent {
            // After the last change of IDs and before the filter: a change that gains anything clears it (as does the exec of a setuid
            // program, which its users then have to live with).
            sys_process::die_with_parent().step(|| "tie the process to its supervisor".into())?;
        }
        enter(&plan.cwd)?;
        let program = find(&plan.arguments, &plan.environment)?;
        let guard = self.guarded.then(|| Guard::new(self.channel, &program, &plan.arguments)).transpose()?;
        if plan.no_new_privileges {
            sys_process::set_no_new_privileges().step(|| "set no_new_privs".into())?;
        }
        if let Some(filter) = self.seccomp {
            if loads_privileged && plan.capabilities.is_some() {
                all(admin).step(|| "set capabilities".into())?;
            }
            seccomp::load(filter.program(), filter.flags()).step(|| "load the seccomp filter".into())?;
        }
        if plan.capabilities.is_some() {
            all(0).step(|| "set capabilities".into())?;
            cred::raise_ambient(sets.ambient).step(|| "raise ambient capabilities".into())?;
        }
        Err(match guard {
            Some(guard) => guard.execute(&plan.environment),
            None => {
                let error = Exec::new(&program, &plan.arguments, &plan.environment).execute();
                Failure::exec(error.raw_os_error().unwrap_or(libc::EIO), program.to_string_lossy().into_owned())
            }
        })
    }
}

/// A session keyring of its own. Not every kernel has keyrings, and the user's quota of them may be used up: what guards them then is that
/// the seccomp profile has no keyctl(2).
pub fn keyring() {
    let _ = sys_process::join_new_session_keyring();
}

const ALL: u64 = (1 << (cred::LAST_CAPABILITY + 1)) - 1;

/// Changes to the working directory, and makes sure that it is in the container: with a descriptor of the host's left open, a path like
/// /proc/self/fd/N would lead out (CVE-2024-21626).
fn enter(cwd: &CStr) -> Result<(), Failure> {
    let failed = |errno| Failure { kind: Kind::Workdir, errno: errno as i32, step: cwd.to_string_lossy().into_owned() };
    nix::unistd::chdir(cwd).map_err(failed)?;
    let here = nix::unistd::getcwd().step(|| "the working directory is outside the container".into())?;
    if here.is_absolute() {
        Ok(())
    } else {
        Err(Failure::setup("the working directory is outside the container".into(), &io::Error::from_raw_os_error(libc::ENOENT)))
    }
}

/// The program's path: as given where it contains a slash, else the first executable file of that name in PATH of the new environment.
fn find(arguments: &[CString], environment: &[CString]) -> Result<CString, Failure> {
    let Some(name) = arguments.first() else {
        return Err(Failure { kind: Kind::NotFound, errno: libc::ENOENT, step: "no command given".into() });
    };
    if name.to_bytes().contains(&b'/') {
        return check(name).map(|()| name.clone());
    }
    let path = environment.iter().find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="));
    let path = path.unwrap_or(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    for directory in path.split(|byte| *byte == b':') {
        let directory = if directory.is_empty() { b"." } else { directory };
        let Ok(candidate) = CString::new([directory, b"/", name.to_bytes()].concat()) else { continue };
        if is_executable(&candidate) {
            return Ok(candidate);
        }
    }
    Err(Failure {
        kind: Kind::NotFound,
        errno: libc::ENOENT,
        step: format!("executable file `{}` not found in $PATH", name.to_string_lossy()),
    })
}

/// Whether a path that was given can be executed; else why not, in the words that scripts know from other runtimes.
fn check(path: &CStr) -> Result<(), Failure> {
    let name = path.to_string_lossy();
    let denied = |step| Err(Failure { kind: Kind::NotExecutable, errno: libc::EPERM, step });
    match nix::sys::stat::stat(path) {
        Err(errno @ (nix::Error::ENOENT | nix::Error::ENOTDIR)) => {
            Err(Failure { kind: Kind::NotFound, errno: errno as i32, step: format!("executable file `{name}` not found") })
        }
        Err(errno) => Err(Failure::exec(errno as i32, name.into_owned())),
        Ok(status) if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG => {
            denied(format!("the path `{name}` is not a regular file"))
        }
        Ok(_) if nix::unistd::access(path, AccessFlags::X_OK).is_err() => {
            denied(format!("the path `{name}` exists but it is not executable"))
        }
        Ok(_) => Ok(()),
    }
}

fn is_executable(path: &CStr) -> bool {
    // Most candidates do not exist: one system call each.
    nix::unistd::access(path, AccessFlags::X_OK).is_ok() && check(path).is_ok()
}

/// The way through the trampoline.
struct Guard {
    trampoline: OwnedFd,
    /// The program's path, then its arguments.
    arguments: Vec<CString>,
}

impl Guard {
    fn new(channel: &Channel, program: &CString, arguments: &[CString]) -> Result<Self, Failure> {
        channel.executing(program).step(|| "report to the caller".into())?;
        let trampoline = trampoline::open(channel.as_fd()).step(|| "prepare the exec".into())?;
        Ok(Self { trampoline, arguments: std::iter::once(program).chain(arguments).cloned().collect() })
    }

    fn execute(&self, environment: &[CString]) -> Failure {
        let error = Exec::new(c"", &self.arguments, environment).execute_file(self.trampoline.as_fd());
        Failure::setup("prepare the exec".into(), &error)
    }
}
