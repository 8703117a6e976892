//! The monitor's process: launch, relay, report; again after a restart.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clients::{Clients, Wish};
use super::log::Writer;
use super::protocol::{self, HEADER, Report};
use super::stdio::{self, Ends, Input, Prepared};
use super::{After, ExitStatus, LaunchError, Launched, Lifecycle, LogDriver, Session};
use crate::sys::poll::{Event, Interest, Poll, Registration};
use crate::sys::signal::{self, Set, SignalFd};
use crate::sys::stream::{self, Progress};
use crate::sys::{clock, supervisor, tty};

/// What each descriptor is registered under; clients follow.
const SIGNALS: u64 = 0;
const INPUT: u64 = 1;
const OUTPUT: u64 = 2;
const ERRORS: u64 = 3;
const LISTENER: u64 = 4;

/// Output is read in portions of this size.
const CHUNK: usize = 32 << 10;
/// What is still read of a stream after the process has ended. A pipe holds at most a mebibyte of what it wrote; beyond that it is
/// some other process that still writes.
const LEFTOVER: usize = 1 << 20;
/// After so long without an event, memory is given back.
const IDLE: Duration = Duration::from_millis(100);

/// Launches the session's process and stays with it to its end. To be called in the process made by [`super::spawn`].
///
/// The client is told of a failure; nothing else is to be done with it.
pub fn supervise(mut session: Session, lifecycle: &mut dyn Lifecycle) {
    let client = session.client.take();
    let mut monitor = match Monitor::new(&mut session) {
        Ok(monitor) => monitor,
        Err(failure) => {
            if let Some(client) = client {
                refuse(&client, failure);
            }
            return;
        }
    };
    if let Some(client) = client {
        monitor.clients.add_primary(&monitor.poll, client, session.streams);
    }
    let last = loop {
        let process = match monitor.launch(&session, lifecycle) {
            Ok(process) => process,
            Err(failure) => {
                monitor.complain(&failure.message);
                monitor.clients.tell(&monitor.poll, &Report::Failed(failure.clone()));
                break i32::from(failure.code);
            }
        };
        let status = monitor.attend(&session, process);
        let after = lifecycle.exited(status);
        monitor.clients.farewell(&monitor.poll, status.code(), after != After::End);
        match after {
            After::End => break status.code(),
            After::Restart(delay) => {
                if !monitor.pause(delay) || !lifecycle.may_restart() {
                    break status.code();
                }
            }
        }
    };
    monitor.see_off(last);
    drop(monitor);
    lifecycle.finished();
}

/// Tells a client that nothing was started, while there is no monitor to speak of yet.
fn refuse(client: &std::os::unix::net::UnixStream, failure: LaunchError) {
    let mut frame = Vec::new();
    Report::Failed(failure).encode(&mut frame);
    let mut client = client;
    let _ = client.write_all(&frame);
}

/// The process under supervision and our ends of its streams.
struct Process {
    pid: i32,
    pidfd: OwnedFd,
    input: Input,
    output: Option<Output>,
    errors: Option<Output>,
}

/// An output stream that is still open.
struct Output {
    fd: OwnedFd,
    registration: Registration,
    errors: bool,
}

struct Monitor {
    poll: Poll,
    signals: SignalFd,
    clients: Clients,
    log: Writer,
    complaints: Option<PathBuf>,
    /// Room for a frame of output; empty while idle.
    buffer: Vec<u8>,
    /// Something happened just now: more is likely to follow.
    warm: bool,
}

impl Monitor {
    fn new(session: &mut Session) -> Result<Self, LaunchError> {
        let failed = |action: &str, error: io::Error| LaunchError { code: 125, message: format!("{action}: {error}"), hint: None };
        if session.log.driver == LogDriver::Passthrough && !session.terminal && stdio::has_terminal() {
            // Whoever has the user's terminal can type into it.
            let message = "the log driver passthrough cannot be used on a terminal, which the container would get".to_owned();
            return Err(LaunchError { code: 125, message, hint: Some("--log-driver passthrough-tty, if that is wanted".to_owned()) });
        }
        // SIGCHLD for orphans and the process itself; the others are passed on to it.
        let caught = Set::of(&[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP]);
        signal::block(&caught).map_err(|error| failed("monitor: blocking signals", error))?;
        let signals = SignalFd::new(&caught).map_err(|error| failed("monitor: signalfd", error))?;
        supervisor::become_subreaper().map_err(|error| failed("monitor: becoming the subreaper", error))?;
        let poll = Poll::new().map_err(|error| failed("monitor: epoll", error))?;
        poll.set(signals.as_fd(), &mut Registration::new(SIGNALS), Interest::READ).map_err(|error| failed("monitor: epoll", error))?;
        let clients =
            Clients::new(&poll, session.control.take(), LISTENER).map_err(|error| failed("monitor: listening for clients", error))?;
        let log =
            Writer::open(&session.log).map_err(|error| LaunchError { code: 125, message: super::chain(&error), hint: error.hint() })?;
        Ok(Self { poll, signals, clients, log, complaints: session.error_log.take(), buffer: Vec::new(), warm: true })
    }

