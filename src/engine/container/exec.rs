//! `exec`: a further process in a running container, supervised like a container's own.

use std::fs;
use std::path::PathBuf;

use oci_spec::runtime::{Process, Spec};

use super::create::event;
use super::{launch, start::StartRequest, start::Started};
use crate::engine::events;
use crate::engine::{Engine, Error};
use crate::monitor::{self, After, AttachEnd, AttachOptions, ChildStdio, ExitStatus, LaunchError, Launched, Lifecycle, LogConfig, Session};
use crate::runtime;
use crate::spec::environment::Environment;
use crate::spec::rootfs::RootView;
use crate::spec::{self, capability, users};
use crate::storage::{ContainerConfig, Status, containers};
use crate::sys::{host, socket};

/// What is to be executed, and how the command takes part.
#[derive(Clone, Debug, Default)]
pub struct ExecRequest {
    pub command: Vec<String>,
    pub environment: Environment,
    /// `-u`; `None` is the container's own user.
    pub user: Option<String>,
    /// `-w`; `None` is the container's own directory.
    pub workdir: Option<String>,
    pub terminal: bool,
    pub stdin: bool,
    pub privileged: bool,
    pub preserve_fds: u32,
    pub detach: bool,
    pub start: StartRequest,
}

/// An exec session that was started: its ID, and what became of it.
#[derive(Clone, Debug)]
pub struct Executed {
    pub id: String,
    pub outcome: Started,
}

/// Executes a command in the container with this full ID.
pub fn exec(engine: &Engine, id: &str, request: ExecRequest) -> Result<Executed, Error> {
    let state = containers::load_state(&engine.store, id)?;
    if state.status != Status::Running {
        let code = if request.detach { 125 } else { 255 };
        return Err(Error::State { code, message: "can only create exec sessions on running containers".into() });
    }
    let config = containers::load_config(&engine.store, id)?;
    let mut entropy = [0u8; 32];
    host::random(&mut entropy).map_err(Error::io("read random bytes from", "the kernel"))?;
    let session_id: String = entropy.iter().map(|byte| format!("{byte:02x}")).collect();
    let control = containers::paths(&engine.store, id).runtime.join(format!("{PREFIX}{session_id}"));
    let listener = socket::listen(&control).map_err(Error::io("listen at", &control))?;
    let start = request.start.clone();
    let terminal = request.terminal;
    let session = Session {
        terminal,
        size: if terminal && start.streams.any() { monitor::own_size() } else { Default::default() },
        stdin: request.stdin,
        client: None,
        streams: start.streams,
        control: Some(listener),
        log: LogConfig::default(),
        timeout: None,
        preserve_fds: request.preserve_fds,
        error_log: None,
    };
    let stream = monitor::spawn(false, |client| {
        let mut exec = Exec { engine: engine.clone(), config, pid: state.pid, control, request, session: session_id.clone() };
        monitor::supervise(Session { client: Some(client), ..session }, &mut exec);
    })?;
    let outcome = if start.streams.any() || start.wait {
        let options = AttachOptions { terminal, streams: start.streams, detach_keys: start.detach_keys, sig_proxy: start.sig_proxy };
        match monitor::attach(stream, &options)? {
            AttachEnd::Exited(code) => Started::Exited(code),
            AttachEnd::Detached => Started::Detached,
        }
    } else {
        Started::Running(monitor::wait_started(&stream)?)
    };
    Ok(Executed { id: session_id, outcome })
}

/// What the control sockets of exec sessions begin with, in the container's runtime directory.
const PREFIX: &str = "exec-";

/// IDs of the exec sessions of a container that are running.
pub fn sessions(engine: &Engine, id: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(containers::paths(&engine.store, id).runtime) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut ids: Vec<String> = names.filter_map(|name| name.strip_prefix(PREFIX).map(ToOwned::to_owned)).collect();
    ids.sort();
    ids
}

struct Exec {
    engine: Engine,
    config: ContainerConfig,
    /// The container's first process.
    pid: i32,
    control: PathBuf,
    request: ExecRequest,
    session: String,
}

