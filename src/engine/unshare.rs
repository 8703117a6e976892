//! `unshare`: a command among the user's own IDs, as containers see them by default.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use super::{Engine, Error};
use crate::sys;
use crate::userns::{self, SubIds};

/// Exit codes of a shell for commands that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Runs `command` in a new user and mount namespace with the default ID map and gives its exit code. To be called while the process has
/// one thread.
pub fn unshare(engine: &Engine, command: &[String]) -> Result<i32, Error> {
    let shell = [std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned())];
    let words = if command.is_empty() { &shell[..] } else { command };
    let [name, arguments @ ..] = words else { return Err(Error::Invalid("no command given".into())) };
    let program = program(name)?;
    let map = userns::default_map(&SubIds::of_user()?);
    // The terminal's signals are for the command, whose end is waited for.
    [libc::SIGINT, libc::SIGQUIT].into_iter().for_each(sys::signal::ignore);
    let code = userns::fork_mapped(&map, || {
        sys::signal::reset_for_child();
        let error = Command::new(&program)
            .arg0(name)
            .args(arguments)
            .env("CONTAINERS_GRAPHROOT", &engine.paths.data)
            .env("CONTAINERS_RUNROOT", &engine.paths.runtime)
            .exec();
        if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND.into() } else { NOT_EXECUTABLE.into() }
    })?;
    Ok(code)
}

fn program(name: &str) -> Result<PathBuf, Error> {
    let failed = |code, message: String| Error::Launch { code, message, hint: None };
    if !name.contains('/') {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(name));
        let found = candidates.find(|file| is_executable(file) && file.is_file());
        return found.ok_or_else(|| failed(NOT_FOUND, format!("exec: {name:?}: executable file not found in $PATH")));
    }
    let path = PathBuf::from(name);
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() || !is_executable(&path) => {
            Err(failed(NOT_EXECUTABLE, format!("fork/exec {name}: permission denied")))
        }
        Ok(_) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(failed(NOT_FOUND, format!("fork/exec {name}: no such file or directory")))
        }
        Err(error) => Err(failed(NOT_EXECUTABLE, format!("fork/exec {name}: {error}"))),
    }
}

fn is_executable(path: &std::path::Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}
