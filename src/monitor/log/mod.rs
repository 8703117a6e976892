//! Keeping a session's output, and reading it again.

mod entry;
mod file;
mod journal;
mod logs;
mod read_file;
mod read_journal;

pub use entry::Entry;
pub use logs::{LogQuery, LogSource, read_logs};

use file::FileLog;
use journal::JournalLog;

use super::{Error, LogConfig, LogDriver};

/// Where the monitor writes output.
pub struct Writer {
    log: Log,
    /// The last write failed.
    failed: bool,
}

enum Log {
    File(FileLog),
    Journal(JournalLog),
    None,
}

impl Writer {
    /// Opens the log that `config` asks for.
    pub fn open(config: &LogConfig) -> Result<Self, Error> {
        let log = match config.driver {
            LogDriver::K8sFile | LogDriver::JsonFile => Log::File(FileLog::new(&config.path, config.max_size)),
            LogDriver::Journald => Log::Journal(JournalLog::open(config)?),
            LogDriver::None | LogDriver::Passthrough | LogDriver::PassthroughTty => Log::None,
        };
        Ok(Self { log, failed: false })
    }

    /// Writes a portion of output. Only the first of a row of failures is returned: a full disk fails every time, and the container
    /// goes on all the same.
    pub fn write(&mut self, bytes: &[u8], errors: bool) -> Result<(), Error> {
        let result = match &mut self.log {
            Log::File(log) => log.write(bytes, errors),
            Log::Journal(log) => log.write(bytes, errors),
            Log::None => Ok(()),
        };
        let known = std::mem::replace(&mut self.failed, result.is_err());
        if known { Ok(()) } else { result }
    }

    /// Gives unused buffers back.
    pub fn release_memory(&mut self) {
        match &mut self.log {
            Log::File(log) => log.release_memory(),
            Log::Journal(log) => log.release_memory(),
            Log::None => {}
        }
    }
}

/// The lines of a portion of output, each with whether it is complete (its newline is then left out).
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| match line.strip_suffix(b"\n") {
        Some(complete) => (complete, true),
        None => (line, false),
    })
}
