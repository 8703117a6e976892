//! A client's relay: its standard streams, signals and window size to the session and back.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::protocol::{Frames, Report, Request, WINDOW};
use super::{Error, Streams};
use crate::sys::poll::{self, Interest};
use crate::sys::signal::{self, Set, SignalFd};
use crate::sys::stream::{self, Progress};
use crate::sys::tty::{self, WindowSize};
use crate::term::{DetachKeys, Detector, RawMode};

/// A pipe or terminal that is reported writable takes this much without making the client wait, so that it still hears signals.
const WRITE_PORTION: usize = 4096;
const READ_PORTION: usize = 32 << 10;

/// How a client takes part in a session.
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    /// The session has a terminal: the client's own is put into raw mode and its size follows.
    pub terminal: bool,
    /// The same as the session was told: [`super::Session::streams`] or [`super::join`].
    pub streams: Streams,
    /// Looked for in what is typed at a terminal; the bytes of a file or pipe pass as they are.
    pub detach_keys: DetachKeys,
    /// Pass signals sent to the client on to the session.
    pub sig_proxy: bool,
}

/// Why a client's part is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachEnd {
    /// The session's process ended with this exit code.
    Exited(i32),
    /// The detach keys were typed: the session goes on.
    Detached,
}

/// Size of the terminal this process runs in, for [`super::Session::size`]; zero where there is none.
pub fn own_size() -> WindowSize {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    tty::window_size(stdin.as_fd()).or_else(|_| tty::window_size(stdout.as_fd())).unwrap_or_default()
}

/// Relays this process's standard streams, signals and window size until the session ends or the detach keys are typed.
///
/// `stream` comes from [`super::spawn`] or [`super::join`]. Called before the session's process runs, it waits for that, and returns
/// [`Error::Launch`] if it cannot be started. Signals that are passed on stay blocked in this thread afterwards: one that comes
/// too late must not change the command's exit status. A reader of our output that goes away ends the command by SIGPIPE.
pub fn attach(stream: UnixStream, options: &AttachOptions) -> Result<AttachEnd, Error> {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    relay(stream, options, stdin.as_fd(), stdout.as_fd(), stderr.as_fd())
}

fn relay(
    stream: UnixStream,
    options: &AttachOptions,
    stdin: BorrowedFd<'_>,
    stdout: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
) -> Result<AttachEnd, Error> {
    let caught = caught_signals(options);
    signal::block(&caught).map_err(Error::Relay)?;
    let signals = SignalFd::new(&caught).map_err(Error::Relay)?;
    stream.set_nonblocking(true).map_err(Error::Relay)?;
    let mut client = Client {
        stream,
        options,
        stdin: options.streams.stdin.then_some(stdin),
        outputs: [stdout, stderr],
        raw: None,
        detector: Detector::new(if options.terminal { options.detach_keys.clone() } else { DetachKeys::none() }),
        incoming: Frames::default(),
        outgoing: Vec::new(),
        window: WINDOW,
        output: Vec::new(),
        output_is_errors: false,
        started: false,
        ended: None,
    };
    while client.ended.is_none() {
        client.step(&signals)?;
    }
    let ended = client.ended.take().unwrap_or(Err(Error::Lost));
    if let Ok(AttachEnd::Detached) = ended {
        client.leave()?;
    }
    ended
}

/// Signals that are received rather than acted on by the kernel.
fn caught_signals(options: &AttachOptions) -> Set {
    use libc::*;
    if options.sig_proxy {
        // Never passed on: those that cannot be caught, those of our own faults and children, and those by which the kernel
        // keeps a background job from its terminal.
        let own = [SIGKILL, SIGSTOP, SIGCHLD, SIGURG, SIGPIPE, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGTTIN, SIGTTOU];
        let all: Vec<_> = (1..=31).chain(34..=signal::MAX).filter(|number| !own.contains(number)).collect();
        Set::of(&all)
    } else {
        // What would leave the terminal raw.
        Set::of(&[SIGWINCH, SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGCONT])
    }
}

struct Client<'a> {
    stream: UnixStream,
    options: &'a AttachOptions,
    /// Until its end.
    stdin: Option<BorrowedFd<'a>>,
    outputs: [BorrowedFd<'a>; 2],
    raw: Option<RawMode<'a>>,
    detector: Detector,
    incoming: Frames,
    /// Frames the socket has not taken yet.
    outgoing: Vec<u8>,
    /// Bytes of input that the session still takes.
    window: usize,
    /// Output not written yet, and to which stream it goes.
    output: Vec<u8>,
    output_is_errors: bool,
    started: bool,
    ended: Option<Result<AttachEnd, Error>>,
}

