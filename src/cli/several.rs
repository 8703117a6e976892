//! Commands that work on several objects: one that fails does not keep the others from being worked on, and all failures are reported.

use std::process::ExitCode;

use super::{CliError, error};
use crate::engine::container::Selection;

/// The failures of a command so far.
#[derive(Default)]
pub struct Failures(Vec<CliError>);

impl Failures {
    pub fn add(&mut self, failure: impl Into<CliError>) {
        self.0.push(failure.into());
    }

    /// Reports all but the last failure, which is the command's.
    pub fn finish(mut self) -> Result<ExitCode, CliError> {
        let Some(last) = self.0.pop() else { return Ok(ExitCode::SUCCESS) };
        // The first failure with a code of its own decides, as podman's does.
        let code = self.0.iter().map(|failure| failure.code).find(|code| *code != 125).unwrap_or(last.code);
        for failure in &self.0 {
            error::report(failure);
        }
        Err(last.code(code))
    }
}

/// A warning as podman's log writes it.
#[expect(clippy::print_stderr, reason = "warnings go where errors go")]
pub fn warn(message: &str) {
    let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string().replace("+00:00", "Z");
    eprintln!("time=\"{now}\" level=warning msg={:?}", error::printable(message));
}

/// Refuses selections that contradict themselves, in podman's words.
pub fn check(selection: &Selection) -> Result<(), CliError> {
    let refuse = |message: &str| Err(CliError::new(message));
    if selection.all && selection.latest || !selection.cidfiles.is_empty() && (selection.all || selection.latest) {
        return refuse("--all, --latest, and --cidfile cannot be used together");
    }
    if selection.all && !selection.names.is_empty() {
        return refuse("no arguments are needed with --all");
    }
    if selection.latest && !selection.names.is_empty() {
        return refuse("--latest and containers cannot be used together");
    }
    if !selection.filters.is_empty() && !selection.names.is_empty() {
        return refuse("--filter takes no arguments");
    }
    let empty = selection.names.is_empty() && selection.cidfiles.is_empty() && selection.filters.is_empty();
    if empty && !selection.all && !selection.latest {
        return refuse("you must provide at least one name or id");
    }
    Ok(())
}

/// Asks a question that a destructive command asks first; end of input is a no that podman calls an error.
#[expect(clippy::print_stdout, reason = "a question, not output to be parsed")]
pub fn confirm(warning: &str) -> Result<bool, CliError> {
    use std::io::Write;
    println!("{warning}");
    print!("Are you sure you want to continue? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    if std::io::stdin().read_line(&mut answer)? == 0 {
        return Err(CliError::new("EOF"));
    }
    Ok(answer.trim().to_lowercase().starts_with('y'))
}
