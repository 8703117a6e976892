//! A blob as it is unpacked: decompressed by its first bytes, hashed, and handed out in large pieces.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use crate::oci::{Digest, Hasher};

/// Large enough that calls do not count, small enough to stay in the processor's second-level cache.
const BUFFER: usize = 256 * 1024;

type Input<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

enum Decoder<R: Read> {
    Plain(Input<R>),
    Gzip(Box<MultiGzDecoder<Input<R>>>),
    Zstd(Box<zstd::Decoder<'static, Input<R>>>),
}

/// The uncompressed bytes of a blob; every byte handed out has been hashed.
pub struct Stream<R: Read> {
    decoder: Decoder<R>,
    hasher: Hasher,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    total: u64,
}

impl<R: Read> Stream<R> {
    /// Reads the first bytes of `reader` to tell its compression; the hash is of the algorithm of `expected`.
    pub fn new(mut reader: R, expected: &Digest) -> io::Result<Self> {
        let mut magic = Vec::with_capacity(6);
        reader.by_ref().take(6).read_to_end(&mut magic)?;
        let kind = magic.clone();
        let input = BufReader::with_capacity(BUFFER, Cursor::new(magic).chain(reader));
        let decoder = match kind.as_slice() {
            [0x1f, 0x8b, ..] => Decoder::Gzip(Box::new(MultiGzDecoder::new(input))),
            // A zstd frame, or one of the frames that decoders skip.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Decoder::Zstd(Box::new(zstd::Decoder::with_buffer(input)?))
            }
            [b'B', b'Z', b'h', ..] => return Err(unsupported("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => return Err(unsupported("xz")),
            _ => Decoder::Plain(input),
        };
        Ok(Self { decoder, hasher: Hasher::like(expected), buffer: vec![0; BUFFER], start: 0, end: 0, total: 0 })
    }

    /// The bytes at hand, read anew where there are none; empty at the end.
    pub fn fill(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = loop {
                let result = match &mut self.decoder {
                    Decoder::Plain(decoder) => decoder.read(&mut self.buffer),
                    Decoder::Gzip(decoder) => decoder.read(&mut self.buffer),
                    Decoder::Zstd(decoder) => decoder.read(&mut self.buffer),
                };
                match result {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.hasher.update(&self.buffer[..self.end]);
            self.total += self.end as u64;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Marks bytes given by [`Stream::fill`] as used.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Passes the next `length` bytes on in pieces.
    pub fn pass(&mut self, length: u64, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let bytes = self.fill()?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            to(&bytes[..count])?;
            self.consume(count);
            left -= count as u64;
        }
        Ok(())
    }

    /// Fills `block`; `false` where the stream has ended before its first byte.
    pub fn block(&mut self, block: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < block.len() {
            let bytes = self.fill()?;
            if bytes.is_empty() {
                return if filled == 0 { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            let count = bytes.len().min(block.len() - filled);
            block[filled..filled + count].copy_from_slice(&bytes[..count]);
            self.consume(count);
            filled += count;
        }
        Ok(true)
    }

    /// Digest and length of everything that was handed out.
    pub fn finish(self) -> (Digest, u64) {
        (self.hasher.finish(), self.total)
    }
}

fn unsupported(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the layer is compressed with {name}, which images do not use"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(blob: &[u8]) -> io::Result<(Vec<u8>, Digest)> {
        let mut stream = Stream::new(blob, &Digest::sha256(b""))?;
        let mut all = Vec::new();
        loop {
            let bytes = stream.fill()?;
            if bytes.is_empty() {
                return Ok((all, stream.finish().0));
            }
            all.extend_from_slice(bytes);
            let count = bytes.len();
            stream.consume(count);
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_compression_gives_the_same_bytes_and_digest() {
        let bytes: Vec<u8> = (0..700_000_u32).map(|number| (number % 251) as u8).collect();
        let members = [gzip(&bytes[..1000]), gzip(&bytes[1000..])].concat();
        for blob in [bytes.clone(), gzip(&bytes), members, zstd::encode_all(&bytes[..], 1).unwrap()] {
            let (read, digest) = read(&blob).unwrap();
            assert_eq!(read, bytes);
            assert_eq!(digest, Digest::sha256(&bytes));
        }
        assert_eq!(read(b"").unwrap().0, b"");
    }

    #[test]
    fn cut_and_foreign_blobs_are_errors() {
        let whole = gzip(&[7; 100_000]);
        assert!(read(&whole[..whole.len() - 5]).is_err());
        assert!(read(&[whole.as_slice(), b"garbage"].concat()).is_err());
        let whole = zstd::encode_all(&[7; 100_000][..], 1).unwrap();
        assert!(read(&whole[..whole.len() - 5]).is_err());
        assert!(read(b"BZh91AY").is_err());
    }
}
