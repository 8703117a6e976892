//! Reading a `k8s-file` log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Error;
use super::entry::Entry;

/// A log file from some entry on; what is appended later, or to a file that takes its place, is read as well.
pub struct FileReader {
    path: PathBuf,
    /// Missing as long as nobody has written.
    file: Option<BufReader<File>>,
    /// The beginning of an entry whose end is not written yet.
    line: Vec<u8>,
}

impl FileReader {
    /// Reads the log at `path`, all of it or only its last `tail` lines.
    pub fn open(path: &Path, tail: Option<usize>) -> Result<Self, Error> {
        let mut reader = Self { path: path.to_owned(), file: None, line: Vec::new() };
        reader.open_file(tail).map_err(|source| Error::Log { path: path.to_owned(), source })?;
        Ok(reader)
    }

    fn open_file(&mut self, tail: Option<usize>) -> io::Result<()> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        if let Some(count) = tail {
            let offset = tail_offset(&file, count)?;
            file.seek(SeekFrom::Start(offset))?;
        }
        self.file = Some(BufReader::with_capacity(64 << 10, file));
        Ok(())
    }

    /// The next entry; `None` when there is none at present.
    pub fn next(&mut self) -> Result<Option<Entry>, Error> {
        self.try_next().map_err(|source| Error::Log { path: self.path.clone(), source })
    }

    fn try_next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if let Some(file) = &mut self.file {
                while file.read_until(b'\n', &mut self.line)? > 0 {
                    if self.line.pop_if(|last| *last == b'\n').is_none() {
                        break;
                    }
                    // A line that is no entry is not ours.
                    if let Some(entry) = Entry::parse(std::mem::take(&mut self.line)) {
                        return Ok(Some(entry));
                    }
                }
            }
            if !self.replaced()? {
                return Ok(None);
            }
            self.line.clear();
            self.open_file(None)?;
        }
    }

    /// Another file is at the path by now.
    fn replaced(&self) -> io::Result<bool> {
        let now = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            metadata => metadata?,
        };
        let Some(file) = &self.file else { return Ok(true) };
        let ours = file.get_ref().metadata()?;
        Ok((ours.dev(), ours.ino()) != (now.dev(), now.ino()))
    }
}

/// Where the last `count` lines begin. A line is all entries up to and with its last one, so that parts are not counted.
fn tail_offset(file: &File, count: usize) -> io::Result<u64> {
    let length = file.metadata()?.len();
    // Only entries whose newline is written count.
    let mut lines = 0;
    let mut end = None;
    let mut position = length;
    let mut buffer = vec![0; 64 << 10];
    let mut newer_complete = false;
    while position > 0 {
        let start = position.saturating_sub(buffer.len() as u64);
        let block = &mut buffer[..(position - start) as usize];
        file.read_exact_at(block, start)?;
        for index in (0..block.len()).rev().filter(|index| block[*index] == b'\n') {
            let here = start + index as u64 + 1;
            if let Some(end) = end {
                // The entry from here to `end`: a complete one, or a last part that nothing follows, makes a line.
                let complete = is_complete(file, here)?;
                if complete || !newer_complete && lines == 0 {
                    if lines == count {
                        return Ok(end);
                    }
                    lines += 1;
                    newer_complete = true;
                }
            } else if count == 0 {
                return Ok(here);
            }
            end = Some(here);
        }
        position = start;
    }
    // The first entry has no newline before it.
    match end {
        Some(end) if lines == count && is_complete(file, 0)? => Ok(end),
        _ => Ok(0),
    }
}

/// Whether the entry at `offset` ends its line.
fn is_complete(file: &File, offset: u64) -> io::Result<bool> {
    let mut head = [0; 64];
    let count = file.read_at(&mut head, offset)?;
    let head = head[..count].split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Entry::parse(head.to_vec()).is_some_and(|entry| entry.complete))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TIME: &str = "2026-11-21T09:56:31.710327871+00:00";

    fn log(entries: &[&str]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for entry in entries {
            writeln!(file, "{TIME} stdout {entry}").unwrap();
        }
        file
    }

    fn texts(reader: &mut FileReader) -> Vec<String> {
        std::iter::from_fn(|| reader.next().unwrap()).map(|entry| String::from_utf8_lossy(entry.text()).into_owned()).collect()
    }

    #[test]
    fn a_tail_counts_lines_not_parts() {
        let file = log(&["F a", "P b", "P c", "F d", "F e", "P f"]);
        let tail = |count| texts(&mut FileReader::open(file.path(), Some(count)).unwrap());
        assert_eq!(tail(0), Vec::<String>::new());
        assert_eq!(tail(1), ["f"]);
        assert_eq!(tail(2), ["e", "f"]);
        assert_eq!(tail(3), ["b", "c", "d", "e", "f"]);
        assert_eq!(tail(4), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(tail(100), ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn a_tail_of_a_long_log_is_found_from_its_end() {
        let entries: Vec<_> = (0..5000).map(|number| format!("F {number}")).collect();
        let file = log(&entries.iter().map(String::as_str).collect::<Vec<_>>());
        for count in [1, 999, 3000, 4999] {
            let seen = texts(&mut FileReader::open(file.path(), Some(count)).unwrap());
            assert_eq!((seen.len(), seen[0].clone()), (count, (5000 - count).to_string()));
        }
    }

    #[test]
    fn entries_that_are_written_later_are_read_and_half_ones_waited_for() {
        let mut file = log(&["F one"]);
        let mut reader = FileReader::open(file.path(), None).unwrap();
        assert_eq!(texts(&mut reader), ["one"]);
        write!(file, "{TIME} stdout F tw").unwrap();
        assert_eq!(texts(&mut reader), Vec::<String>::new());
        writeln!(file, "o\nno entry\n{TIME} stderr F three").unwrap();
        assert_eq!(texts(&mut reader), ["two", "three"]);
    }

    #[test]
    fn a_log_that_starts_anew_is_read_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut reader = FileReader::open(&path, Some(5)).unwrap();
        assert_eq!(texts(&mut reader), Vec::<String>::new());
        let mut log = super::super::file::FileLog::new(&path, 150);
        for number in 0..3 {
            log.write(format!("{number}\n").as_bytes(), false).unwrap();
        }
        assert_eq!(texts(&mut reader), ["0", "1", "2"]);
        log.write(b"3\n", false).unwrap();
        assert_eq!(texts(&mut reader), ["3"]);
    }
}
