//! The clients of a session, as its monitor sees them.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::Streams;
use super::protocol::{Frames, HEADER, Report, Request, WINDOW};
use crate::sys::poll::{Interest, Poll, Registration};
use crate::sys::stream::{self, Progress};

/// How long a client that joined may take nothing while the session waits for it. The one that started the session may take
/// for ever: no output of a foreground run is lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// Input that was consumed is credited in portions, so that a keystroke does not cost a frame in return.
const CREDIT_PORTION: usize = WINDOW / 4;
/// More are turned away: running out of descriptors would leave connections that can be neither accepted nor ignored.
const MAX_CLIENTS: usize = 100;
/// Bytes read from a client at a time.
const CHUNK: usize = 16 << 10;

/// One connection.
struct Client {
    stream: OwnedFd,
    registration: Registration,
    /// It started the session.
    primary: bool,
    attached: bool,
    streams: Streams,
    incoming: Frames,
    /// Frames not yet taken by the socket, and since when it has taken nothing.
    pending: Vec<u8>,
    stalled: Option<Instant>,
    /// Bytes of standard input that it was allowed to send, has sent, and not yet been credited for.
    uncredited: usize,
    gone: bool,
    /// The exit is reported: it is dropped once that is sent.
    leaving: bool,
}

/// What a client wants of the session.
pub enum Wish {
    Input,
    InputEnd,
    Resize(crate::sys::tty::WindowSize),
    Signal(i32),
}

/// All connections.
pub struct Clients {
    listener: Option<(UnixListener, Registration)>,
    clients: Vec<Client>,
    next_token: u64,
    /// A client is gone that fed standard input.
    input_lost: bool,
}

impl Clients {
    /// Accepts on `listener` under `token`; clients get the following tokens.
    pub fn new(poll: &Poll, listener: Option<UnixListener>, token: u64) -> std::io::Result<Self> {
        let mut clients = Self { listener: None, clients: Vec::new(), next_token: token + 1, input_lost: false };
        if let Some(listener) = listener {
            listener.set_nonblocking(true)?;
            let mut registration = Registration::new(token);
            poll.set(listener.as_fd(), &mut registration, Interest::READ)?;
            clients.listener = Some((listener, registration));
        }
        Ok(clients)
    }

    /// Adds the client that started the session.
    pub fn add_primary(&mut self, poll: &Poll, stream: UnixStream, streams: Streams) {
        self.add(poll, stream, streams, true);
    }

    /// Takes in whoever waits for connection.
    pub fn accept(&mut self, poll: &Poll) {
        while let Some((stream, _)) = self.listener.as_ref().and_then(|(listener, _)| listener.accept().ok()) {
            if self.clients.len() < MAX_CLIENTS {
                self.add(poll, stream, Streams::NONE, false);
            }
        }
    }

    fn add(&mut self, poll: &Poll, stream: UnixStream, streams: Streams, primary: bool) {
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let mut client = Client {
            stream: stream.into(),
            registration: Registration::new(self.next_token),
            primary,
            attached: primary,
            streams,
            incoming: Frames::default(),
            pending: Vec::new(),
            stalled: None,
            uncredited: 0,
            gone: false,
            leaving: false,
        };
        self.next_token += 1;
        if poll.set(client.stream.as_fd(), &mut client.registration, Interest::READ).is_ok() {
            self.clients.push(client);
        }
    }

    /// Sends a report to every attached client.
    pub fn tell(&mut self, poll: &Poll, report: &Report<'_>) {
        let mut frame = Vec::new();
        report.encode(&mut frame);
        self.clients.iter_mut().filter(|client| client.attached && !client.leaving).for_each(|client| client.send(poll, &frame));
        self.sweep();
    }

    /// Reports the exit to everyone, attached or only just connected; they leave once they have taken it.
    pub fn farewell(&mut self, poll: &Poll, code: i32, restarting: bool) {
        self.accept(poll);
        let mut frame = Vec::new();
        Report::Exited { code, restarting }.encode(&mut frame);
        for client in self.clients.iter_mut().filter(|client| !client.leaving) {
            client.send(poll, &frame);
            client.leaving = true;
        }
        self.sweep();
    }

    /// Sends a frame of output to the clients that take part in that stream.
    pub fn output(&mut self, poll: &Poll, frame: &[u8], errors: bool) {
        for client in self.clients.iter_mut().filter(|client| !client.leaving) {
            if if errors { client.streams.stderr } else { client.streams.stdout } {
                client.send(poll, frame);
            }
        }
        self.sweep();
    }

    /// A client has not yet taken what it was sent: no more output should be read.
    pub fn congested(&self) -> bool {
        self.clients.iter().any(|client| !client.leaving && !client.pending.is_empty())
    }

    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// When the patience with a stuck client will be over.
    pub fn deadline(&self) -> Option<Instant> {
        self.clients.iter().filter(|client| !client.primary).filter_map(|client| client.stalled).min().map(|since| since + PATIENCE)
    }

    /// Drops the clients with which the patience is over.
    pub fn drop_stuck(&mut self, now: Instant) {
        for client in self.clients.iter_mut().filter(|client| !client.primary) {
            client.gone |= client.stalled.is_some_and(|since| now >= since + PATIENCE);
        }
        self.sweep();
    }

