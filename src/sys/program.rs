//! Programs of the host, looked up before they are run.

use std::path::PathBuf;

use nix::unistd::{AccessFlags, access};

/// Where distributions have programs that a user's PATH may lack.
const USUAL: [&str; 6] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/run/wrappers/bin"];

/// The program `name` in the directories of `first`, then in PATH, then where distributions have it.
pub fn find(name: &str, first: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = first.iter().cloned().chain(std::env::split_paths(&path)).chain(USUAL.map(PathBuf::from));
    let mut programs = directories.filter(|directory| directory.is_absolute()).map(|directory| directory.join(name));
    programs.find(|program| access(program, AccessFlags::X_OK).is_ok())
}
