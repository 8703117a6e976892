//! Messages with descriptors over a pair of sequential-packet sockets, unix(7): one message sent is one message received.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, socketpair};

/// The longest message.
pub const LIMIT: usize = 64 * 1024;

/// The most descriptors in one message.
const MOST_DESCRIPTORS: usize = 4;

/// Two connected sockets.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// The descriptor with this number, which the parent has left to this process and nothing else here has touched.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl(2) with F_SETFD touches no memory; it fails where the descriptor is not open.
    if unsafe { nix::libc::fcntl(number, nix::libc::F_SETFD, nix::libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, as fcntl has just shown, and by this function's contract nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends one message.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    loop {
        match sendmsg::<()>(socket.as_fd().as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// Receives one message; an empty one says that the other side has closed.
pub fn receive(socket: impl AsFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; LIMIT];
    let mut space = nix::cmsg_space!([RawFd; MOST_DESCRIPTORS]);
    let mut descriptors = Vec::new();
    let length = loop {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        match recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            Err(Errno::ECONNRESET) => break 0,
            Err(errno) => return Err(errno.into()),
            Ok(message) => {
                for control in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(raw) = control {
                        // SAFETY: the kernel has just made these descriptors for this process, and nothing else knows of them.
                        descriptors.extend(raw.into_iter().map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }));
                    }
                }
                break message.bytes;
            }
        }
    };
    bytes.truncate(length);
    Ok((bytes, descriptors))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn messages_keep_their_bounds_and_carry_descriptors() {
        let (one, other) = pair().unwrap();
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        send(&one, b"first", &[writer.as_fd()]).unwrap();
        send(&one, b"second", &[]).unwrap();
        writer.write_all(b"!").unwrap();
        drop((one, writer));
        let (bytes, descriptors) = receive(&other).unwrap();
        assert_eq!((bytes.as_slice(), descriptors.len()), (&b"first"[..], 1));
        drop(descriptors);
        assert_eq!(receive(&other).unwrap().0, b"second");
        assert_eq!(receive(&other).unwrap().0, b"");
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"!");
    }
}
