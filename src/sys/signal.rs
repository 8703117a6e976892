//! Signals: names and numbers (real-time ones included), masks, and their reception through a descriptor.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The highest signal number of Linux, on x86 and arm.
pub const MAX: i32 = 64;
/// First real-time signal as programs count them: 32 and 33 belong to the C library.
const RTMIN: i32 = 34;

/// Names without `SIG`, by number; synonyms follow the usual name.
const NAMES: &[(&str, i32)] = &[
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("IOT", libc::SIGIOT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("POLL", libc::SIGPOLL),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
];

/// The number of a signal given as `9`, `KILL`, `SIGKILL`, `kill`, `RTMIN`, `SIGRTMIN+3` or `RTMAX-1`.
pub fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=MAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        return real_time(RTMIN, offset, '+');
    }
    if let Some(offset) = name.strip_prefix("RTMAX") {
        return real_time(MAX, offset, '-');
    }
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// `base` and an offset such as `+3` in the direction of `sign`.
fn real_time(base: i32, offset: &str, sign: char) -> Option<i32> {
    if offset.is_empty() {
        return Some(base);
    }
    let steps = offset.strip_prefix(sign).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<i32>().ok()?;
    let number = if sign == '+' { base.checked_add(steps)? } else { base.checked_sub(steps)? };
    (RTMIN..=MAX).contains(&number).then_some(number)
}

/// The name of signal `number`, `SIGTERM` or `SIGRTMIN+3`; its digits where it has none.
pub fn name(number: i32) -> String {
    if let Some((name, _)) = NAMES.iter().find(|(_, known)| *known == number) {
        return format!("SIG{name}");
    }
    match number {
        RTMIN => "SIGRTMIN".to_owned(),
        MAX => "SIGRTMAX".to_owned(),
        _ if (RTMIN..=RTMIN + 15).contains(&number) => format!("SIGRTMIN+{}", number - RTMIN),
        _ if (RTMIN..=MAX).contains(&number) => format!("SIGRTMAX-{}", MAX - number),
        _ => number.to_string(),
    }
}

/// A set of signals.
#[derive(Clone, Copy)]
pub struct Set(libc::sigset_t);

impl std::fmt::Debug for Set {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries((1..=MAX).filter(|number| self.contains(*number))).finish()
    }
}

impl Set {
    /// The set of `signals`; numbers outside 1..=64 are left out.
    pub fn of(signals: &[i32]) -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the whole set it is given.
        let mut set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            set.assume_init()
        };
        for signal in signals {
            // SAFETY: the set is initialised; a bad number is answered with EINVAL.
            unsafe { libc::sigaddset(&mut set, *signal) };
        }
        Self(set)
    }

    pub fn contains(&self, signal: i32) -> bool {
        // SAFETY: the set is initialised.
        unsafe { libc::sigismember(&self.0, signal) == 1 }
    }
}

/// Adds `set` to the blocked signals of this thread and returns what was blocked before.
pub fn block(set: &Set) -> io::Result<Set> {
    change_mask(libc::SIG_BLOCK, set)
}

/// Makes `set` the blocked signals of this thread.
pub fn set_mask(set: &Set) -> io::Result<()> {
    change_mask(libc::SIG_SETMASK, set).map(drop)
}

fn change_mask(how: i32, set: &Set) -> io::Result<Set> {
    let mut before = Set::of(&[]);
    // SAFETY: both sets are initialised and outlive the call.
    match unsafe { libc::pthread_sigmask(how, &set.0, &mut before.0) } {
        0 => Ok(before),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Nothing blocked, every disposition the default: what a process that is not ours expects at its start.
///
/// To be called in a forked child before exec. Errors (SIGKILL, SIGSTOP) have no meaning here.
pub fn reset_for_child() {
    // The kernel's struct sigaction: handler, flags, restorer, mask of 64 bits. SIG_DFL is 0.
    let default = [0_u64; 4];
    for signal in 1..=MAX {
        // SAFETY: `default` is a valid sigaction with a mask of 8 bytes. Not by signal(2) of glibc, which refuses its own signals 32 and
        // 33, and its posix_spawn(3) passes them on ignored.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<u64>(), 8) };
    }
    let _ = set_mask(&Set::of(&[]));
}

/// Ignores `signal` from now on.
pub fn ignore(signal: i32) {
    // SAFETY: SIG_IGN installs no handler of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Ends this process by `signal` with its default action, as if it had never been caught or blocked.
pub fn die_by(signal: i32) {
    // SAFETY: SIG_DFL installs no handler of ours; raise only sends a signal to this thread.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    let _ = change_mask(libc::SIG_UNBLOCK, &Set::of(&[signal]));
}

/// Sends `signal` to the process `pid`.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill has no memory arguments.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends `signal` to the process that `pidfd` refers to, whatever has become of its number.
pub fn kill_pidfd(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open for the call, no siginfo is passed, flags are 0.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Blocked signals, read from a descriptor (signalfd(2)); never blocks, closed on exec.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Receives the signals of `set`, which must be blocked.
    pub fn new(set: &Set) -> io::Result<Self> {
        // SAFETY: the set is initialised; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &set.0, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next pending signal's number; `None` when there is none.
    pub fn next(&self) -> io::Result<Option<i32>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer is as long as the read.
        let count = unsafe { libc::read(self.0.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if count == size as isize {
            // SAFETY: the kernel has filled the whole structure.
            return Ok(Some(unsafe { info.assume_init() }.ssi_signo as i32));
        }
        let error = io::Error::last_os_error();
        if count < 0 && error.kind() != io::ErrorKind::WouldBlock && error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        Ok(None)
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_known_by_number_and_by_any_form_of_their_name() {
        for text in ["15", "TERM", "SIGTERM", "sigterm", "term"] {
            assert_eq!(parse(text), Some(15), "{text}");
        }
        assert_eq!(parse("RTMIN"), Some(34));
        assert_eq!(parse("SIGRTMIN+3"), Some(37));
        assert_eq!(parse("rtmax-2"), Some(62));
        assert_eq!(parse("RTMAX"), Some(64));
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["", "0", "65", "-1", "FOO", "SIG", "RTMIN-1", "RTMIN+31", "RTMAX-31", "RTMIN+-1", "RTMIN++1", "RTMIN+99999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_signal_is_found_again_by_its_name() {
        for number in (1..=31).chain(34..=64) {
            assert_eq!(parse(&name(number)), Some(number), "{}", name(number));
        }
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(37), "SIGRTMIN+3");
        assert_eq!(name(63), "SIGRTMAX-1");
        assert_eq!(name(33), "33");
    }

    #[test]
    fn a_blocked_signal_arrives_through_the_descriptor() {
        let set = Set::of(&[libc::SIGUSR2]);
        let before = block(&set).unwrap();
        let signals = SignalFd::new(&set).unwrap();
        assert_eq!(signals.next().unwrap(), None);
        // SAFETY: raise only signals this thread.
        unsafe { libc::raise(libc::SIGUSR2) };
        assert_eq!(signals.next().unwrap(), Some(libc::SIGUSR2));
        set_mask(&before).unwrap();
    }
}
