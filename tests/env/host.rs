//! What the machine offers to the tests.

use std::io::Write;
use std::path::PathBuf;

/// Says on the real standard error, past the test harness's capture, why the test that calls it cannot run here.
pub fn skipped(reason: &str) {
    let thread = std::thread::current();
    let _ = writeln!(std::io::stderr(), "skipped: {}: {reason}", thread.name().unwrap_or("test"));
}

/// Fails the test of whom root runs it: nothing of dulse runs as root.
pub fn refuse_root() {
    assert!(!nix::unistd::geteuid().is_root(), "tests run as an unprivileged user: call them through cargo, whose runner sees to it");
}

pub fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map_or_else(|| "nobody".to_owned(), |user| user.name)
}

/// A program of the host, looked up where a user's PATH looks.
pub fn program(name: &str) -> Option<PathBuf> {
    ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .into_iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.exists())
}

/// The program, or a `skipped:` line and nothing.
pub fn need(name: &str) -> Option<PathBuf> {
    let found = program(name);
    if found.is_none() {
        skipped(&format!("no {name} on this machine; contrib/setup test installs it"));
    }
    found
}

/// Whether the user has a range in /etc/subuid; a `skipped:` line otherwise.
pub fn has_subuids() -> bool {
    let (user, uid) = (user(), nix::unistd::getuid());
    let range = std::fs::read_to_string("/etc/subuid").unwrap_or_default().lines().any(|line| {
        let owner = line.split(':').next().unwrap_or_default();
        owner == user || owner == uid.to_string()
    });
    if !range {
        skipped("no range in /etc/subuid for this user; contrib/setup gives one");
    }
    range
}
