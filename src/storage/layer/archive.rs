//! Reads tar archives entry by entry (ustar, pax and GNU), and tells a [`Recorder`] all bytes that are not file bodies.

use std::io::Read;

use tar::{GnuExtSparseHeader, Header};

use super::pax::{Pax, number};
use super::record::Recorder;
use super::stream::Stream;
use crate::sys::path::Moment;

const BLOCK: u64 = 512;

/// The longest extended header or long name: Go's limit, which everybody lives with.
const LONGEST_HEADER: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    HardLink,
    Symlink,
    Directory,
    Fifo,
    CharacterDevice,
    BlockDevice,
}

/// One entry; its body, `stored` bytes long, comes next in the archive.
#[derive(Debug)]
pub struct Entry {
    pub kind: Kind,
    /// The name as written in the archive.
    pub path: Vec<u8>,
    /// Target of a hard or symbolic link.
    pub link: Vec<u8>,
    /// Permission bits, with set-user-ID, set-group-ID and sticky bit.
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub time: Moment,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub stored: u64,
    /// The file's length, which for one with holes is more than `stored`.
    pub size: u64,
    /// Offset and length of the pieces that are stored of a file with holes.
    pub pieces: Option<Vec<(u64, u64)>>,
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the archive is damaged: {0}")]
    Malformed(String),
    #[error("the archive is cut short")]
    Truncated,
    #[error(transparent)]
    Io(std::io::Error),
}

impl From<std::io::Error> for ArchiveError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof { Self::Truncated } else { Self::Io(error) }
    }
}

fn malformed(reason: impl Into<String>) -> ArchiveError {
    ArchiveError::Malformed(reason.into())
}

/// The next entry, `None` at the end of the archive. The body of the entry before must have been consumed, its padding too.
pub fn next_entry<R: Read>(stream: &mut Stream<R>, record: &mut Recorder) -> Result<Option<Entry>, ArchiveError> {
    let mut pax = Pax::default();
    let mut long_name = None;
    let mut long_link = None;
    loop {
        let Some(header) = next_header(stream, record)? else { return Ok(None) };
        let size = field(&header.as_old().size, "size")?;
        match header.as_bytes()[156] {
            b'x' | b'X' => pax.read(&special(stream, record, size)?).map_err(malformed)?,
            // Global headers speak of the archive, as git's do.
            b'g' => drop(special(stream, record, size)?),
            b'L' => long_name = Some(until_zero(special(stream, record, size)?)),
            b'K' => long_link = Some(until_zero(special(stream, record, size)?)),
            _ => return entry(stream, record, &header, pax, long_name, long_link).map(Some),
        }
    }
}

/// Passes over the zeros that fill the last block of a body.
pub fn skip_padding<R: Read>(stream: &mut Stream<R>, record: &mut Recorder, body: u64) -> Result<(), ArchiveError> {
    let padding = (BLOCK - body % BLOCK) % BLOCK;
    Ok(stream.pass(padding, |bytes| record.raw(bytes))?)
}

/// Reads what follows the archive's end (padding to tar's record size, usually), so that it is hashed and recorded.
pub fn drain<R: Read>(stream: &mut Stream<R>, record: &mut Recorder) -> Result<(), ArchiveError> {
    loop {
        let bytes = stream.fill()?;
        if bytes.is_empty() {
            return Ok(());
        }
        record.raw(bytes)?;
        let count = bytes.len();
        stream.consume(count);
    }
}

fn next_header<R: Read>(stream: &mut Stream<R>, record: &mut Recorder) -> Result<Option<Header>, ArchiveError> {
    let mut header = Header::new_old();
    if !stream.block(header.as_mut_bytes())? {
        return Ok(None);
    }
    record.raw(header.as_bytes())?;
    if header.as_bytes().iter().all(|byte| *byte == 0) {
        if stream.block(header.as_mut_bytes())? {
            record.raw(header.as_bytes())?;
            if header.as_bytes().iter().any(|byte| *byte != 0) {
                return Err(malformed("a lone block of zeros"));
            }
        }
        return Ok(None);
    }
    let written = field(&header.as_old().cksum, "checksum")?;
    let bytes = || header.as_bytes().iter().enumerate().map(|(index, byte)| if (148..156).contains(&index) { b' ' } else { *byte });
    // Some old programs summed the bytes as signed ones.
    let signed: i64 = bytes().map(|byte| i64::from(byte as i8)).sum();
    if bytes().map(u64::from).sum::<u64>() != written && u64::try_from(signed) != Ok(written) {
        return Err(malformed("the checksum of a header is wrong (is it a tar archive?)"));
    }
    Ok(Some(header))
}

