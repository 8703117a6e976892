//! `--uidmap` and `--gidmap`: podman's grammar `[FLAGS]CONTAINER_ID:[@]FROM_ID[:SIZE]`.
//!
//! FROM_ID is an intermediate ID (0 is the user, 1 and up are the subordinate ranges), or with `@` an ID of the host. Flags: `u` and `g`
//! restrict an entry to users or groups, `+` puts it in place of what it collides with; an entry with `+` at the beginning starts from
//! the default mapping.

use super::pieces::{Kind, Piece, fill, remaining, sort_and_merge};
use super::{Error, IdMap, IdMapping, SubIds};

/// `--uidmap` and `--gidmap` values as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Custom {
    pub uidmap: Vec<String>,
    pub gidmap: Vec<String>,
}

/// One entry as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    extends: bool,
    users: bool,
    groups: bool,
    container: u32,
    from: u32,
    /// `from` is an ID of the host.
    host: bool,
    size: u32,
}

/// The map that `--uidmap` and `--gidmap` describe. Where only one of them is given it is for both, as far as its flags say so; a side
/// that is left without any entry gets the default mapping.
pub fn custom(ids: &SubIds, options: &Custom) -> Result<IdMap, Error> {
    let uidmap = if options.uidmap.is_empty() { &options.gidmap } else { &options.uidmap };
    let gidmap = if options.gidmap.is_empty() { &options.uidmap } else { &options.gidmap };
    let uids = sort_and_merge(pieces(ids, Kind::Uid, uidmap)?);
    let gids = sort_and_merge(pieces(ids, Kind::Gid, gidmap)?);
    Ok(IdMap { uids: Kind::Uid.to_host(ids, &uids)?, gids: Kind::Gid.to_host(ids, &gids)? })
}

/// One mapping of `auto`'s `uidmapping=` and `gidmapping=`, which has no flags, in the host's IDs.
pub fn additional(ids: &SubIds, kind: Kind, text: &str) -> Result<Vec<IdMapping>, Error> {
    let malformed = || Error::BadMapping { kind: kind.name().to_uppercase(), given: vec![text.to_owned()] };
    let entries = parse(text).filter(|entries| entries.len() == 1 && text.starts_with(|first: char| first.is_ascii_digit()));
    let entry = *entries.as_ref().and_then(|entries| entries.first()).ok_or_else(malformed)?;
    kind.to_host(ids, &entry_pieces(ids, kind, entry)?)
}

fn pieces(ids: &SubIds, kind: Kind, values: &[String]) -> Result<Vec<Piece>, Error> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut fills = false;
    for value in values.iter().filter(|value| !value.is_empty()) {
        let malformed = || Error::BadMapping { kind: kind.name().to_uppercase(), given: values.to_vec() };
        for entry in parse(value).ok_or_else(malformed)? {
            let applies = if kind == Kind::Uid { entry.users } else { entry.groups };
            if !applies {
                continue;
            }
            for piece in entry_pieces(ids, kind, entry)? {
                if entry.extends {
                    fills |= pieces.is_empty();
                    pieces = without(&pieces, piece);
                }
                pieces.push(piece);
            }
        }
    }
    if fills || pieces.is_empty() {
        let free = remaining([(0, 1 + kind.available(ids))], pieces.iter().map(|piece| (piece.from, piece.size)));
        pieces = fill(&pieces, free, None);
    }
    Ok(pieces)
}

fn entry_pieces(ids: &SubIds, kind: Kind, entry: Entry) -> Result<Vec<Piece>, Error> {
    let (container, from, size) = (u64::from(entry.container), u64::from(entry.from), u64::from(entry.size));
    if size == 0 {
        return Ok(Vec::new());
    }
    if entry.host {
        kind.intermediate_of(ids, container, from, size).map_err(|id| Error::NotDelegated { kind: kind.name().to_uppercase(), id })
    } else {
        Ok(vec![Piece { container, from, size }])
    }
}

/// `pieces` without what collides with `new`, inside or outside.
fn without(pieces: &[Piece], new: Piece) -> Vec<Piece> {
    let mut kept = Vec::with_capacity(pieces.len() + 2);
    for piece in pieces {
        // Offsets into the piece that collide.
        let inside = collision(piece.container, piece.size, new.container, new.size);
        let outside = collision(piece.from, piece.size, new.from, new.size);
        for (offset, size) in remaining([(0, piece.size)], [inside, outside].into_iter().flatten()) {
            kept.push(Piece { container: piece.container + offset, from: piece.from + offset, size });
        }
    }
    kept
}

fn collision(start: u64, size: u64, other: u64, length: u64) -> Option<(u64, u64)> {
    let (first, end) = (start.max(other), (start + size).min(other + length));
    (first < end).then(|| (first - start, end - first))
}

