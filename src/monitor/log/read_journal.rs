//! Reading the entries of the `journald` driver, through journalctl(1): the journal's file format is systemd's own affair.

use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdout, Command, Stdio};

use jiff::Timestamp;
use serde_json::Value;

use super::Error;
use super::entry::Entry;
use crate::sys::stream;

/// A running journalctl; it is killed with this.
pub struct JournalReader {
    child: Child,
    output: BufReader<ChildStdout>,
    line: Vec<u8>,
}

impl JournalReader {
    /// Reads the entries of the container `id`, all or the last `tail`; with `follow`, also those to come.
    pub fn open(id: &str, tail: Option<usize>, since: Option<Timestamp>, follow: bool) -> Result<Self, Error> {
        let mut command = Command::new("journalctl");
        command.args(["--output=json", "--no-pager", "--quiet", "--all"]).arg(format!("CONTAINER_ID_FULL={id}"));
        if follow {
            command.arg("--follow");
        }
        command.arg(tail.map_or("--lines=all".to_owned(), |count| format!("--lines={count}")));
        if let Some(since) = since {
            command.arg(format!("--since=@{}", since.as_second()));
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(Error::Journalctl)?;
        let output = child.stdout.take().ok_or_else(|| Error::Journalctl(io::ErrorKind::BrokenPipe.into()))?;
        // Without following, a pause of journalctl's is not the end: wait for it.
        if follow {
            stream::set_nonblocking(output.as_fd()).map_err(Error::Journalctl)?;
        }
        Ok(Self { child, output: BufReader::new(output), line: Vec::new() })
    }

    /// The next entry; `None` when there is no more, or, when following, none at present.
    pub fn next(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            match self.output.read_until(b'\n', &mut self.line) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(Error::Journalctl(error)),
                Ok(0) => return self.child.wait().map(|_| None).map_err(Error::Journalctl),
                Ok(_) => {}
            }
            if self.line.last() == Some(&b'\n')
                && let Some(entry) = entry(&std::mem::take(&mut self.line))
            {
                return Ok(Some(entry));
            }
        }
    }
}

impl AsFd for JournalReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.get_ref().as_fd()
    }
}

impl Drop for JournalReader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The entry of a line of journalctl's JSON.
fn entry(line: &[u8]) -> Option<Entry> {
    let fields: Value = serde_json::from_slice(line).ok()?;
    let text = match fields.get("MESSAGE")? {
        Value::String(text) => text.clone().into_bytes(),
        // What is not UTF-8 comes as an array of numbers.
        Value::Array(bytes) => bytes.iter().map(|byte| byte.as_u64().and_then(|byte| byte.try_into().ok())).collect::<Option<_>>()?,
        _ => return None,
    };
    let microseconds: i64 = fields.get("__REALTIME_TIMESTAMP")?.as_str()?.parse().ok()?;
    let time = Timestamp::from_microsecond(microseconds).ok()?.to_zoned(jiff::tz::TimeZone::system());
    let time = time.strftime("%Y-%m-%dT%H:%M:%S.%9f%:z").to_string();
    let errors = fields.get("PRIORITY").and_then(Value::as_str) == Some("3");
    Some(Entry::new(&time, errors, fields.get("CONTAINER_PARTIAL_MESSAGE").is_none(), &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_journal_is_understood() {
        let line = br#"{"MESSAGE":"hello","PRIORITY":"3","__REALTIME_TIMESTAMP":"1792000000123456","CONTAINER_PARTIAL_MESSAGE":"true"}"#;
        let seen = entry(line).unwrap();
        assert_eq!((seen.text(), seen.errors, seen.complete), (&b"hello"[..], true, false));
        assert_eq!(seen.moment(), Timestamp::from_microsecond(1_792_000_000_123_456).unwrap());
        let line = br#"{"MESSAGE":[104,255],"PRIORITY":"6","__REALTIME_TIMESTAMP":"1"}"#;
        assert_eq!(entry(line).unwrap().text(), b"h\xff");
        assert_eq!(entry(b"{\"MESSAGE\":[300],\"__REALTIME_TIMESTAMP\":\"1\"}"), None);
        assert_eq!(entry(b"{}"), None);
    }
}
