//! The `k8s-file` driver: a line of text per line of output, in the format of Kubernetes' container runtimes:
//! `TIME stdout|stderr F|P TEXT`, where P marks a part whose line goes on with the next entry of the same stream.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::lines;
use crate::sys::clock;

pub struct FileLog {
    path: PathBuf,
    /// Opened with the first output: many a process has none.
    file: Option<File>,
    /// Bytes in the file, and after how many it starts anew (0: never).
    size: u64,
    max_size: u64,
    /// Entries not yet written.
    entries: Vec<u8>,
}

impl FileLog {
    /// A log that appends to the file at `path`, which is made where it is missing.
    pub fn new(path: &Path, max_size: u64) -> Self {
        Self { path: path.to_owned(), file: None, size: 0, max_size, entries: Vec::new() }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let file = File::options().create(true).append(true).mode(0o600).open(&self.path)?;
            self.size = file.metadata()?.len();
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Writes an entry per line of `bytes`, all with the present time.
    pub fn write(&mut self, bytes: &[u8], errors: bool) -> Result<(), Error> {
        let time = clock::rfc3339_now();
        let stream = if errors { " stderr " } else { " stdout " };
        self.try_write(bytes, &time, stream).map_err(|source| Error::Log { path: self.path.clone(), source })
    }

    fn try_write(&mut self, bytes: &[u8], time: &str, stream: &str) -> io::Result<()> {
        self.file()?;
        for (line, complete) in lines(bytes) {
            let length = time.len() + stream.len() + 2 + line.len() + 1;
            if self.max_size > 0 && self.size + (self.entries.len() + length) as u64 > self.max_size {
                self.flush()?;
                self.start_anew()?;
            }
            self.entries.extend_from_slice(time.as_bytes());
            self.entries.extend_from_slice(stream.as_bytes());
            self.entries.extend_from_slice(if complete { b"F " } else { b"P " });
            self.entries.extend_from_slice(line);
            self.entries.push(b'\n');
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let entries = std::mem::take(&mut self.entries);
        let result = self.file()?.write_all(&entries);
        self.size += entries.len() as u64;
        self.entries = entries;
        self.entries.clear();
        result
    }

    /// Replaces the file by an empty one: whoever reads the old one can read it to its end.
    fn start_anew(&mut self) -> io::Result<()> {
        self.size = 0;
        if !self.file()?.metadata()?.is_file() {
            return Ok(());
        }
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let new = PathBuf::from(name);
        self.file = Some(File::options().create(true).truncate(true).write(true).mode(0o600).open(&new)?);
        std::fs::rename(&new, &self.path)
    }

    pub fn release_memory(&mut self) {
        self.entries = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_by_a_read_is_kept_in_parts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = FileLog::new(&path, 0);
        log.write(b"one\ntw", false).unwrap();
        log.write(b"o\n\n", false).unwrap();
        log.write(b"bad", true).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let entries: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(entries, ["stdout F one", "stdout P tw", "stdout F o", "stdout F ", "stderr P bad"]);
    }

    #[test]
    fn a_log_that_would_grow_over_its_limit_starts_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut log = FileLog::new(&path, 200);
        for number in 0..10 {
            log.write(format!("{number}\n").as_bytes(), false).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() <= 200 && text.ends_with(" 9\n"), "{text}");
        // A restart goes on counting where the file ends.
        FileLog::new(&path, 200).write(&[b'x'; 150], false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
