//! The record beside a layer from which its tar archive comes back byte for byte: all that is not a file body, and where the bodies are.
//!
//! `tar.zst` is a zstd stream of frames: `0 LENGTH BYTES` are bytes of the archive; `1 ENTRY OFFSET LENGTH PATH-LENGTH PATH` stands for
//! bytes of a file in `diff/`, and ENTRY is the number of the archive's entry they belong to. Numbers are LEB128. A file that a later
//! entry of the same archive replaced lies in `bodies/`; [`Replaced`] says which.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::AsFd;

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::sys::path::open_in_root_at;

const RAW: u8 = 0;
const BODY: u8 = 1;

/// Raw bytes are gathered up to this many before a frame is written.
const FRAME: usize = 64 * 1024;

/// Writes a record.
pub struct Recorder {
    encoder: zstd::Encoder<'static, File>,
    raw: Vec<u8>,
}

/// A file or directory that a later entry of the same archive put aside: until entry number `at`, `path` and what was beneath it are
/// found in `bodies/<index in the list>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    pub at: u64,
    pub path: Vec<u8>,
}

impl Recorder {
    pub fn new(file: File) -> io::Result<Self> {
        // Headers are mostly zeros and repetitions: the fastest level makes a hundredth of them, too.
        Ok(Self { encoder: zstd::Encoder::new(file, 1)?, raw: Vec::with_capacity(FRAME + 4096) })
    }

    /// Bytes of the archive that no file holds.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.raw.extend_from_slice(bytes);
        if self.raw.len() >= FRAME { self.flush() } else { Ok(()) }
    }

    /// `length` bytes that are in the file at `path` from `offset` on.
    pub fn body(&mut self, entry: u64, path: &[u8], offset: u64, length: u64) -> io::Result<()> {
        self.flush()?;
        let mut frame = Vec::with_capacity(path.len() + 32);
        frame.push(BODY);
        for number in [entry, offset, length, path.len() as u64] {
            push_number(&mut frame, number);
        }
        frame.extend_from_slice(path);
        self.encoder.write_all(&frame)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.raw.is_empty() {
            return Ok(());
        }
        let mut head = vec![RAW];
        push_number(&mut head, self.raw.len() as u64);
        self.encoder.write_all(&head)?;
        self.encoder.write_all(&self.raw)?;
        self.raw.clear();
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.encoder.finish().map(drop)
    }
}

fn push_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn read_number(from: &mut impl Read) -> io::Result<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the layer's record holds a number that does not end"))
}

/// Writes the archive of the layer whose directory (with `diff`, `tar.zst`, `bodies`) is open as `object`.
pub fn rebuild(object: impl AsFd, replaced: &[Replaced], to: &mut impl Write) -> io::Result<()> {
    let object = object.as_fd();
    let record = open_in_root_at(object, b"tar.zst", OFlag::O_RDONLY)?;
    let diff = open_in_root_at(object, b"diff", OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
    let mut frames = BufReader::with_capacity(FRAME, zstd::Decoder::new(record)?);
    loop {
        let mut kind = [0];
        if frames.read(&mut kind)? == 0 {
            return Ok(());
        }
        if kind[0] == RAW {
            let length = read_number(&mut frames)?;
            copy(&mut frames, length, to, "the layer's record")?;
            continue;
        }
        let entry = read_number(&mut frames)?;
        let offset = read_number(&mut frames)?;
        let length = read_number(&mut frames)?;
        let mut path = vec![0; usize::try_from(read_number(&mut frames)?).unwrap_or(usize::MAX).min(1 << 20)];
        frames.read_exact(&mut path)?;
        let aside = replaced.iter().enumerate().find(|(_, replaced)| replaced.at > entry && is_beneath(&path, &replaced.path));
        let mut file = match aside {
            None => open_in_root_at(&diff, &path, OFlag::O_RDONLY)?,
            Some((index, replaced)) => {
                let aside = [b"bodies/", index.to_string().as_bytes(), &path[replaced.path.len()..]].concat();
                open_in_root_at(object, &aside, OFlag::O_RDONLY)?
            }
        };
        if offset > 0 {
            io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
        }
        copy(&mut file, length, to, &String::from_utf8_lossy(&path))?;
    }
}

/// Whether `path` is `top` or lies beneath it; both are clean relative paths.
fn is_beneath(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn copy(from: &mut impl Read, length: u64, to: &mut impl Write, name: &str) -> io::Result<()> {
    let copied = io::copy(&mut from.take(length), to)?;
    if copied == length {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{name} is {copied} bytes long instead of {length}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(number in any::<u64>()) {
            let mut bytes = Vec::new();
            push_number(&mut bytes, number);
            prop_assert_eq!(read_number(&mut bytes.as_slice()).unwrap(), number);
        }
    }

    #[test]
    fn beneath_ends_at_a_slash() {
        assert!(is_beneath(b"a/b", b"a") && is_beneath(b"a", b"a"));
        assert!(!is_beneath(b"ab", b"a"));
    }
}
