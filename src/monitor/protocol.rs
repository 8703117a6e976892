//! Messages between a monitor and its clients, over a unix stream socket.
//!
//! A frame is a type (u8), the length of its payload (u32, little endian) and the payload; numbers within are little endian.
//! Both sides are the same program, so there is no version; an unknown type ends the connection.
//!
//! | from client | payload |
//! |---|---|
//! | [`ATTACH`] | u8, bits: 1 standard input, 2 output, 4 errors. First on a control connection; answered by [`STARTED`] |
//! | [`STDIN`] | bytes for standard input, at most [`WINDOW`] of them not yet credited |
//! | [`STDIN_END`] | – ; closes standard input, as does a client that attached it and dies |
//! | [`RESIZE`] | u16 rows, u16 columns |
//! | [`SIGNAL`] | i32, sent to the session's process |
//! | [`DETACH`] | – ; leaves, standard input stays open |
//!
//! | from monitor | payload |
//! |---|---|
//! | [`STARTED`] | i32, PID of the session's process |
//! | [`FAILED`] | u8 exit code, message, NUL, hint (may be empty) |
//! | [`STDOUT`], [`STDERR`] | bytes |
//! | [`CREDIT`] | u32, so many bytes of standard input more may be sent |
//! | [`EXITED`] | i32 exit code, u8 1 when the session will be launched again; the last frame |
//!
//! Credits instead of an unread socket hold back a client whose input is not consumed: its signals still get through.

use std::os::fd::BorrowedFd;

use super::{Error, LaunchError, Streams};
use crate::sys::stream::{self, Progress};
use crate::sys::tty::WindowSize;

pub const ATTACH: u8 = 1;
pub const STDIN: u8 = 2;
pub const STDIN_END: u8 = 3;
pub const RESIZE: u8 = 4;
pub const SIGNAL: u8 = 5;
pub const DETACH: u8 = 6;

pub const STARTED: u8 = 64;
pub const FAILED: u8 = 65;
pub const STDOUT: u8 = 66;
pub const STDERR: u8 = 67;
pub const CREDIT: u8 = 68;
pub const EXITED: u8 = 69;

/// Bytes of standard input that a client may have under way.
pub const WINDOW: usize = 64 << 10;
/// Bytes of a frame before its payload.
pub const HEADER: usize = 5;
/// Longest payload that is accepted.
pub const MAX_PAYLOAD: usize = 64 << 10;

/// A message of a client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    Attach(Streams),
    Stdin(&'a [u8]),
    StdinEnd,
    Resize(WindowSize),
    Signal(i32),
    Detach,
}

/// A message of the monitor's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    Started(i32),
    Failed(LaunchError),
    Stdout(&'a [u8]),
    Stderr(&'a [u8]),
    Credit(usize),
    Exited { code: i32, restarting: bool },
}

impl Request<'_> {
    /// Appends the frame of this request to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Attach(streams) => {
                let bits = u8::from(streams.stdin) | u8::from(streams.stdout) << 1 | u8::from(streams.stderr) << 2;
                put(out, ATTACH, &[bits]);
            }
            Self::Stdin(bytes) => put(out, STDIN, bytes),
            Self::StdinEnd => put(out, STDIN_END, &[]),
            Self::Resize(size) => {
                let [[a, b], [c, d]] = [size.rows.to_le_bytes(), size.columns.to_le_bytes()];
                put(out, RESIZE, &[a, b, c, d]);
            }
            Self::Signal(number) => put(out, SIGNAL, &number.to_le_bytes()),
            Self::Detach => put(out, DETACH, &[]),
        }
    }
}

impl<'a> Request<'a> {
    /// The request of a frame; `None` for one that makes no sense.
    pub fn decode(kind: u8, payload: &'a [u8]) -> Option<Self> {
        Some(match (kind, payload) {
            (ATTACH, &[bits]) => Self::Attach(Streams { stdin: bits & 1 != 0, stdout: bits & 2 != 0, stderr: bits & 4 != 0 }),
            (STDIN, bytes) => Self::Stdin(bytes),
            (STDIN_END, []) => Self::StdinEnd,
            (RESIZE, &[a, b, c, d]) => Self::Resize(WindowSize { rows: u16::from_le_bytes([a, b]), columns: u16::from_le_bytes([c, d]) }),
            (SIGNAL, _) => Self::Signal(i32::from_le_bytes(payload.try_into().ok()?)),
            (DETACH, []) => Self::Detach,
            _ => return None,
        })
    }
}

impl Report<'_> {
    /// Appends the frame of this report to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Started(pid) => put(out, STARTED, &pid.to_le_bytes()),
            Self::Failed(failure) => {
                let mut payload = vec![failure.code];
                payload.extend(failure.message.bytes().filter(|byte| *byte != 0).take(MAX_PAYLOAD / 2));
                payload.push(0);
                payload.extend(failure.hint.iter().flat_map(|hint| hint.bytes()).take(MAX_PAYLOAD / 4));
                put(out, FAILED, &payload);
            }
            Self::Stdout(bytes) => put(out, STDOUT, bytes),
            Self::Stderr(bytes) => put(out, STDERR, bytes),
            Self::Credit(bytes) => put(out, CREDIT, &(*bytes as u32).to_le_bytes()),
            Self::Exited { code, restarting } => {
                let [a, b, c, d] = code.to_le_bytes();
                put(out, EXITED, &[a, b, c, d, u8::from(*restarting)]);
            }
        }
    }
}

