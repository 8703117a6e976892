//! How a failure reaches the user: `Error: … / Caused by: … / Hint: …` and an exit code, decided here alone.

use std::process::ExitCode;

use super::usage;
use crate::engine;

/// A failed command: what to print and the status to end with.
#[derive(Debug)]
pub struct CliError {
    /// podman's codes: 125 for the engine's own errors, 126 and 127 for a command that cannot be run, 1 and 2 for some verbs.
    pub code: u8,
    pub error: Box<dyn std::error::Error + Send + Sync>,
    /// The command that mends it, where there is one.
    pub hint: Option<String>,
}

impl CliError {
    /// An error with the exit code and the hint that it knows itself, 125 and none otherwise.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = error.into();
        match error.downcast_ref::<engine::Error>() {
            Some(known) => Self { code: known.exit_code(), hint: known.hint(), error },
            None => Self { code: 125, error, hint: None },
        }
    }

    pub fn code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Prints `failure` and gives its exit code.
#[expect(clippy::print_stderr, reason = "the one place that reports errors")]
pub fn report(failure: &CliError) -> ExitCode {
    let mut text = format!("Error: {}", failure.error);
    let mut cause = failure.error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("\nHint: {hint}"));
    }
    eprintln!("{}", printable(&text));
    ExitCode::from(failure.code)
}

/// Prints clap's usage error as podman does: exit code 125, or 0 for `--help` and `--version`.
pub fn usage(error: &clap::Error) -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let Some(message) = usage::message(error, &words) {
        return report(&CliError::new(message));
    }
    let _ = error.print();
    if let Some(message) = usage::missing_command(error) {
        return report(&CliError::new(message));
    }
    if error.use_stderr() { ExitCode::from(125) } else { ExitCode::SUCCESS }
}

/// `text` without control characters: names and registry answers are foreign and may carry terminal escapes.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() && character != '\n' && character != '\t' { '\u{fffd}' } else { character })
        .collect()
}
