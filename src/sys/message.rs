//! Messages that carry a descriptor over a unix socket, unix(7) SCM_RIGHTS.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Sends one message, with a descriptor if one is given.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let raw = [descriptor.map_or(-1, |fd| fd.as_raw_fd())];
    let rights = [ControlMessage::ScmRights(&raw)];
    let rights = if descriptor.is_some() { rights.as_slice() } else { &[] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one message: its length (0: the other end is gone) and the descriptor that came with it.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = nix::cmsg_space!([i32; 1]);
    loop {
        let mut slices = [IoSliceMut::new(buffer)];
        let message = match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Ok(message) => message,
            Err(nix::Error::EINTR) => continue,
            // The other end went without reading all: said once, before what it had sent itself can be read.
            Err(nix::Error::ECONNRESET) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let mut descriptor = None;
        for control in message.cmsgs()? {
            let ControlMessageOwned::ScmRights(fds) = control else { continue };
            for fd in fds {
                // SAFETY: the kernel has just made this descriptor for us. Of more than one, only the last stays open.
                descriptor = Some(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        return Ok((message.bytes, descriptor));
    }
}