    /// Starts the process and tells the client.
    fn launch(&mut self, session: &Session, lifecycle: &mut dyn Lifecycle) -> Result<Process, LaunchError> {
        let failed = |error: io::Error| LaunchError { code: 125, message: format!("standard streams: {error}"), hint: None };
        let prepared = Prepared::new(session).map_err(failed)?;
        let Launched { pid, pidfd, terminal } = prepared.with(session, |stdio| lifecycle.launch(stdio))?;
        let Ends { input, output, errors } = prepared.finish(terminal).unwrap_or_else(|error| {
            self.complain(&format!("standard streams of the process: {error}"));
            Ends { input: None, output: None, errors: None }
        });
        if let Err(error) = stream::close_foreign(3..3 + session.preserve_fds as i32) {
            self.complain(&format!("closing foreign descriptors: {error}"));
        }
        lifecycle.started(pid);
        self.clients.tell(&self.poll, &Report::Started(pid));
        Ok(Process {
            pid,
            pidfd,
            input: Input::new(input, session.terminal, INPUT),
            output: output.map(|fd| Output { fd, registration: Registration::new(OUTPUT), errors: false }),
            errors: errors.map(|fd| Output { fd, registration: Registration::new(ERRORS), errors: true }),
        })
    }

    /// Relays until the process has ended and its output is read.
    fn attend(&mut self, session: &Session, mut process: Process) -> ExitStatus {
        let kill_at = session.timeout.map(|timeout| Instant::now() + timeout);
        let mut timed_out = false;
        let mut status = None;
        while status.is_none() {
            self.watch_output(&mut process);
            for event in self.next_events(if timed_out { None } else { kill_at }) {
                match event.token {
                    SIGNALS => status = status.or(self.take_signals(&process)),
                    INPUT => process.input.flush(&self.poll),
                    OUTPUT => self.relay_once(&mut process.output),
                    ERRORS => self.relay_once(&mut process.errors),
                    LISTENER => self.clients.accept(&self.poll),
                    _ => self.serve(event, &mut process),
                }
            }
            if self.clients.input_lost() {
                process.input.end(&self.poll);
            }
            if process.input.is_flushed() {
                self.clients.input_consumed(&self.poll);
            }
            if !timed_out && kill_at.is_some_and(|at| Instant::now() >= at) {
                timed_out = true;
                // Fails only if it is just ending by itself.
                let _ = signal::kill_pidfd(process.pidfd.as_fd(), libc::SIGKILL);
            }
        }
        self.drain(process.output.take());
        self.drain(process.errors.take());
        if timed_out { ExitStatus::TimedOut } else { status.unwrap_or(ExitStatus::Exited(0)) }
    }

    /// Output is read only while every client keeps up with it.
    fn watch_output(&mut self, process: &mut Process) {
        let interest = if self.clients.congested() { Interest::NONE } else { Interest::READ };
        for output in [&mut process.output, &mut process.errors].into_iter().flatten() {
            if let Err(error) = self.poll.set(output.fd.as_fd(), &mut output.registration, interest) {
                self.complain(&format!("waiting for output: {error}"));
            }
        }
    }

    /// Waits for events until `deadline`. When there are none for a while, the buffers are given back, and the next wait goes without
    /// what it does not need.
    fn next_events(&mut self, deadline: Option<Instant>) -> impl Iterator<Item = Event> + use<> {
        let deadline = [deadline, self.clients.deadline()].into_iter().flatten().min();
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let events: Vec<Event> = if self.warm {
            self.poll.wait(Some(left.map_or(IDLE, |left| left.min(IDLE)))).map(Vec::from_iter).unwrap_or_default()
        } else {
            self.buffer = Vec::new();
            self.clients.release_memory();
            self.log.release_memory();
            self.poll.wait_idle(left).map(Vec::from_iter).unwrap_or_default()
        };
        self.warm = !events.is_empty();
        if events.is_empty() {
            self.clients.drop_stuck(Instant::now());
        }
        events.into_iter()
    }