    /// Handles what is ready on the connection `token`; `act` gets each wish and, with [`Wish::Input`], its bytes.
    /// `pid` is that of the running process.
    pub fn handle(&mut self, poll: &Poll, event: crate::sys::poll::Event, pid: i32, mut act: impl FnMut(Wish, &[u8])) {
        let Some(client) = self.clients.iter_mut().find(|client| client.registration.token() == event.token) else { return };
        if event.writable {
            client.flush(poll);
        }
        if event.readable {
            client.receive(poll, pid, &mut act);
        }
        self.sweep();
    }

    /// Whether, since this was last asked, a client died that fed standard input. One that detaches does not count.
    pub fn input_lost(&mut self) -> bool {
        std::mem::take(&mut self.input_lost)
    }

    /// All input taken so far has been consumed: those who sent it may send more.
    pub fn input_consumed(&mut self, poll: &Poll) {
        for client in self.clients.iter_mut().filter(|client| client.uncredited >= CREDIT_PORTION) {
            let mut frame = Vec::new();
            Report::Credit(client.uncredited).encode(&mut frame);
            client.uncredited = 0;
            client.send(poll, &frame);
        }
        self.sweep();
    }

    /// Gives unused buffers back.
    pub fn release_memory(&mut self) {
        for client in &mut self.clients {
            client.incoming.release();
            if client.pending.is_empty() {
                client.pending = Vec::new();
            }
        }
        self.clients.shrink_to_fit();
    }

    fn sweep(&mut self) {
        self.input_lost |= self.clients.iter().any(|client| client.gone && client.streams.stdin);
        // Closing a descriptor takes it out of the epoll set.
        self.clients.retain(|client| !(client.gone || client.leaving && client.pending.is_empty()));
    }
}

impl Client {
    fn send(&mut self, poll: &Poll, frame: &[u8]) {
        if self.gone {
            return;
        }
        let mut rest = frame;
        if self.pending.is_empty() {
            match stream::write(self.stream.as_fd(), frame) {
                Progress::Bytes(count) => rest = &frame[count..],
                Progress::Later => {}
                Progress::End => self.gone = true,
            }
        }
        if !rest.is_empty() && !self.gone {
            if self.pending.is_empty() {
                self.stalled = Some(Instant::now());
            }
            self.pending.extend_from_slice(rest);
            self.watch(poll, Interest { read: true, write: true });
        }
    }

    fn flush(&mut self, poll: &Poll) {
        while !self.pending.is_empty() {
            match stream::write(self.stream.as_fd(), &self.pending) {
                Progress::Bytes(count) => {
                    self.pending.drain(..count);
                    self.stalled = Some(Instant::now());
                }
                Progress::Later => return,
                Progress::End => {
                    self.gone = true;
                    return;
                }
            }
        }
        self.stalled = None;
        self.watch(poll, Interest::READ);
    }

    fn watch(&mut self, poll: &Poll, interest: Interest) {
        self.gone |= poll.set(self.stream.as_fd(), &mut self.registration, interest).is_err();
    }

    /// Reads once and acts on the frames that are complete.
    fn receive(&mut self, poll: &Poll, pid: i32, act: &mut impl FnMut(Wish, &[u8])) {
        match self.incoming.fill(self.stream.as_fd(), CHUNK) {
            Progress::Bytes(_) => {}
            Progress::Later => return,
            Progress::End => {
                self.gone = true;
                return;
            }
        }
        // Frames are taken out of `self` meanwhile, as replies need the whole of it.
        let mut incoming = std::mem::take(&mut self.incoming);
        while !self.gone {
            match incoming.next() {
                Ok(Some((kind, payload))) => match Request::decode(kind, payload) {
                    Some(request) => self.serve(poll, pid, request, act),
                    None => self.gone = true,
                },
                Ok(None) => break,
                Err(_) => self.gone = true,
            }
        }
        self.incoming = incoming;
    }

    fn serve(&mut self, poll: &Poll, pid: i32, request: Request<'_>, act: &mut impl FnMut(Wish, &[u8])) {
        match request {
            Request::Attach(streams) => {
                self.streams = streams;
                self.attached = true;
                let mut frame = Vec::with_capacity(HEADER + 4);
                Report::Started(pid).encode(&mut frame);
                self.send(poll, &frame);
            }
            Request::Stdin(bytes) if self.streams.stdin => {
                self.uncredited += bytes.len();
                // Whoever sends more than it was allowed to is no client of ours.
                self.gone |= self.uncredited > WINDOW;
                act(Wish::Input, bytes);
            }
            Request::StdinEnd if self.streams.stdin => {
                self.streams.stdin = false;
                act(Wish::InputEnd, &[]);
            }
            Request::Stdin(_) | Request::StdinEnd => {}
            Request::Resize(size) => act(Wish::Resize(size), &[]),
            Request::Signal(number) => act(Wish::Signal(number), &[]),
            Request::Detach => {
                self.streams = Streams::NONE;
                self.gone = true;
            }
        }
    }
}
