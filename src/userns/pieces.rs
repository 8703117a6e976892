//! ID maps in podman's intermediate IDs: 0 is the user, 1 and up are the subordinate ranges, one after the other.

use super::{Error, IdMapping, Range, SubIds};

/// `size` IDs from `from` (intermediate) on are `container` and up inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub container: u64,
    pub from: u64,
    pub size: u64,
}

/// User or group IDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Uid,
    Gid,
}

impl Kind {
    /// As messages write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uid => "uid",
            Self::Gid => "gid",
        }
    }

    fn own(self, ids: &SubIds) -> u32 {
        match self {
            Self::Uid => ids.uid,
            Self::Gid => ids.gid,
        }
    }

    fn ranges(self, ids: &SubIds) -> &[Range] {
        match self {
            Self::Uid => &ids.uids,
            Self::Gid => &ids.gids,
        }
    }

    /// How many subordinate IDs there are.
    pub fn available(self, ids: &SubIds) -> u64 {
        self.ranges(ids).iter().map(|range| u64::from(range.size)).sum()
    }

    /// Every intermediate ID with the host's: (intermediate, host, size).
    fn intermediate(self, ids: &SubIds) -> Vec<(u64, u64, u64)> {
        let mut next = 1;
        let own = (0, u64::from(self.own(ids)), 1);
        let ranges = self.ranges(ids).iter().map(|range| {
            let start = next;
            next += u64::from(range.size);
            (start, u64::from(range.start), u64::from(range.size))
        });
        std::iter::once(own).chain(ranges).collect()
    }

    /// The host's IDs for intermediate ones; an error where there are not so many.
    pub fn to_host(self, ids: &SubIds, pieces: &[Piece]) -> Result<Vec<IdMapping>, Error> {
        let known = self.intermediate(ids);
        let mut mappings = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let mut done = 0;
            while done < piece.size {
                let from = piece.from + done;
                let found = known.iter().find(|(start, _, size)| (*start..start + size).contains(&from));
                let Some((start, host, size)) = found else { return Err(self.too_small(ids, piece.from + piece.size - 1)) };
                let count = (piece.size - done).min(start + size - from);
                let mapping = (u32::try_from(piece.container + done), u32::try_from(host + from - start), u32::try_from(count));
                let (Ok(container), Ok(host), Ok(size)) = mapping else { return Err(self.too_small(ids, u64::from(u32::MAX))) };
                mappings.push(IdMapping { container, host, size });
                done += count;
            }
        }
        Ok(mappings)
    }

    /// The intermediate IDs of host IDs, in pieces. `Err` has the first ID that is not the user's to map.
    pub fn intermediate_of(self, ids: &SubIds, container: u64, host: u64, size: u64) -> Result<Vec<Piece>, u64> {
        let known = self.intermediate(ids);
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < size {
            let wanted = host + done;
            let (start, first, length) =
                known.iter().find(|(_, first, length)| (*first..first + length).contains(&wanted)).ok_or(wanted)?;
            let count = (size - done).min(first + length - wanted);
            pieces.push(Piece { container: container + done, from: start + wanted - first, size: count });
            done += count;
        }
        Ok(pieces)
    }

    fn too_small(self, ids: &SubIds, needed: u64) -> Error {
        let (kind, available) = (self.name(), self.available(ids));
        if available == 0 { no_range(ids, self) } else { Error::RangeTooSmall { user: ids.user.clone(), kind, available, needed } }
    }
}

/// The error for a user without subordinate IDs.
pub fn no_range(ids: &SubIds, kind: Kind) -> Error {
    match ids.missing_helper {
        Some(program) => Error::NoHelper { program },
        None => Error::NoRange {
            user: ids.user.clone(),
            kind: kind.name(),
            file: match kind {
                Kind::Uid => "/etc/subuid",
                Kind::Gid => "/etc/subgid",
            },
        },
    }
}

/// `0..end` without what is `used` ((start, size), in any order), as (start, size).
pub fn remaining(ranges: impl IntoIterator<Item = (u64, u64)>, used: impl IntoIterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut used: Vec<_> = used.into_iter().collect();
    used.sort_unstable();
    let mut free = Vec::new();
    for (start, size) in ranges {
        let (mut next, end) = (start, start + size);
        for (from, count) in &used {
            if *from < end && from + count > next {
                if *from > next {
                    free.push((next, from - next));
                }
                next = from + count;
            }
        }
        if next < end {
            free.push((next, end - next));
        }
    }
    free
}

/// Fills the container's IDs below, between and above `pieces` with the `free` intermediate IDs, in order. With `limit` only as many
/// container IDs as that.
pub fn fill(pieces: &[Piece], free: Vec<(u64, u64)>, limit: Option<u64>) -> Vec<Piece> {
    let end = limit.unwrap_or(u64::from(u32::MAX));
    let holes = remaining([(0, end)], pieces.iter().map(|piece| (piece.container, piece.size)));
    let mut filled = pieces.to_vec();
    let mut free = free.into_iter();
    let mut current = free.next();
    for (mut container, mut size) in holes {
        while size > 0 {
            let Some((from, count)) = current else { return filled };
            let taken = size.min(count);
            filled.push(Piece { container, from, size: taken });
            (container, size) = (container + taken, size - taken);
            current = if count > taken { Some((from + taken, count - taken)) } else { free.next() };
        }
    }
    filled
}

/// Sorts by container ID and joins what is consecutive on both sides.
pub fn sort_and_merge(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by_key(|piece| piece.container);
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match merged.last_mut() {
            Some(last) if last.container + last.size == piece.container && last.from + last.size == piece.from => last.size += piece.size,
            _ => merged.push(piece),
        }
    }
    merged
}
