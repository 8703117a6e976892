//! A container's life as its monitor sees it: launched, running, ended, and what follows from its end.

use std::fs;
use std::time::Duration;

use super::create::{event, now, record};
use super::{files, launch, network, volumes};
use crate::engine::events;
use crate::engine::{Engine, Error};
use crate::monitor::{After, ChildStdio, ExitStatus, LaunchError, Launched, Lifecycle};
use crate::network::{Helper, Plan, Starting};
use crate::runtime;
use crate::storage::containers::{self, ContainerPaths};
use crate::storage::{self, ContainerConfig, ContainerState, RestartPolicy, Root, Status};
use crate::sys::host;

/// The hooks of one container's monitor. Errors after the start are kept in the state: nobody else would hear of them.
pub struct Container {
    engine: Engine,
    config: ContainerConfig,
    state: ContainerState,
    paths: ContainerPaths,
    /// The network's helper process, as long as the container runs.
    helper: Option<Helper>,
    /// The container's files, once it is removed (`--rm`).
    remains: Option<containers::Remains>,
}

/// Between the end of a container and its restart; doubled each time, so that one that fails at once does not burn the processor.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(10);

impl Container {
    pub fn new(engine: Engine, config: ContainerConfig, state: ContainerState) -> Self {
        let paths = containers::paths(&engine.store, &config.id);
        Self { engine, config, state, paths, helper: None, remains: None }
    }

    fn start(&mut self, stdio: &ChildStdio<'_>) -> Result<Launched, Error> {
        let first = self.state.started.is_empty();
        let mut prepared = launch::prepare(&self.engine, &self.config, &self.paths, first)?;
        if let (Some(size), Some(process)) = (stdio.terminal, prepared.spec.process_mut()) {
            process.set_terminal(Some(true));
            process.set_console_size(super::console_size(size));
        }
        let preserve = host::inherited(self.config.process.preserve_fds).map_err(Error::io("pass on", "inherited descriptors"))?;
        let plan = network::plan(&self.engine, &self.config, &self.paths)?;
        let mut init = runtime::begin(&runtime::Launch {
            id: &self.config.id,
            bundle: &self.paths.runtime,
            spec: &prepared.spec,
            rootfs: prepared.rootfs(self.config.auto_remove),
            stdio: stdio.fds,
            preserve: &preserve,
            keep_groups: self.config.process.groups.iter().any(|group| group == "keep-groups"),
            seccomp: prepared.filter.as_ref(),
            die_with_parent: true,
            connects: plan.is_some(),
        })?;
        // The helper runs beside newuidmap and the mounts, which the new process does by itself.
        let network = match &plan {
            Some(plan) => Some(start_network(plan, &init)?),
            None => None,
        };
        init.go_on()?;
        if let Some(network) = network {
            let connection = match network.wait() {
                Ok(connection) => connection,
                Err(error) => {
                    // A process that has failed meanwhile took the namespaces away: that is the cause then.
                    init.wait_created()?;
                    return Err(error.into());
                }
            };
            files::complete(&self.engine, &self.config, &prepared.view, &self.paths, &connection)?;
            self.helper = Some(connection.helper);
        }
        let running = init.start()?;
        Ok(Launched { pid: running.pid, pidfd: running.pidfd, terminal: running.console })
    }

    fn disconnect(&mut self) {
        if let Some(helper) = self.helper.take() {
            helper.stop();
        }
    }

    fn write_pid_files(&self, pid: i32) -> Result<(), Error> {
        for (path, pid) in [(&self.config.pid_file, pid), (&self.config.conmon_pid_file, self.state.monitor_pid)] {
            if let Some(path) = path {
                fs::write(path, pid.to_string()).map_err(Error::io("write", path))?;
            }
        }
        Ok(())
    }