impl<'a> Report<'a> {
    /// The report of a frame; an error for one that makes no sense.
    pub fn decode(kind: u8, payload: &'a [u8]) -> Result<Self, Error> {
        let number = || payload.try_into().map(i32::from_le_bytes).map_err(|_| Error::Protocol(kind));
        Ok(match kind {
            STARTED => Self::Started(number()?),
            FAILED => {
                let (&code, text) = payload.split_first().ok_or(Error::Protocol(kind))?;
                let text = String::from_utf8_lossy(text);
                let (message, hint) = text.split_once('\0').unwrap_or((&text, ""));
                let hint = (!hint.is_empty()).then(|| hint.to_owned());
                Self::Failed(LaunchError { code, message: message.to_owned(), hint })
            }
            STDOUT => Self::Stdout(payload),
            STDERR => Self::Stderr(payload),
            CREDIT => Self::Credit(number()? as u32 as usize),
            EXITED => match *payload {
                [a, b, c, d, restarting] => Self::Exited { code: i32::from_le_bytes([a, b, c, d]), restarting: restarting != 0 },
                _ => return Err(Error::Protocol(kind)),
            },
            _ => return Err(Error::Protocol(kind)),
        })
    }
}

/// The header of a frame.
pub fn header(kind: u8, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = (length as u32).to_le_bytes();
    [kind, a, b, c, d]
}

fn put(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    out.extend_from_slice(&header(kind, payload.len()));
    out.extend_from_slice(payload);
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Bytes of `buffer` already handed out.
    taken: usize,
}

/// A frame longer than any that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Frames {
    /// Reads what `fd` has, at most `limit` bytes.
    pub fn fill(&mut self, fd: BorrowedFd<'_>, limit: usize) -> Progress {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + limit, 0);
        let progress = stream::read(fd, &mut self.buffer[before..]);
        let count = if let Progress::Bytes(count) = progress { count } else { 0 };
        self.buffer.truncate(before + count);
        progress
    }

    /// The next complete frame: its type and payload.
    pub fn next(&mut self) -> Result<Option<(u8, &[u8])>, TooLong> {
        let rest = &self.buffer[self.taken..];
        let Some((&[kind, a, b, c, d], rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_PAYLOAD {
            return Err(TooLong);
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.taken += HEADER + length;
        Ok(Some((kind, &rest[..length])))
    }

    /// Gives the buffer back when nothing is in it.
    pub fn release(&mut self) {
        if self.taken == self.buffer.len() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::*;

    fn requests() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
        proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..20)
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting_of_the_stream(frames in requests(), limit in 1usize..40) {
            let mut bytes = Vec::new();
            for (kind, payload) in &frames {
                put(&mut bytes, *kind, payload);
            }
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(&bytes).unwrap();
            drop(ours);
            let mut reader = Frames::default();
            let mut seen = Vec::new();
            while let Progress::Bytes(_) = reader.fill(theirs.as_fd(), limit) {
                while let Some((kind, payload)) = reader.next().unwrap() {
                    seen.push((kind, payload.to_vec()));
                }
            }
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn no_payload_makes_the_decoders_fail_badly(kind in any::<u8>(), payload in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Request::decode(kind, &payload);
            let _ = Report::decode(kind, &payload);
        }

        #[test]
        fn a_request_is_understood_as_it_was_meant(bits in 0u8..8, number in any::<i32>(), rows in any::<u16>(), bytes in any::<Vec<u8>>()) {
            let streams = Streams { stdin: bits & 1 != 0, stdout: bits & 2 != 0, stderr: bits & 4 != 0 };
            let size = WindowSize { rows, columns: 80 };
            let all = [Request::Attach(streams), Request::Stdin(&bytes), Request::StdinEnd, Request::Resize(size), Request::Signal(number), Request::Detach];
            for request in all {
                let mut frame = Vec::new();
                request.encode(&mut frame);
                prop_assert_eq!(Request::decode(frame[0], &frame[HEADER..]), Some(request));
            }
        }
    }

    #[test]
    fn a_report_is_understood_as_it_was_meant() {
        let failure = LaunchError { code: 127, message: "no such thing".into(), hint: Some("try another".into()) };
        let plain = LaunchError { code: 125, message: "broken".into(), hint: None };
        let all = [
            Report::Started(42),
            Report::Failed(failure),
            Report::Failed(plain),
            Report::Stdout(b"out"),
            Report::Stderr(b""),
            Report::Credit(WINDOW),
            Report::Exited { code: -1, restarting: true },
        ];
        for report in all {
            let mut frame = Vec::new();
            report.encode(&mut frame);
            assert_eq!(Report::decode(frame[0], &frame[HEADER..]).unwrap(), report);
        }
    }

    #[test]
    fn a_frame_without_bound_is_refused() {
        let mut reader = Frames { buffer: vec![STDIN, 255, 255, 255, 255, 0], taken: 0 };
        assert_eq!(reader.next(), Err(TooLong));
    }
}