impl Client<'_> {
    /// Waits for anything to do and does it.
    fn step(&mut self, signals: &SignalFd) -> Result<(), Error> {
        let sink = self.outputs[usize::from(self.output_is_errors)];
        let socket = Interest { read: self.output.is_empty(), write: !self.outgoing.is_empty() };
        let input = self.stdin.filter(|_| self.started && self.window > 0 && self.outgoing.is_empty());
        let [signalled, socket_ready, input_ready, sink_ready] = poll::ready(
            [
                Some((signals.as_fd(), Interest::READ)),
                Some((self.stream.as_fd(), socket)),
                input.map(|fd| (fd, Interest::READ)),
                (!self.output.is_empty()).then_some((sink, Interest::WRITE)),
            ],
            None,
        )
        .map_err(Error::Relay)?;
        if signalled {
            self.take_signals(signals)?;
        }
        if sink_ready {
            self.write_output(sink)?;
            self.take_frames()?;
        }
        if let (true, Some(fd)) = (input_ready, input) {
            self.read_input(fd);
        }
        if socket_ready {
            self.flush();
            self.receive()?;
        }
        Ok(())
    }

    fn take_signals(&mut self, signals: &SignalFd) -> Result<(), Error> {
        while let Some(number) = signals.next().map_err(Error::Relay)? {
            match number {
                libc::SIGWINCH if self.options.terminal => self.send_size(),
                _ if self.options.sig_proxy => self.send(&Request::Signal(number)),
                libc::SIGWINCH => {}
                libc::SIGCONT => self.resume()?,
                libc::SIGTSTP => {
                    self.suspend()?;
                    signal::kill(std::process::id() as i32, libc::SIGSTOP).map_err(Error::Relay)?;
                    self.resume()?;
                }
                _ => {
                    self.raw = None;
                    signal::die_by(number);
                }
            }
        }
        Ok(())
    }

    fn suspend(&self) -> Result<(), Error> {
        let raw = self.raw.as_ref().map_or(Ok(()), RawMode::suspend);
        raw.map_err(|source| Error::Terminal { action: "restoring", source })
    }

    fn resume(&mut self) -> Result<(), Error> {
        let raw = self.raw.as_ref().map_or(Ok(()), RawMode::resume);
        raw.map_err(|source| Error::Terminal { action: "setting up", source })?;
        if self.options.terminal {
            self.send_size();
        }
        Ok(())
    }

    fn send_size(&mut self) {
        let sizes = [self.stdin, Some(self.outputs[0])];
        if let Some(size) = sizes.into_iter().flatten().find_map(|fd| tty::window_size(fd).ok()) {
            self.send(&Request::Resize(size));
        }
    }

    fn send(&mut self, request: &Request<'_>) {
        request.encode(&mut self.outgoing);
        self.flush();
    }

    /// Writes what the socket takes. That the monitor is gone is noticed when reading, after its last words.
    fn flush(&mut self) {
        while !self.outgoing.is_empty() {
            match stream::write(self.stream.as_fd(), &self.outgoing) {
                Progress::Bytes(count) => drop(self.outgoing.drain(..count)),
                Progress::Later => return,
                Progress::End => self.outgoing.clear(),
            }
        }
    }

    fn read_input(&mut self, fd: BorrowedFd<'_>) {
        let mut buffer = [0; READ_PORTION];
        // What the detector holds back may come on top; it is part of the window as well.
        let room = self.window.min(READ_PORTION);
        let mut bytes = Vec::new();
        let detached = match stream::read(fd, &mut buffer[..room]) {
            Progress::Bytes(count) => self.detector.feed(&buffer[..count], &mut bytes),
            Progress::Later => return,
            Progress::End => {
                self.detector.finish(&mut bytes);
                self.stdin = None;
                false
            }
        };
        self.window = self.window.saturating_sub(bytes.len());
        if !bytes.is_empty() {
            self.send(&Request::Stdin(&bytes));
        }
        if detached {
            self.ended = Some(Ok(AttachEnd::Detached));
        } else if self.stdin.is_none() {
            self.send(&Request::StdinEnd);
        }
    }

    fn write_output(&mut self, sink: BorrowedFd<'_>) -> Result<(), Error> {
        let written = if stream::is_regular(sink) {
            stream::try_write(sink, &self.output)
        } else {
            stream::write_at_once(sink, &self.output, WRITE_PORTION)
        };
        match written {
            Ok(count) => drop(self.output.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.raw = None;
                signal::die_by(libc::SIGPIPE);
            }
            Err(error) => return Err(Error::Relay(error)),
        }
        Ok(())
    }

    /// Reads from the monitor, unless output is still to be written.
    fn receive(&mut self) -> Result<(), Error> {
        if self.output.is_empty() && self.incoming.fill(self.stream.as_fd(), 2 * READ_PORTION) == Progress::End {
            self.ended = Some(Err(Error::Lost));
        }
        self.take_frames()
    }

    /// Handles the frames that were read, up to one with output, which has to be written before the next.
    fn take_frames(&mut self) -> Result<(), Error> {
        while self.output.is_empty() && self.ended.is_none() {
            let mut incoming = std::mem::take(&mut self.incoming);
            let result = match incoming.next() {
                Ok(Some((kind, payload))) => self.act(Report::decode(kind, payload)?).map(|()| true),
                Ok(None) => Ok(false),
                Err(_) => Err(Error::Protocol(0)),
            };
            self.incoming = incoming;
            if !result? {
                break;
            }
        }
        Ok(())
    }

    fn act(&mut self, report: Report<'_>) -> Result<(), Error> {
        match report {
            Report::Started(_) if !self.started => {
                self.started = true;
                if self.options.terminal {
                    if let Some(stdin) = self.stdin.filter(|fd| tty::is_terminal(*fd)) {
                        let raw = RawMode::enter(stdin);
                        self.raw = Some(raw.map_err(|source| Error::Terminal { action: "setting up", source })?);
                    }
                    self.send_size();
                }
            }
            Report::Started(_) => {}
            Report::Failed(failure) => self.ended = Some(Err(Error::Launch(failure))),
            Report::Stdout(bytes) | Report::Stderr(bytes) => {
                self.output_is_errors = matches!(report, Report::Stderr(_));
                self.output.extend_from_slice(bytes);
            }
            Report::Credit(bytes) => self.window = (self.window + bytes).min(WINDOW),
            Report::Exited { code, .. } => self.ended = Some(Ok(AttachEnd::Exited(code))),
        }
        Ok(())
    }

    /// Tells the monitor that this is a farewell, not a death.
    fn leave(&mut self) -> Result<(), Error> {
        Request::Detach.encode(&mut self.outgoing);
        self.stream.set_nonblocking(false).map_err(Error::Relay)?;
        // A session that has just ended needs no farewell.
        let _ = self.stream.write_all(&self.outgoing);
        Ok(())
    }
}
