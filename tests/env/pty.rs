//! A command on a terminal of its own.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};

use super::command::{Run, code, wait};

/// The terminal's end that a person would sit at.
pub struct Pty {
    line: String,
    master: File,
    slave: PathBuf,
    child: Child,
    seen: Vec<u8>,
    timeout: Duration,
}

impl Pty {
    pub(super) fn start(mut command: Command, line: String, timeout: Duration) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).unwrap();
        let slave = nix::unistd::ttyname(&pair.slave).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        Self { line, master: File::from(pair.master), slave, child, seen: Vec::new(), timeout }
    }

    /// Types.
    pub fn write(&mut self, keys: impl AsRef<[u8]>) {
        self.master.write_all(keys.as_ref()).unwrap();
    }

    /// Changes the window size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let rows = rows.to_string();
        let columns = columns.to_string();
        let status = Command::new("stty").arg("-F").arg(&self.slave).args(["rows", &rows, "cols", &columns]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until the screen has shown `text` (since the last call that found something); returns all that was shown until then.
    pub fn read_until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + self.timeout;
        loop {
            let shown = String::from_utf8_lossy(&self.seen).into_owned();
            if let Some(position) = shown.find(text) {
                let end = position + text.len();
                self.seen = shown.as_bytes()[end..].to_vec();
                return shown[..end].to_owned();
            }
            assert!(Instant::now() < deadline, "{}: no {text:?} on the terminal: {shown:?}", self.line);
            assert!(self.read(), "{}: ended before {text:?}: {shown:?}", self.line);
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the command's end; what the terminal showed is in `stdout`.
    pub fn wait(mut self) -> Run {
        let deadline = Instant::now() + self.timeout;
        while self.is_running() && Instant::now() < deadline {
            self.read();
        }
        let status = wait(&mut self.child, Duration::ZERO);
        // What is still in the terminal's buffer.
        while self.read() {}
        let stdout = String::from_utf8_lossy(&self.seen).into_owned();
        assert!(status.is_some(), "still running after {:?}, killed: {}: {stdout:?}", self.timeout, self.line);
        Run::new(self.line.clone(), stdout, String::new(), status.map_or(-1, code))
    }

    /// Reads what there is, for at most a tenth of a second; false where nothing came.
    fn read(&mut self) -> bool {
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(100u8)).unwrap() == 0 {
            return self.is_running();
        }
        let mut buffer = [0; 4096];
        match self.master.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.seen.extend_from_slice(&buffer[..count]);
                true
            }
            // What a terminal says when its other end is closed.
            Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("{}: {error}", self.line),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
