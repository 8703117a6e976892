//! Compiled filters as files.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// A compiled filter, ready to load.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter {
    /// A header, then `struct sock_filter`s of 8 bytes each.
    bytes: Vec<u8>,
}

/// Changes with the file's layout and with what [`super::compile`] makes of a profile.
const MAGIC: [u8; 8] = *b"dulseBP1";

/// Magic, flags, length, hash of the program: all little-endian.
const HEADER: usize = 8 + 4 + 4 + 8;

/// The kernel's limit of instructions, BPF_MAXINSNS.
const LONGEST: usize = 4096 * 8;

impl Filter {
    /// A filter of `program` with `SECCOMP_FILTER_FLAG_*`.
    pub fn new(program: &[u8], flags: u32) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + program.len());
        bytes.extend(MAGIC);
        bytes.extend(flags.to_le_bytes());
        bytes.extend((program.len() as u32).to_le_bytes());
        bytes.extend(hash(program).to_le_bytes());
        bytes.extend(program);
        Self { bytes }
    }

    /// `struct sock_filter`s, 8 bytes each.
    pub fn program(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// `SECCOMP_FILTER_FLAG_*`.
    pub fn flags(&self) -> u32 {
        number(&self.bytes, 8).unwrap_or(0)
    }

    /// A saved filter; `None` where there is none or it is damaged.
    pub fn load(file: &Path) -> Option<Self> {
        let mut bytes = vec![0; HEADER + LONGEST];
        let mut file = File::open(file).ok()?;
        // The file is smaller than the buffer, so that it comes in one read.
        let length = file.read(&mut bytes).ok()?;
        bytes.truncate(length);
        let filter = Self { bytes };
        let program = filter.program();
        let expected = filter.bytes.get(16..24).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)?;
        let whole = number(&filter.bytes, 12)? as usize == program.len() && !program.is_empty() && program.len().is_multiple_of(8);
        (filter.bytes.starts_with(&MAGIC) && whole && hash(program) == expected).then_some(filter)
    }

    /// Saves it so that nobody ever sees a part of it.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        let directory = file.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory)?;
        let mut new = tempfile::NamedTempFile::new_in(directory)?;
        new.write_all(&self.bytes)?;
        new.persist(file)?;
        Ok(())
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Filter({} instructions)", self.program().len() / 8)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
}

/// FNV-1a with eight bytes a step: against accidents, not against forgers, who could write the user's files as well.
pub const fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut rest = bytes;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        hash = (hash ^ u64::from_le_bytes(*chunk)).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 29;
        rest = tail;
    }
    let mut index = 0;
    while index < rest.len() {
        hash = (hash ^ rest[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}
