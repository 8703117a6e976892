//! System call filters: the containers' profile, its meaning for one container, and compiled filters kept on disk.
//!
//! A start reads one small file: the compiled program, under a name made of the profile's hash, the capabilities and the architecture.

mod cache;
mod compile;
mod profile;

use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxSeccomp;

use crate::oci::Digest;
use crate::sys::cred::{CapabilitySet, capability_number};

pub use cache::Filter;
pub use compile::compile;
use profile::Profile;

/// containers/common's default profile: see contrib/seccomp.README.md.
const DEFAULT: &str = include_str!("../../contrib/seccomp.json");

/// Computed by the compiler: a start need not look at the profile.
const DEFAULT_HASH: u64 = cache::hash(DEFAULT.as_bytes());

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read seccomp profile {0}")]
    Read(PathBuf, #[source] std::io::Error),
    #[error("seccomp profile {0} is not valid")]
    Parse(PathBuf, #[source] serde_json::Error),
    #[error("seccomp profile: {0}")]
    Profile(String),
    #[error("cannot compile the seccomp filter")]
    Compile(#[from] libseccomp::error::SeccompError),
    #[error("cannot export the seccomp filter")]
    Export(#[source] std::io::Error),
}

/// Where the profile's text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// The profile built into the program.
    Default,
    File(&'a Path),
}

/// The filter of a container with these capabilities (`CAP_CHOWN` …, the bounding set), from the cache directory where it is there.
pub fn filter<S: AsRef<str>>(source: Source<'_>, capabilities: &[S], cache: &Path) -> Result<Filter, Error> {
    let set = capability_set(capabilities);
    let (hash, text) = match source {
        Source::Default => (format!("{DEFAULT_HASH:016x}"), None),
        Source::File(path) => {
            let text = read(path)?;
            (Digest::sha256(text.as_bytes()).hex().to_owned(), Some(text))
        }
    };
    let file = cache.join(format!("seccomp-{hash}-{set:x}-{}", std::env::consts::ARCH));
    if let Some(filter) = Filter::load(&file) {
        return Ok(filter);
    }
    let text = text.as_deref().unwrap_or(DEFAULT);
    let filter = compile(&specify(source, text, set)?)?;
    // A cache that cannot be written only costs time.
    let _ = filter.save(&file);
    Ok(filter)
}

/// The same as a runtime specification's `linux.seccomp`, for other OCI runtimes and for `inspect`.
pub fn specification<S: AsRef<str>>(source: Source<'_>, capabilities: &[S]) -> Result<LinuxSeccomp, Error> {
    let set = capability_set(capabilities);
    match source {
        Source::Default => specify(source, DEFAULT, set),
        Source::File(path) => specify(source, &read(path)?, set),
    }
}

fn specify(source: Source<'_>, text: &str, capabilities: CapabilitySet) -> Result<LinuxSeccomp, Error> {
    let path = match source {
        Source::Default => Path::new("(built in)"),
        Source::File(path) => path,
    };
    let profile: Profile = serde_json::from_str(text).map_err(|error| Error::Parse(path.to_owned(), error))?;
    profile.specify(capabilities)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|error| Error::Read(path.to_owned(), error))
}

/// Names that are no capabilities stand for none: whoever wrote them has been told before.
fn capability_set<S: AsRef<str>>(names: &[S]) -> CapabilitySet {
    names.iter().filter_map(|name| capability_number(name.as_ref())).fold(0, |set, number| set | 1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPABILITIES: [&str; 2] = ["CAP_CHOWN", "CAP_SYS_CHROOT"];

    #[test]
    fn a_filter_is_compiled_once_and_a_broken_cache_file_is_replaced() {
        let cache = tempfile::tempdir().unwrap();
        let first = filter(Source::Default, &CAPABILITIES, cache.path()).unwrap();
        let files: Vec<_> = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        assert!(first.program().len() > 1000 && first.program().len() % 8 == 0);
        assert_eq!(Filter::load(file).unwrap(), first);
        let good = fs::read(file).unwrap();
        for broken in [&good[..good.len() - 1], &good[..10], b"", b"garbage"] {
            fs::write(file, broken).unwrap();
            assert_eq!(Filter::load(file), None);
        }
        let mut flipped = good.clone();
        flipped[100] ^= 1;
        fs::write(file, flipped).unwrap();
        assert_eq!(filter(Source::Default, &CAPABILITIES, cache.path()).unwrap(), first);
        assert_eq!(fs::read(file).unwrap(), good);
    }

    #[test]
    fn capabilities_change_the_filter() {
        let cache = tempfile::tempdir().unwrap();
        let few = filter(Source::Default, &CAPABILITIES, cache.path()).unwrap();
        let more = filter(Source::Default, &["CAP_SYS_ADMIN"], cache.path()).unwrap();
        assert_ne!(few, more);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_error() {
        assert!(filter(Source::Default, &CAPABILITIES, Path::new("/proc/nowhere")).is_ok());
    }

    #[test]
    fn a_file_that_is_no_profile_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("p.json");
        for text in ["", "[]", "{\"syscalls\": 3}", "{\"defaultAction\": \"SCMP_ACT_NONSENSE\"}"] {
            fs::write(&file, text).unwrap();
            let error = filter(Source::File(&file), &CAPABILITIES, directory.path()).unwrap_err();
            assert!(error.to_string().contains("p.json"), "{text}: {error}");
        }
        assert!(matches!(filter(Source::File(Path::new("/nowhere")), &CAPABILITIES, directory.path()), Err(Error::Read(..))));
    }
}
