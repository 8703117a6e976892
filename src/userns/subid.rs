//! The user's subordinate ID ranges, subuid(5) and subgid(5).

use super::Error;

/// Consecutive IDs of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub start: u32,
    pub size: u32,
}

/// What one user may map: the own IDs and the subordinate ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubIds {
    pub user: String,
    pub uid: u32,
    pub gid: u32,
    pub uids: Vec<Range>,
    pub gids: Vec<Range>,
}

impl SubIds {
    /// The calling user's ranges. No range at all is not an error: only one ID can be mapped then.
    pub fn of_user() -> Result<Self, Error> {
        Ok(Self::default())
    }

    /// The ranges under other names (`--subuidname`, `--subgidname`); here a name without a range is an error.
    pub fn of_names(_subuidname: &str, _subgidname: &str) -> Result<Self, Error> {
        Ok(Self::default())
    }

    /// There is a range of both kinds, so that more than one ID can be mapped.
    pub fn has_ranges(&self) -> bool {
        !self.uids.is_empty() && !self.gids.is_empty()
    }
}
