//! Compatibility: every case of `cases/` runs under podman and under dulse with the same image in equal conditions, and both must show the
//! same output and end with the same status. Where they do not, podman is right, unless the case says why not. See `case.rs` for how
//! cases are written.
//!
//! `COMPAT_SELF=1` runs podman on both sides, to see that a new case compares nothing that changes by itself; `COMPAT_SHOW=1` prints what
//! came out.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for who runs it")]

mod case;
mod compare;
mod engines;
#[path = "../env/mod.rs"]
mod env;

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/cases");
    let mut files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let podman = engines::podman();
    if let Err(reason) = &podman {
        env::skipped(&format!("compatibility cases: {reason}"));
    }
    let mut trials = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let cases = case::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for case in cases {
            let name = format!("{}::{}", file.file_stem().unwrap().display(), case.name);
            trials.push(Trial::test(name, move || check(&case)).with_ignored_flag(podman.is_err()));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn check(case: &case::Case) -> Result<(), Failed> {
    let asked = |name: &str| std::env::var_os(name).is_some();
    let (expected, podmans) = engines::under_podman(case);
    let (found, dulses) = if asked("COMPAT_SELF") { engines::under_podman(case) } else { engines::dulse(case) };
    if asked("COMPAT_SHOW") {
        println!("== {}\npodman {podmans}\ndulse {dulses}", case.name);
    }
    let difference = expected.difference(&found);
    match &case.differs {
        None if difference.is_empty() => Ok(()),
        None => Err(format!("- podman, + dulse\n{difference}{}\npodman: {podmans}\ndulse: {dulses}", case.script).into()),
        Some(_) if !difference.is_empty() || asked("COMPAT_SELF") => Ok(()),
        Some(reason) => Err(format!("marked as a meant difference ({reason}), but there is none").into()),
    }
}