impl Exec {
    fn start(&self, stdio: &ChildStdio<'_>) -> Result<Launched, Error> {
        let mut process = self.process()?;
        if let Some(size) = stdio.terminal {
            process.set_terminal(Some(true));
            process.set_console_size(super::console_size(size));
        }
        let mut namespaces = Spec::default();
        namespaces.set_linux(Some(spec::namespaces_of(&self.config)));
        let filter = launch::filter(&self.engine, &self.config)?;
        let preserve = host::inherited(self.request.preserve_fds).map_err(Error::io("pass on", "inherited descriptors"))?;
        let target = runtime::Target { id: &self.config.id, pid: self.pid, spec: &namespaces };
        let running = runtime::exec(
            &target,
            &runtime::Exec {
                process: &process,
                stdio: stdio.fds,
                preserve: &preserve,
                keep_groups: self.config.process.groups.iter().any(|group| group == "keep-groups"),
                seccomp: filter.as_ref(),
                die_with_parent: true,
            },
        )?;
        Ok(Launched { pid: running.pid, pidfd: running.pidfd, terminal: running.console })
    }

    /// The process: the container's own, changed by what was asked for.
    fn process(&self) -> Result<Process, Error> {
        let settings = &self.config.process;
        // The container's own view of its files, resolved within its root.
        let view = RootView::new([PathBuf::from(format!("/proc/{}/root", self.pid))]);
        let (name, groups) = match &self.request.user {
            Some(user) => (user, &[][..]),
            None => (&settings.user, &settings.groups[..]),
        };
        let groups = if groups.iter().any(|group| group == "keep-groups") { &[][..] } else { groups };
        let user = users::resolve(name, groups, &view.read("etc/passwd"), &view.read("etc/group")).map_err(|error| Error::Launch {
            code: 255,
            message: error.to_string(),
            hint: None,
        })?;
        let mut environment = Environment::from_entries(&settings.env);
        if self.request.terminal {
            environment.set("TERM", "xterm");
        }
        environment.set_default("HOME", &user.home);
        environment.overlay(&self.request.environment);

        let mut process = Process::default();
        process.set_terminal(None);
        process.set_console_size(None);
        process.set_user(spec::user(&user, &settings.umask));
        process.set_args(Some(self.request.command.clone()));
        process.set_env(Some(environment.into_entries()));
        process.set_cwd(PathBuf::from(self.request.workdir.as_ref().unwrap_or(&settings.workdir)));
        let capabilities = if self.request.privileged {
            let mut config = ContainerConfig::default();
            config.security.capabilities = capability::ALL.iter().map(ToString::to_string).collect();
            spec::capabilities(&config, true)
        } else {
            spec::capabilities(&self.config, user.uid == 0)
        };
        process.set_capabilities(Some(capabilities));
        process.set_no_new_privileges((self.config.security.no_new_privileges && !self.request.privileged).then_some(true));
        process.set_rlimits(Some(spec::limits(&self.config, host::limit)?));
        process.set_oom_score_adj(settings.oom_score_adj);
        Ok(process)
    }

    fn end(&self) {
        let _ = fs::remove_file(&self.control);
    }
}

impl Lifecycle for Exec {
    fn launch(&mut self, stdio: ChildStdio<'_>) -> Result<Launched, LaunchError> {
        self.start(&stdio).map_err(|error| {
            self.end();
            let code = if self.request.detach { 125 } else { error.exit_code() };
            LaunchError { code, message: error.message(), hint: error.hint() }
        })
    }

    fn started(&mut self, _pid: i32) {
        let mut event = event(&self.config, "exec");
        event.attributes.insert("execID".into(), self.session.clone());
        let _ = events::append(&self.engine.store, event);
    }

    fn exited(&mut self, status: ExitStatus) -> After {
        self.end();
        let mut event = event(&self.config, "exec_died");
        event.exit_code = Some(status.code());
        event.attributes.insert("execID".into(), self.session.clone());
        let _ = events::append(&self.engine.store, event);
        After::End
    }
}
