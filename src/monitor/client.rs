//! The client's side: hearing of the start, joining, waiting. The relay of a whole session is in [`super::attach`].

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::protocol::{self, HEADER, Report, Request};
use super::{Error, Streams};
use crate::sys::socket;
use crate::sys::tty::WindowSize;

/// Waits until the session's process runs and gives its PID, for a detached start. [`Error::Launch`] where it does not.
/// Nothing that follows on the stream is consumed.
pub fn wait_started(stream: &UnixStream) -> Result<i32, Error> {
    wait_for(stream, |report| if let Report::Started(pid) = report { Some(pid) } else { None })
}

/// Waits for the exit code of the session behind `stream`, passing over everything else.
pub fn wait_exited(stream: &UnixStream) -> Result<i32, Error> {
    wait_for(stream, |report| if let Report::Exited { code, .. } = report { Some(code) } else { None })
}

fn wait_for<T>(mut stream: &UnixStream, wanted: impl Fn(Report<'_>) -> Option<T>) -> Result<T, Error> {
    let lost = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Error::Lost,
        _ => Error::Relay(error),
    };
    let mut payload = Vec::new();
    loop {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).map_err(lost)?;
        let [kind, length @ ..] = header;
        let length = u32::from_le_bytes(length) as usize;
        if length > protocol::MAX_PAYLOAD {
            return Err(Error::Protocol(kind));
        }
        payload.resize(length, 0);
        stream.read_exact(&mut payload).map_err(lost)?;
        match Report::decode(kind, &payload)? {
            Report::Failed(failure) => return Err(Error::Launch(failure)),
            report => {
                if let Some(result) = wanted(report) {
                    return Ok(result);
                }
            }
        }
    }
}

/// Connects to a running session's control socket as a further client for `streams`, to go on with [`super::attach`], or with
/// [`wait_exited`] where only the exit is of interest.
pub fn join(control: &Path, streams: Streams) -> Result<UnixStream, Error> {
    request(control, &Request::Attach(streams))
}

/// Sets the size of a running session's terminal.
pub fn resize(control: &Path, size: WindowSize) -> Result<(), Error> {
    request(control, &Request::Resize(size)).map(drop)
}

fn request(control: &Path, request: &Request<'_>) -> Result<UnixStream, Error> {
    let mut stream = socket::connect(control).map_err(|source| Error::Connect { path: control.to_owned(), source })?;
    let mut frame = Vec::new();
    request.encode(&mut frame);
    stream.write_all(&frame).map_err(Error::Relay)?;
    Ok(stream)
}