    /// Takes the container out of the store with what was made for it alone. Its files follow when nobody waits any more.
    fn remove(&mut self) -> Result<(), Error> {
        self.remains = Some(containers::take_away(&self.engine.store, &self.config.id, Some(&self.config.name))?);
        volumes::remove_anonymous(&self.engine, &self.config)?;
        match &self.config.root {
            Root::Image { id, .. } if self.config.remove_image => match storage::image::remove(&self.engine.store, id) {
                // Another container was made from it, or it went by another way.
                Err(storage::Error::ImageInUse { .. } | storage::Error::NoImage(_)) => Ok(()),
                other => Ok(other?),
            },
            _ => Ok(()),
        }
    }

    /// Whether the policy starts the container again after this exit.
    fn restarts(&self, code: i32) -> bool {
        match self.config.restart {
            _ if self.state.stopped_by_user => false,
            RestartPolicy::No => false,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
            RestartPolicy::OnFailure(retries) => code != 0 && (retries == 0 || self.state.restart_count < retries),
        }
    }

    fn save(&self) {
        // A full disk must not end the container; the state heals from the lock.
        let _ = containers::save_state(&self.engine.store, &self.state);
    }
}

impl Lifecycle for Container {
    fn launch(&mut self, stdio: ChildStdio<'_>) -> Result<Launched, LaunchError> {
        self.start(&stdio).map_err(|error| {
            self.disconnect();
            if self.config.auto_remove && self.remove().is_ok() {
                let _ = record(&self.engine, &self.config, "remove");
            }
            LaunchError { code: error.exit_code(), message: error.message(), hint: error.hint() }
        })
    }

    fn started(&mut self, pid: i32) {
        self.state.status = Status::Running;
        self.state.pid = pid;
        self.state.monitor_pid = i32::try_from(std::process::id()).unwrap_or_default();
        self.state.started = now();
        self.state.finished.clear();
        self.state.exit_code = 0;
        self.state.error.clear();
        if let Err(error) = self.write_pid_files(pid) {
            self.state.error = error.message();
        }
        self.save();
        let _ = events::append_all(&self.engine.store, vec![event(&self.config, "init"), event(&self.config, "start")]);
    }

    fn exited(&mut self, status: ExitStatus) -> After {
        self.disconnect();
        let code = status.code();
        let mut died = event(&self.config, "died");
        died.exit_code = Some(code);
        if self.config.auto_remove {
            let removed = self.remove();
            let mut events = vec![died];
            match removed {
                Ok(()) => events.push(event(&self.config, "remove")),
                Err(error) => {
                    self.state.error = error.message();
                    self.end(code);
                }
            }
            let _ = events::append_all(&self.engine.store, events);
            return After::End;
        }
        let _ = events::append_all(&self.engine.store, vec![died]);
        // `stop` and `kill` leave their mark in the state on disk.
        if let Ok(state) = containers::load_state(&self.engine.store, &self.config.id) {
            self.state.stopped_by_user = state.stopped_by_user;
            self.state.summary = state.summary;
        }
        self.end(code);
        if !self.restarts(code) {
            return After::End;
        }
        let doubled = FIRST_DELAY.saturating_mul(1 << self.state.restart_count.min(10));
        self.state.restart_count += 1;
        After::Restart(doubled.min(LAST_DELAY))
    }

    fn finished(&mut self) {
        if let Some(remains) = self.remains.take() {
            // What this leaves is swept by a later command.
            let _ = remains.remove();
        }
    }

    fn may_restart(&mut self) -> bool {
        containers::load_state(&self.engine.store, &self.config.id).is_ok_and(|state| !state.stopped_by_user)
    }
}

impl Container {
    /// Records the end.
    fn end(&mut self, code: i32) {
        self.state.status = Status::Exited;
        self.state.pid = 0;
        self.state.exit_code = code;
        self.state.finished = now();
        self.state.exec_ids.clear();
        self.save();
    }
}

fn start_network(plan: &Plan, init: &runtime::Init) -> Result<Starting, Error> {
    let namespaces = init.namespaces()?;
    Ok(crate::network::start(plan, init.pid(), namespaces.user, namespaces.network)?)
}
