//! The conversation between the caller and a process on its way into a container, over a pair of sequenced-packet sockets.
//!
//! Caller to process: one byte each, `m` (ID maps are written) and `s` (execute the program). Process to caller: `l` (a namespace, as a
//! descriptor), `c` (created, with the terminal's controlling side as a descriptor where there is one) or a [`Failure`]. The socket is
//! closed by a successful exec. A process that executes through the trampoline (`sys::trampoline`) says before what it will execute
//! (`p`), since that reports no more than `r` and an errno.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::sys;

/// A step that failed in the process inside the namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    pub errno: i32,
    pub step: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Setup,
    NotFound,
    NotExecutable,
    /// The working directory cannot be entered; the step is its path.
    Workdir,
}

/// Names the step that an I/O error happened in.
pub trait Context<T> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn step(self, step: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::setup(step(), &error.into()))
    }
}

impl Failure {
    pub fn setup(step: String, error: &io::Error) -> Self {
        Self { kind: Kind::Setup, errno: error.raw_os_error().unwrap_or(libc::EIO), step }
    }

    /// The exec of `program` failed.
    pub fn exec(errno: i32, program: String) -> Self {
        let kind = match errno {
            libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::ENAMETOOLONG => Kind::NotFound,
            _ => Kind::NotExecutable,
        };
        Self { kind, errno, step: format!("exec `{program}`") }
    }

    pub fn error(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }
}

/// What the process tells.
#[derive(Debug)]
pub enum Message {
    Created(Option<OwnedFd>),
    /// A namespace of its own, for a network helper.
    Namespace(OwnedFd),
    /// What is about to be executed through the trampoline.
    Executing(String),
    Failed(Failure),
    /// The socket was closed: the exec succeeded, or the process is dead.
    End,
}

/// One end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// The caller's end and the process's end.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (caller, process) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Self(caller), Self(process)))
    }

    /// The same above the numbers of the standard streams and `preserved` further descriptors, which are going to be replaced.
    pub fn above(&self, preserved: usize) -> io::Result<Self> {
        sys::process::duplicate_above(self.0.as_fd(), 3 + preserved).map(Self)
    }

    /// Sends one of the caller's bytes.
    pub fn tell(&self, byte: u8) -> io::Result<()> {
        self.send(&[byte], None)
    }

    /// Waits for one of the caller's bytes; `false` when the caller has gone.
    pub fn expect(&self, wanted: u8) -> io::Result<bool> {
        let mut byte = [0];
        loop {
            match nix::unistd::read(&self.0, &mut byte) {
                Ok(1) if byte[0] == wanted => return Ok(true),
                Ok(0) => return Ok(false),
                Ok(_) | Err(nix::Error::EINTR) => {}
                Err(nix::Error::ECONNRESET) => return Ok(false),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    pub fn created(&self, console: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.send(b"c", console)
    }

    /// Lends the caller a namespace.
    pub fn lend(&self, namespace: BorrowedFd<'_>) -> io::Result<()> {
        self.send(b"l", Some(namespace))
    }

    /// Tells what is going to be executed.
    pub fn executing(&self, program: &CStr) -> io::Result<()> {
        self.send(&[b"p", program.to_bytes()].concat(), None)
    }

    /// Reports a failure. Nobody may be left to hear it.
    pub fn failed(&self, failure: &Failure) {
        let kind = match failure.kind {
            Kind::Setup => b'e',
            Kind::NotFound => b'n',
            Kind::NotExecutable => b'x',
            Kind::Workdir => b'w',
        };
        let mut message = vec![kind];
        message.extend(failure.errno.to_ne_bytes());
        message.extend(failure.step.bytes().take(4000));
        let _ = self.send(&message, None);
    }

    /// The next message of the process.
    pub fn receive(&self) -> io::Result<Message> {
        let mut buffer = [0; 4096];
        let (length, descriptor) = sys::message::receive(self.0.as_fd(), &mut buffer)?;
        let kind = match buffer.first() {
            _ if length == 0 => return Ok(Message::End),
            Some(b'c') => return Ok(Message::Created(descriptor)),
            Some(b'l') => return Ok(descriptor.map_or(Message::End, Message::Namespace)),
            Some(b'p') => return Ok(Message::Executing(text(&buffer, 1, length))),
            Some(b'r') => {
                let errno = number(&buffer).unwrap_or(0).wrapping_neg();
                return Ok(Message::Failed(Failure { step: String::new(), ..Failure::exec(errno, String::new()) }));
            }
            Some(b'n') => Kind::NotFound,
            Some(b'x') => Kind::NotExecutable,
            Some(b'w') => Kind::Workdir,
            _ => Kind::Setup,
        };
        let errno = number(&buffer).unwrap_or(libc::EIO);
        Ok(Message::Failed(Failure { kind, errno, step: text(&buffer, 5, length) }))
    }

    /// Waits for the exec: `None` when it has succeeded, or the process is dead.
    pub fn wait_executed(&self) -> io::Result<Option<Failure>> {
        let mut program = String::new();
        loop {
            match self.receive()? {
                Message::Executing(path) => program = path,
                Message::Failed(failure) if failure.step.is_empty() => return Ok(Some(Failure::exec(failure.errno, program))),
                Message::Failed(failure) => return Ok(Some(failure)),
                Message::End => return Ok(None),
                Message::Created(_) | Message::Namespace(_) => {}
            }
        }
    }

    fn send(&self, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        sys::message::send(self.0.as_fd(), bytes, descriptor)
    }
}

fn number(message: &[u8]) -> Option<i32> {
    message.get(1..5)?.try_into().ok().map(i32::from_ne_bytes)
}

fn text(message: &[u8], from: usize, to: usize) -> String {
    String::from_utf8_lossy(message.get(from..to).unwrap_or_default()).into_owned()
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
