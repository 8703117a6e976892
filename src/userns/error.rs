//! What can go wrong with user namespaces, and the command that mends it.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("uid {0} has no entry in /etc/passwd")]
    NoUser(u32),
    #[error("user {0} has no entry in {1}")]
    NoSuchName(String, &'static str),
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    #[error("user namespaces are not available: {reason}")]
    NoUserNamespaces { reason: String, mend: Option<String> },
    #[error("{program} is not installed, so only one ID can be mapped")]
    NoHelper { program: &'static str },
    #[error("{program} refused the mapping {mapping:?}: {message}")]
    HelperRefused { program: &'static str, mapping: String, message: String, mend: Option<String> },
    #[error("user {user} has no subordinate {kind} range in {file}")]
    NoRange { user: String, kind: &'static str, file: &'static str },
    #[error("user {user} has {available} subordinate {kind}s and {needed} are needed")]
    RangeTooSmall { user: String, kind: &'static str, available: u64, needed: u64 },
    #[error("container ID {0} is not mapped in the user namespace")]
    NotMapped(u32),
    #[error("container uses ID mappings {map:?}, but doesn't map {kind} {id}")]
    ProcessNotMapped { kind: &'static str, id: u32, map: String },
    #[error("initializing ID mappings: {kind} setting is malformed expected [\"[+ug]uint32:[@]uint32[:uint32]\"] : {given:?}")]
    BadMapping { kind: String, given: Vec<String> },
    #[error("parent ID {kind} {id} is not mapped/delegated")]
    NotDelegated { kind: String, id: u64 },
    #[error("unrecognized namespace mode {0} passed")]
    UnknownMode(String),
    #[error("unknown option specified: {0:?}")]
    UnknownOption(String),
    #[error("invalid option specified: {0:?}")]
    BadOption(String),
    #[error("not enough unused IDs in user namespace: {needed} subordinate {kind}s of user {user} are needed")]
    NotEnoughUnused { user: String, kind: &'static str, needed: u32 },
    #[error("cannot write {0}")]
    Write(PathBuf, #[source] io::Error),
    #[error("cannot create a process in a user namespace")]
    Clone(#[source] io::Error),
    #[error("cannot set up the user namespace: {0}")]
    Setup(&'static str, #[source] io::Error),
}

impl Error {
    /// The exact command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoUserNamespaces { mend, .. } | Self::HelperRefused { mend, .. } => mend.clone(),
            Self::NoHelper { .. } => Some("sudo apt-get install uidmap".into()),
            Self::NoRange { user, .. } => Some(super::subid::add_range(user, 65_536)),
            Self::RangeTooSmall { user, available, needed, .. } => Some(super::subid::add_range(user, needed.saturating_sub(*available))),
            Self::NotEnoughUnused { user, needed, .. } => Some(super::subid::add_range(user, (*needed).into())),
            Self::NotMapped(_) | Self::ProcessNotMapped { .. } => {
                super::SubIds::of_user().ok().map(|ids| super::subid::add_range(&ids.user, 65_536))
            }
            _ => None,
        }
    }
}
