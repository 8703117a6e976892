//! Writing to standard output: a reader that goes away is no error of ours.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The reader of standard output has gone away.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether nobody reads standard output any more: a command that goes on for ever ends then.
pub fn is_closed() -> bool {
    // A pipe without a reader is in error, which poll(2) tells without being asked for any event.
    let stdout = io::stdout();
    let mut asked = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let broken =
        poll(&mut asked, PollTimeout::ZERO).is_ok() && asked[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR));
    broken || CLOSED.load(Ordering::Relaxed)
}

fn settle(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            CLOSED.store(true, Ordering::Relaxed);
            Ok(())
        }
        other => other,
    }
}

/// Writes `text` and a newline.
pub fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    settle(stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()))
}

/// Writes `text` as it is.
pub fn text(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    settle(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Writes JSON over several lines, each level indented by `indent` blanks, and a newline.
pub fn json(value: &impl serde::Serialize, indent: usize) -> io::Result<()> {
    let blanks = " ".repeat(indent);
    let mut bytes = Vec::new();
    let mut serializer =
        serde_json::Serializer::with_formatter(&mut bytes, serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes()));
    value.serialize(&mut serializer)?;
    line(&String::from_utf8_lossy(&bytes))
}

/// Writes what a template made, and of one that failed what it made before.
pub fn rendered(result: Result<String, super::template::Error>) -> Result<(), super::CliError> {
    match result {
        Ok(made) => Ok(text(&made)?),
        Err(error) => {
            text(&error.partial)?;
            Err(error.into())
        }
    }
}