/// Entries of a value: `container:from[:size]`, or several of three fields each.
fn parse(value: &str) -> Option<Vec<Entry>> {
    let mut fields: Vec<&str> = value.split(':').collect();
    if fields.len() == 2 {
        fields.push("1");
    }
    if !fields.len().is_multiple_of(3) {
        return None;
    }
    fields.chunks_exact(3).map(|fields| entry(fields.first()?, fields.get(1)?, fields.get(2)?)).collect()
}

fn entry(container: &str, from: &str, size: &str) -> Option<Entry> {
    let digits = container.find(|c: char| c.is_ascii_digit())?;
    let (flags, container) = container.split_at(digits);
    if !flags.chars().all(|flag| matches!(flag, '+' | 'u' | 'g')) {
        return None;
    }
    let (users, groups) = (flags.contains('u'), flags.contains('g'));
    let both = !users && !groups;
    let (host, from) = from.strip_prefix('@').map_or((false, from), |from| (true, from));
    Some(Entry {
        extends: flags.contains('+'),
        users: users || both,
        groups: groups || both,
        container: number(container)?,
        from: number(from)?,
        host,
        size: number(size)?,
    })
}

/// Digits only: no sign, which Rust's parser would take.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::Range;
    use super::*;

    fn alice() -> SubIds {
        let ranges = vec![Range { start: 100_000, size: 65_536 }];
        SubIds { user: "alice".into(), uid: 1001, gid: 1001, uids: ranges.clone(), gids: ranges, missing_helper: None }
    }

    fn map(uidmap: &[&str], gidmap: &[&str]) -> Result<(String, String), Error> {
        let strings = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let map = custom(&alice(), &Custom { uidmap: strings(uidmap), gidmap: strings(gidmap) })?;
        let text = |mappings: &[IdMapping]| {
            mappings.iter().map(|m| format!("{}:{}:{}", m.container, m.host, m.size)).collect::<Vec<_>>().join(" ")
        };
        Ok((text(&map.uids), text(&map.gids)))
    }

    #[test]
    fn intermediate_ids_count_the_subordinate_range() {
        let (uids, gids) = map(&["0:1:5000"], &[]).unwrap();
        assert_eq!(uids, "0:100000:5000");
        assert_eq!(gids, uids);
    }

    // These results were compared with podman 5.8's.
    #[test]
    fn plus_starts_from_the_default_mapping_and_replaces_what_it_hits() {
        let (uids, gids) = map(&["+5:@1001"], &[]).unwrap();
        assert_eq!(uids, "0:100000:5 5:1001:1 6:100005:65531");
        assert_eq!(gids, uids);
    }

    #[test]
    fn the_other_side_gets_the_default_mapping_when_flags_leave_it_empty() {
        let (uids, gids) = map(&[], &["+g5:@1001"]).unwrap();
        assert_eq!(uids, "0:1001:1 1:100000:65536");
        assert_eq!(gids, "0:100000:5 5:1001:1 6:100005:65531");
    }

    #[test]
    fn entries_without_plus_are_only_collected() {
        assert_eq!(map(&["5:0:1", "0:1:5"], &["0:0"]).unwrap(), ("0:100000:5 5:1001:1".into(), "0:1001:1".into()));
        assert_eq!(map(&["0:1:5:5:0:1"], &["0:0"]).unwrap().0, "0:100000:5 5:1001:1");
    }

    #[test]
    fn plus_after_an_entry_changes_that_only() {
        assert_eq!(map(&["0:1:100", "+10:0:1"], &["0:0"]).unwrap().0, "0:100000:10 10:1001:1 11:100011:89");
    }

    #[test]
    fn two_ranges_are_crossed_transparently() {
        let mut ids = alice();
        ids.uids = vec![Range { start: 100_000, size: 10 }, Range { start: 300_000, size: 10 }];
        let map = custom(&ids, &Custom { uidmap: vec!["0:5:10".into()], gidmap: vec!["0:0".into()] }).unwrap();
        let expected = [IdMapping { container: 0, host: 100_004, size: 6 }, IdMapping { container: 6, host: 300_000, size: 4 }];
        assert_eq!(map.uids, expected);
    }

    #[test]
    fn what_is_malformed_or_not_delegated_is_refused() {
        for value in ["x", "0", "0:", ":0:1", "0:1:", "0:1:-1", "z0:1:1", "0:1:1:1", "-1:0:1", "0:@:1", "4294967296:0:1", "+:0:1", "0:+1:1"]
        {
            assert!(matches!(map(&[value], &[]), Err(Error::BadMapping { .. })), "{value}");
        }
        assert!(matches!(map(&["0:@1002:1"], &[]), Err(Error::NotDelegated { id: 1002, .. })));
        assert!(matches!(map(&["0:1:70000"], &[]), Err(Error::RangeTooSmall { available: 65_536, needed: 70_000, .. })));
    }
}