fn entry<R: Read>(
    stream: &mut Stream<R>,
    record: &mut Recorder,
    header: &Header,
    pax: Pax,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
) -> Result<Entry, ArchiveError> {
    let old = header.as_old();
    let flag = header.as_bytes()[156];
    let path = pax.path.or(long_name).unwrap_or_else(|| header.path_bytes().into_owned());
    let kind = match flag {
        0 if path.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharacterDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => return Err(malformed(format!("{} is of the unknown type {:?}", show(&path), char::from(other)))),
    };
    let size = match pax.size {
        Some(size) => size,
        None => field(&old.size, "size")?,
    };
    let time = match pax.time {
        Some(time) => time,
        // Base-256 numbers are two's complement: a time before 1970 wraps round.
        None => Moment { seconds: field(&old.mtime, "time")? as i64, nanoseconds: 0 },
    };
    let mut entry = Entry {
        kind,
        link: pax.link.or(long_link).unwrap_or_else(|| header.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default()),
        mode: (field(&old.mode, "mode")? & 0o7777) as u32,
        uid: pax.uid.map_or_else(|| field(&old.uid, "uid"), Ok)?,
        gid: pax.gid.map_or_else(|| field(&old.gid, "gid"), Ok)?,
        time,
        xattrs: pax.xattrs,
        // Only files have bodies, whatever the size says (a pax archive may repeat the size of a hard link's target).
        stored: if kind == Kind::File { size } else { 0 },
        size,
        pieces: None,
        path,
    };
    if i64::try_from(size).is_err() {
        return Err(malformed(format!("{} is {size} bytes long", show(&entry.path))));
    }
    if kind == Kind::File {
        if flag == b'S' {
            let gnu = header.as_gnu().ok_or_else(|| malformed("a sparse entry without GNU's header"))?;
            entry.size = field(&gnu.realsize, "real size")?;
            entry.pieces = Some(gnu_pieces(stream, record, gnu)?);
        } else if pax.sparse.major == Some(1) {
            entry.size = pax.sparse.real_size.unwrap_or(size);
            let (pieces, used) = body_pieces(stream, record, size)?;
            entry.pieces = Some(pieces);
            entry.stored = size - used;
        } else if pax.sparse.has_map {
            entry.size = pax.sparse.real_size.unwrap_or(size);
            entry.pieces = Some(pax.sparse.map);
        }
        if let Some(name) = pax.sparse.name {
            entry.path = name;
        }
        check_pieces(&entry)?;
    }
    Ok(entry)
}

/// The body of an entry that speaks of the next one.
fn special<R: Read>(stream: &mut Stream<R>, record: &mut Recorder, size: u64) -> Result<Vec<u8>, ArchiveError> {
    if size > LONGEST_HEADER {
        return Err(malformed(format!("an extended header of {size} bytes")));
    }
    let mut data = Vec::with_capacity(size as usize);
    stream.pass(size, |bytes| {
        data.extend_from_slice(bytes);
        record.raw(bytes)
    })?;
    skip_padding(stream, record, size)?;
    Ok(data)
}

/// Old GNU format: four pieces in the header, the others in blocks after it.
fn gnu_pieces<R: Read>(stream: &mut Stream<R>, record: &mut Recorder, gnu: &tar::GnuHeader) -> Result<Vec<(u64, u64)>, ArchiveError> {
    let mut pieces = Vec::new();
    let mut add = |descriptors: &[tar::GnuSparseHeader]| -> Result<(), ArchiveError> {
        for descriptor in descriptors.iter().filter(|descriptor| !descriptor.is_empty()) {
            pieces.push((field(&descriptor.offset, "offset")?, field(&descriptor.numbytes, "length")?));
        }
        Ok(())
    };
    add(&gnu.sparse)?;
    let mut more = gnu.isextended[0] == 1;
    while more {
        let mut block = GnuExtSparseHeader::new();
        if !stream.block(block.as_mut_bytes())? {
            return Err(ArchiveError::Truncated);
        }
        record.raw(block.as_bytes())?;
        add(&block.sparse)?;
        more = block.isextended[0] == 1;
    }
    Ok(pieces)
}

