//! What this host lacks, and the exact command that mends it.
//!
//! [`Facts`] are probed once, the checks ([`examine`]) are functions of them alone: any host can be described in a test.

mod checks;
mod distribution;
mod facts;
mod overlay;
mod probe;

pub use distribution::Distribution;
pub use facts::{Access, Facts, Program};

use std::path::Path;

use serde::Serialize;

/// The name of the file system that holds `path`.
pub fn file_system(path: &Path) -> String {
    nix::sys::statfs::statfs(path).map(|found| probe::file_system_name(found.filesystem_type().0)).unwrap_or_default()
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// Something is missing that costs a feature.
    Warn,
    /// Containers cannot be run.
    Fail,
}

/// One thing looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A short stable name, for scripts.
    pub name: &'static str,
    pub status: Status,
    pub message: String,
    /// The command that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, message: message.into(), mend: None }
    }

    fn warn(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, status: Status::Warn, message: message.into(), mend: None }
    }

    fn fail(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, status: Status::Fail, message: message.into(), mend: None }
    }

    fn mend(self, command: impl Into<String>) -> Self {
        Self { mend: Some(command.into()), ..self }
    }
}

/// All checks.
pub fn examine(facts: &Facts) -> Vec<Check> {
    checks::ALL.iter().map(|check| check(facts)).collect()
}

/// Whether containers can be run: nothing has failed.
pub fn can_run(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.status != Status::Fail)
}