    /// Reaps whoever has ended and passes signals on; gives the status of the process if it was among them.
    fn take_signals(&self, process: &Process) -> Option<ExitStatus> {
        let mut status = None;
        while let Ok(Some(number)) = self.signals.next() {
            if number != libc::SIGCHLD {
                let _ = signal::kill_pidfd(process.pidfd.as_fd(), number);
            }
        }
        while let Some(ended) = supervisor::reap() {
            if ended.pid == process.pid {
                status = Some(if ended.killed { ExitStatus::Killed { signal: ended.code } } else { ExitStatus::Exited(ended.code) });
            }
        }
        status
    }

    fn serve(&mut self, event: Event, process: &mut Process) {
        let (poll, pidfd, input) = (&self.poll, &process.pidfd, &mut process.input);
        self.clients.handle(poll, event, process.pid, |wish, bytes| match wish {
            Wish::Input => input.push(poll, bytes),
            Wish::InputEnd => input.end(poll),
            // A session without a terminal has no size; a process that has just ended takes no signal.
            Wish::Resize(size) => drop(input.fd().map(|fd| tty::set_window_size(fd.as_fd(), size))),
            Wish::Signal(number) => drop(signal::kill_pidfd(pidfd.as_fd(), number)),
        });
    }

    /// Reads a portion of output and hands it to the log and to the clients; forgets a stream that has ended.
    fn relay_once(&mut self, slot: &mut Option<Output>) {
        if let Some(output) = slot
            && self.relay(output) == Progress::End
        {
            *slot = None;
        }
    }

    fn relay(&mut self, output: &Output) -> Progress {
        self.buffer.resize(HEADER + CHUNK, 0);
        let progress = stream::read(output.fd.as_fd(), &mut self.buffer[HEADER..]);
        if let Progress::Bytes(count) = progress {
            let kind = if output.errors { protocol::STDERR } else { protocol::STDOUT };
            self.buffer[..HEADER].copy_from_slice(&protocol::header(kind, count));
            let frame = &self.buffer[..HEADER + count];
            if let Err(error) = self.log.write(&frame[HEADER..], output.errors) {
                let text = super::chain(&error);
                Self::complain_to(self.complaints.as_deref(), &text);
            }
            self.clients.output(&self.poll, frame, output.errors);
        }
        progress
    }

    /// Reads what the process has left behind, whoever else may still have the other end.
    fn drain(&mut self, output: Option<Output>) {
        let Some(output) = output else { return };
        let mut total = 0;
        while total < LEFTOVER
            && let Progress::Bytes(count) = self.relay(&output)
        {
            total += count;
        }
    }

    /// Waits out the delay of a restart; false when told to end meanwhile.
    fn pause(&mut self, delay: Duration) -> bool {
        let until = Instant::now() + delay;
        while Instant::now() < until {
            for event in self.next_events(Some(until)) {
                match event.token {
                    SIGNALS => {
                        while let Ok(Some(number)) = self.signals.next() {
                            if number != libc::SIGCHLD {
                                return false;
                            }
                        }
                        while supervisor::reap().is_some() {}
                    }
                    LISTENER => self.clients.accept(&self.poll),
                    _ => self.clients.handle(&self.poll, event, 0, |_, _| {}),
                }
            }
        }
        true
    }

    /// Stays until every client has taken its last frames or given up.
    fn see_off(&mut self, code: i32) {
        self.clients.farewell(&self.poll, code, false);
        while !self.clients.is_empty() {
            for event in self.next_events(None) {
                match event.token {
                    SIGNALS => while let Ok(Some(_)) = self.signals.next() {},
                    LISTENER => self.clients.farewell(&self.poll, code, false),
                    _ => self.clients.handle(&self.poll, event, 0, |_, _| {}),
                }
            }
        }
    }

    fn complain(&mut self, text: &str) {
        Self::complain_to(self.complaints.as_deref(), text);
    }

    /// The monitor has nobody to talk to: what goes wrong is kept in a file beside the log.
    fn complain_to(complaints: Option<&Path>, text: &str) {
        if let Some(Ok(mut file)) = complaints.map(|path| File::options().create(true).append(true).open(path)) {
            let _ = file.write_all(format!("{} {text}\n", clock::rfc3339_now()).as_bytes());
        }
    }
}