/// Format 1.0: the body begins with the number of pieces, then offset and length of each, a line each, padded to a block. Gives the bytes
/// that took as well.
fn body_pieces<R: Read>(stream: &mut Stream<R>, record: &mut Recorder, size: u64) -> Result<(Vec<(u64, u64)>, u64), ArchiveError> {
    let mut used = 0;
    let mut line = Vec::new();
    let mut numbers = Vec::new();
    let mut wanted = None;
    let mut block = [0; BLOCK as usize];
    while wanted.is_none_or(|wanted: usize| numbers.len() < wanted) {
        used += BLOCK;
        if used > size || !stream.block(&mut block)? {
            return Err(malformed("the map of a sparse file does not end"));
        }
        record.raw(&block)?;
        for byte in block {
            if wanted.is_some_and(|wanted| numbers.len() == wanted) {
                break;
            }
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            let value = number(&line).ok_or_else(|| malformed("the map of a sparse file is not made of numbers"))?;
            line.clear();
            match wanted {
                None => wanted = Some(usize::try_from(value).ok().and_then(|count| count.checked_mul(2)).unwrap_or(usize::MAX)),
                Some(_) => numbers.push(value),
            }
        }
    }
    Ok((numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), used))
}

/// Pieces must rise, lie within the file, and together be as long as what is stored.
fn check_pieces(entry: &Entry) -> Result<(), ArchiveError> {
    let Some(pieces) = &entry.pieces else { return Ok(()) };
    let wrong = || malformed(format!("the map of the sparse file {} is wrong", show(&entry.path)));
    let mut end = 0_u64;
    let mut stored = 0_u64;
    for (offset, length) in pieces {
        if *offset < end {
            return Err(wrong());
        }
        end = offset.checked_add(*length).ok_or_else(wrong)?;
        stored += length;
    }
    if end > entry.size || stored != entry.stored || i64::try_from(entry.size).is_err() { Err(wrong()) } else { Ok(()) }
}

/// A number of a header: octal digits among spaces and zeros, or base 256 where the first bit is set. An empty field is 0.
fn field(bytes: &[u8], name: &str) -> Result<u64, ArchiveError> {
    let wrong = || malformed(format!("the {name} of a header is not a number"));
    if bytes[0] & 0x80 != 0 {
        let negative = bytes[0] & 0x40 != 0;
        let mut value = if negative { u64::MAX } else { 0 };
        for (index, byte) in bytes.iter().enumerate() {
            let byte = if index == 0 && !negative { byte & 0x7f } else { *byte };
            if value >> 56 != 0 && value >> 55 != 0x1ff {
                return Err(wrong());
            }
            value = value << 8 | u64::from(byte);
        }
        return Ok(value);
    }
    let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |index| index + 1);
    let start = bytes.iter().position(|byte| *byte != b' ' && *byte != 0).unwrap_or(end).min(end);
    bytes[start..end].iter().take_while(|byte| **byte != 0).try_fold(0_u64, |sum, byte| match byte {
        b'0'..=b'7' => sum.checked_mul(8).and_then(|sum| sum.checked_add(u64::from(byte - b'0'))).ok_or_else(wrong),
        _ => Err(wrong()),
    })
}

fn until_zero(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|byte| *byte == 0) {
        name.truncate(end);
    }
    name
}

/// A name for a message.
pub fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(field(b"0000644\0", "x").unwrap(), 0o644);
        assert_eq!(field(b"    644 ", "x").unwrap(), 0o644);
        assert_eq!(field(b"\0\0\0\0\0\0\0\0", "x").unwrap(), 0);
        assert_eq!(field(&[0x80, 0, 0, 0, 0, 1, 0, 2], "x").unwrap(), 65_538);
        assert_eq!(field(&[0xff; 12], "x").unwrap() as i64, -1);
        assert!(field(b"0009\0\0\0\0", "x").is_err());
        assert!(field(&[0x80, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "x").is_err());
    }
}
