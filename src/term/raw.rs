//! Raw mode that is always taken back.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys::tty::Settings;

/// A terminal in raw mode; dropping it restores the terminal.
#[derive(Debug)]
pub struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: Settings,
    raw: Settings,
}

impl<'a> RawMode<'a> {
    /// Puts `terminal` into raw mode.
    pub fn enter(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = Settings::of(terminal)?;
        let raw = before.raw();
        raw.apply(terminal)?;
        Ok(Self { terminal, before, raw })
    }

    /// Restores the terminal for a while, such as before this process stops itself.
    pub fn suspend(&self) -> io::Result<()> {
        self.before.apply(self.terminal)
    }

    /// Ends what [`Self::suspend`] began.
    pub fn resume(&self) -> io::Result<()> {
        self.raw.apply(self.terminal)
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // The terminal may be gone; then there is nothing to restore.
        let _ = self.before.apply(self.terminal);
    }
}
