//! The monitor's ends of the standard streams.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::{ChildStdio, Session};
use crate::sys::poll::{Interest, Poll, Registration};
use crate::sys::stream::{self, Pipe, Progress};
use crate::sys::tty;

/// What the process will have as 0, 1 and 2, made before it is launched.
pub struct Prepared {
    null: Option<File>,
    input: Option<Pipe>,
    output: Option<Pipe>,
    errors: Option<Pipe>,
    /// The monitor's own standard streams are still the client's.
    keeps_stdio: bool,
}

/// The monitor's ends once the process runs.
pub struct Ends {
    pub input: Option<OwnedFd>,
    pub output: Option<OwnedFd>,
    pub errors: Option<OwnedFd>,
}

impl Prepared {
    pub fn new(session: &Session) -> io::Result<Self> {
        let passthrough = session.log.driver.is_passthrough() && !session.terminal;
        let pipes = !passthrough && !session.terminal;
        let null = if passthrough { None } else { Some(File::options().read(true).write(true).open("/dev/null")?) };
        let pipe = |wanted: bool| wanted.then(stream::pipe).transpose();
        Ok(Self {
            null,
            input: pipe(pipes && session.stdin)?,
            output: pipe(pipes)?,
            errors: pipe(pipes)?,
            keeps_stdio: session.log.driver.is_passthrough(),
        })
    }

    /// Calls `launch` with the process's ends.
    pub fn with<T>(&self, session: &Session, launch: impl FnOnce(ChildStdio<'_>) -> T) -> T {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let fallback = |own| self.null.as_ref().map_or(own, File::as_fd);
        let read = self.input.as_ref().map_or_else(|| fallback(stdin.as_fd()), |pipe| pipe.read.as_fd());
        let write = self.output.as_ref().map_or_else(|| fallback(stdout.as_fd()), |pipe| pipe.write.as_fd());
        let errors = self.errors.as_ref().map_or_else(|| fallback(stderr.as_fd()), |pipe| pipe.write.as_fd());
        launch(ChildStdio { fds: [read, write, errors], terminal: session.terminal.then_some(session.size) })
    }

    /// The process runs, with the other end of its terminal where it has one: keeps our ends only, none of which blocks.
    pub fn finish(self, terminal: Option<OwnedFd>) -> io::Result<Ends> {
        if self.keeps_stdio {
            stream::silence_stdio()?;
        }
        let mut ends = Ends {
            input: self.input.map(|pipe| pipe.write),
            output: self.output.map(|pipe| pipe.read),
            errors: self.errors.map(|pipe| pipe.read),
        };
        if let Some(master) = terminal {
            // A second descriptor, as epoll knows each only once and input and output are waited for by themselves.
            ends.input = Some(master.try_clone()?);
            ends.output = Some(master);
        }
        for fd in [&ends.input, &ends.output, &ends.errors].into_iter().flatten() {
            stream::set_nonblocking(fd.as_fd())?;
        }
        Ok(ends)
    }
}

/// Whether any of this process's standard streams is a terminal.
pub fn has_terminal() -> bool {
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()].into_iter().any(tty::is_terminal)
}

/// Standard input of the process: what is written but not yet taken.
pub struct Input {
    fd: Option<OwnedFd>,
    registration: Registration,
    terminal: bool,
    pending: Vec<u8>,
    /// Close once `pending` is written.
    ended: bool,
}

impl Input {
    pub fn new(fd: Option<OwnedFd>, terminal: bool, token: u64) -> Self {
        Self { fd, registration: Registration::new(token), terminal, pending: Vec::new(), ended: false }
    }

    pub fn push(&mut self, poll: &Poll, bytes: &[u8]) {
        if self.ended || self.fd.is_none() {
            return;
        }
        self.pending.extend_from_slice(bytes);
        self.flush(poll);
    }

    /// Closes standard input after what was pushed. A terminal stays: its end of file is a key.
    pub fn end(&mut self, poll: &Poll) {
        if !self.terminal {
            self.ended = true;
            self.flush(poll);
        }
    }

    /// Everything pushed has been taken, or thrown away because nobody reads any more.
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn fd(&self) -> Option<&OwnedFd> {
        self.fd.as_ref()
    }

    pub fn flush(&mut self, poll: &Poll) {
        let Some(fd) = &self.fd else { return };
        while !self.pending.is_empty() {
            match stream::write(fd.as_fd(), &self.pending) {
                Progress::Bytes(count) => drop(self.pending.drain(..count)),
                Progress::Later => {
                    if poll.set(fd.as_fd(), &mut self.registration, Interest::WRITE).is_err() {
                        break;
                    }
                    return;
                }
                Progress::End => {
                    self.pending.clear();
                    self.ended = true;
                }
            }
        }
        self.pending = Vec::new();
        let _ = poll.set(fd.as_fd(), &mut self.registration, Interest::NONE);
        if self.ended {
            self.fd = None;
        }
    }
}
