//! Terminals: window size, raw mode, a fresh pair.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Rows and columns of a terminal; zero where unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    pub rows: u16,
    pub columns: u16,
}

/// Whether `fd` is a terminal.
pub fn is_terminal(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: the descriptor is open for the call.
    unsafe { libc::isatty(fd.as_raw_fd()) == 1 }
}

/// The size of the terminal `fd`.
pub fn window_size(fd: BorrowedFd<'_>) -> io::Result<WindowSize> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: TIOCGWINSZ fills the winsize it is given; all-zero is a valid one.
    let size = unsafe {
        if libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        size.assume_init()
    };
    Ok(WindowSize { rows: size.ws_row, columns: size.ws_col })
}

/// Sets the size of the terminal `fd`; its foreground processes get SIGWINCH when it changes.
pub fn set_window_size(fd: BorrowedFd<'_>, size: WindowSize) -> io::Result<()> {
    let size = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads the winsize it is given.
    match unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSWINSZ, &size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A terminal's settings.
#[derive(Clone)]
pub struct Settings(libc::termios);

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Settings").field("lflag", &self.0.c_lflag).finish_non_exhaustive()
    }
}

impl Settings {
    pub fn of(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let mut settings = MaybeUninit::<libc::termios>::zeroed();
        // SAFETY: tcgetattr fills the structure it is given; all-zero is a valid one.
        unsafe {
            match libc::tcgetattr(fd.as_raw_fd(), settings.as_mut_ptr()) {
                0 => Ok(Self(settings.assume_init())),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// These settings with everything passed through untouched (cfmakeraw(3)).
    pub fn raw(&self) -> Self {
        let mut raw = self.0;
        // SAFETY: cfmakeraw changes flags of an initialised structure.
        unsafe { libc::cfmakeraw(&mut raw) };
        Self(raw)
    }

    /// What is typed is shown: not so in raw mode.
    pub fn echoes(&self) -> bool {
        self.0.c_lflag & libc::ECHO != 0
    }

    /// Puts them into force once what is still to be written has gone out; input that nobody read is kept.
    pub fn apply(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: tcsetattr reads the structure it is given.
        match unsafe { libc::tcsetattr(fd.as_raw_fd(), libc::TCSADRAIN, &self.0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Both ends of a new terminal on the host's devpts.
#[derive(Debug)]
pub struct Pair {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

/// Makes a terminal of `size`; both descriptors are closed on exec and neither becomes the controlling terminal.
pub fn open_pair(size: WindowSize) -> io::Result<Pair> {
    // SAFETY: posix_openpt has no memory arguments.
    let master = unsafe { libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC) };
    if master < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    let master = unsafe { OwnedFd::from_raw_fd(master) };
    // SAFETY: the descriptor is a terminal's master end; TIOCGPTPEER takes open flags and returns a descriptor.
    let slave = unsafe {
        if libc::unlockpt(master.as_raw_fd()) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC)
    };
    if slave < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    if size != WindowSize::default() {
        set_window_size(master.as_fd(), size)?;
    }
    Ok(Pair { master, slave })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_the_size_it_was_made_with_until_it_is_changed() {
        let pair = open_pair(WindowSize { rows: 24, columns: 80 }).unwrap();
        assert!(is_terminal(pair.slave.as_fd()));
        assert_eq!(window_size(pair.slave.as_fd()).unwrap(), WindowSize { rows: 24, columns: 80 });
        set_window_size(pair.master.as_fd(), WindowSize { rows: 50, columns: 132 }).unwrap();
        assert_eq!(window_size(pair.slave.as_fd()).unwrap(), WindowSize { rows: 50, columns: 132 });
    }

    #[test]
    fn raw_mode_switches_echo_and_lines_off() {
        let pair = open_pair(WindowSize::default()).unwrap();
        let before = Settings::of(pair.slave.as_fd()).unwrap();
        assert_ne!(before.0.c_lflag & (libc::ECHO | libc::ICANON | libc::ISIG), 0);
        before.raw().apply(pair.slave.as_fd()).unwrap();
        let raw = Settings::of(pair.slave.as_fd()).unwrap();
        assert_eq!(raw.0.c_lflag & (libc::ECHO | libc::ICANON | libc::ISIG), 0);
        before.apply(pair.slave.as_fd()).unwrap();
        assert_eq!(Settings::of(pair.slave.as_fd()).unwrap().0.c_lflag, before.0.c_lflag);
    }
}
