//! The logs of one or several containers in the order of time, and what comes to them later.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::Error;
use super::entry::Entry;
use super::read_file::FileReader;
use super::read_journal::JournalReader;
use crate::monitor::protocol::{Frames, Report};
use crate::monitor::{LogDriver, Streams, client};
use crate::sys::inotify::Watch;
use crate::sys::poll::{Interest, Poll, Registration};
use crate::sys::stream::Progress;

/// One container's log.
#[derive(Clone, Debug)]
pub struct LogSource {
    pub driver: LogDriver,
    /// The file of the file drivers.
    pub path: PathBuf,
    /// The container's ID, by which the journal knows it.
    pub id: String,
    /// The control socket of its monitor: following ends with that.
    pub control: PathBuf,
}

/// Which entries are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogQuery {
    /// Wait for more until the container has ended.
    pub follow: bool,
    /// Only entries after and before these moments; following ends at `until`.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only so many lines of each log, from its end.
    pub tail: Option<usize>,
}

/// Delay before a monitor is asked again that restarts its container.
const RESTARTING: Duration = Duration::from_millis(20);

/// Calls `emit` with the index of the source and each wanted entry, in the order of time as far as it is known.
pub fn read_logs(sources: &[LogSource], query: &LogQuery, emit: &mut dyn FnMut(usize, &Entry) -> io::Result<()>) -> Result<(), Error> {
    let mut logs = sources.iter().map(|source| Log::open(source, query)).collect::<Result<Vec<_>, _>>()?;
    if !query.follow {
        while let Some((index, entry)) = take_next(&mut logs)? {
            emit_wanted(query, index, &entry, emit)?;
        }
        return Ok(());
    }
    let poll = Poll::new().map_err(Error::Relay)?;
    let watch = Watch::new().map_err(Error::Relay)?;
    poll.set(watch.as_fd(), &mut Registration::new(0), Interest::READ).map_err(Error::Relay)?;
    for (index, (log, source)) in logs.iter_mut().zip(sources).enumerate() {
        log.follow(&poll, &watch, source, index as u64 + 1)?;
    }
    loop {
        // Seen before reading: what was written until then is read, so nothing before an end is missed.
        let over = logs.iter().all(|log| log.session.is_none()) || query.until.is_some_and(|until| Timestamp::now() >= until);
        while let Some((index, entry)) = take_next(&mut logs)? {
            emit_wanted(query, index, &entry, emit)?;
        }
        if over {
            return Ok(());
        }
        let left = query.until.map(|until| Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default());
        for event in poll.wait(left).map_err(Error::Relay)? {
            if event.token == 0 {
                watch.drain();
            }
        }
        for (index, log) in logs.iter_mut().enumerate() {
            log.check_session(&poll, index as u64 + 1)?;
        }
    }
}

fn emit_wanted(query: &LogQuery, index: usize, entry: &Entry, emit: &mut dyn FnMut(usize, &Entry) -> io::Result<()>) -> Result<(), Error> {
    if query.since.is_some() || query.until.is_some() {
        let moment = entry.moment();
        if query.since.is_some_and(|since| moment <= since) || query.until.is_some_and(|until| moment >= until) {
            return Ok(());
        }
    }
    emit(index, entry).map_err(Error::Output)
}

/// The oldest of the entries that are next in each log.
fn take_next(logs: &mut [Log]) -> Result<Option<(usize, Entry)>, Error> {
    if let [log] = logs {
        return Ok(log.next()?.map(|entry| (0, entry)));
    }
    for log in logs.iter_mut().filter(|log| log.ahead.is_none()) {
        log.ahead = log.next()?.map(|entry| (entry.moment(), entry));
    }
    let oldest = logs.iter().enumerate().filter_map(|(index, log)| log.ahead.as_ref().map(|(moment, _)| (*moment, index))).min();
    Ok(oldest.and_then(|(_, index)| logs[index].ahead.take().map(|(_, entry)| (index, entry))))
}

/// A log that is being read.
struct Log {
    reader: Reader,
    /// Read but not yet due.
    ahead: Option<(Timestamp, Entry)>,
    /// The connection to the monitor of a container that runs.
    session: Option<Session>,
    control: PathBuf,
}

enum Reader {
    File(FileReader),
    Journal(JournalReader),
}

struct Session {
    stream: UnixStream,
    frames: Frames,
}

impl Log {
    fn open(source: &LogSource, query: &LogQuery) -> Result<Self, Error> {
        let reader = match source.driver {
            LogDriver::K8sFile | LogDriver::JsonFile => Reader::File(FileReader::open(&source.path, query.tail)?),
            LogDriver::Journald => Reader::Journal(JournalReader::open(&source.id, query.tail, query.since, query.follow)?),
            LogDriver::None | LogDriver::Passthrough | LogDriver::PassthroughTty => return Err(Error::NoLog(source.driver.name())),
        };
        Ok(Self { reader, ahead: None, session: None, control: source.control.clone() })
    }

    fn next(&mut self) -> Result<Option<Entry>, Error> {
        match &mut self.reader {
            Reader::File(reader) => reader.next(),
            Reader::Journal(reader) => reader.next(),
        }
    }

    /// Prepares to hear of new entries and of the end.
    fn follow(&mut self, poll: &Poll, watch: &Watch, source: &LogSource, token: u64) -> Result<(), Error> {
        match &self.reader {
            Reader::File(_) => {
                let directory = source.path.parent().unwrap_or(&source.path);
                watch.add_directory(directory).map_err(|error| Error::Log { path: directory.to_owned(), source: error })?;
            }
            Reader::Journal(reader) => {
                poll.set(reader.as_fd(), &mut Registration::new(token), Interest::READ).map_err(Error::Relay)?;
            }
        }
        self.join(poll, token)
    }

    /// Connects to the monitor; a container that does not run has none, and its log is complete.
    fn join(&mut self, poll: &Poll, token: u64) -> Result<(), Error> {
        self.session = None;
        if let Ok(stream) = client::join(&self.control, Streams::NONE) {
            stream.set_nonblocking(true).map_err(Error::Relay)?;
            poll.set(stream.as_fd(), &mut Registration::new(token), Interest::READ).map_err(Error::Relay)?;
            self.session = Some(Session { stream, frames: Frames::default() });
        }
        Ok(())
    }

    /// Looks whether the container has ended, and whether for good.
    fn check_session(&mut self, poll: &Poll, token: u64) -> Result<(), Error> {
        let Some(session) = &mut self.session else { return Ok(()) };
        loop {
            match session.frames.next() {
                Ok(Some((kind, payload))) => {
                    if let Report::Exited { restarting, .. } = Report::decode(kind, payload)? {
                        if !restarting {
                            self.session = None;
                            return Ok(());
                        }
                        std::thread::sleep(RESTARTING);
                        return self.join(poll, token);
                    }
                    continue;
                }
                Ok(None) => {}
                Err(_) => return Err(Error::Protocol(0)),
            }
            match session.frames.fill(session.stream.as_fd(), 4096) {
                Progress::Bytes(_) => {}
                Progress::Later => return Ok(()),
                Progress::End => {
                    self.session = None;
                    return Ok(());
                }
            }
        }
    }
}
