//! `make bench`: dulse beside whatever peers are in PATH, each case interleaved in one run, as a table of medians and their
//! ratios. Run it as the unprivileged user whose containers are meant; everything it makes lies in one scratch directory.
//!
//!     speed [--rounds N] [--dulse PATH] [--floor PATH] [--scratch DIR] [CASE…]
//!
//! Cases: start, network, exec, create, list, many, pull, pull-disk, memory. Without names: all.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for who runs it")]

mod cases;
mod fixture;
mod image;
mod memory;
mod pull;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use fixture::Fixture;

/// What the command line says.
pub struct Options {
    pub rounds: usize,
    pub dulse: PathBuf,
    pub floor: Option<PathBuf>,
    pub scratch: PathBuf,
    pub cases: Vec<String>,
}

fn options() -> Result<Options, String> {
    let beside = |name: &str| std::env::current_exe().ok().map(|path| path.with_file_name(name)).filter(|path| path.exists());
    let scratch = std::env::temp_dir().join(format!("dulse-bench-{}", std::process::id()));
    let mut options = Options {
        rounds: 20,
        dulse: option_env!("CARGO_BIN_EXE_dulse").map_or_else(|| PathBuf::from("dulse"), PathBuf::from),
        floor: beside("floor"),
        scratch,
        cases: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--rounds" => options.rounds = value()?.parse().map_err(|error| format!("--rounds: {error}"))?,
            "--dulse" => options.dulse = value()?.into(),
            "--floor" => options.floor = Some(value()?.into()),
            "--scratch" => options.scratch = value()?.into(),
            "--bench" => {}
            flag if flag.starts_with('-') => return Err(format!("unknown option {flag}")),
            _ => options.cases.push(argument),
        }
    }
    Ok(options)
}

/// One row group of the table: its name, what it measures, and the function that measures it.
type Case = (&'static str, fn(&Fixture) -> Result<report::Table, String>);

const CASES: &[Case] = &[
    ("start", cases::start),
    ("network", cases::network),
    ("exec", cases::exec),
    ("create", cases::create),
    ("list", cases::list),
    ("many", cases::many),
    ("pull", pull::on_tmpfs),
    ("pull-disk", pull::on_disk),
    ("memory", memory::memory),
];

fn main() -> ExitCode {
    let outcome = options().and_then(|options| {
        let chosen = |name: &str| options.cases.is_empty() || options.cases.iter().any(|case| case == name);
        if let Some(unknown) = options.cases.iter().find(|case| !CASES.iter().any(|(name, _)| name == case)) {
            return Err(format!("unknown case {unknown}"));
        }
        let fixture = Fixture::new(&options)?;
        println!("{}", fixture.machine());
        for (name, measure) in CASES.iter().filter(|(name, _)| chosen(name)) {
            match measure(&fixture) {
                Ok(table) => println!("{}", table.markdown()),
                Err(reason) => println!("### {name}\n\nnot measured: {reason}\n"),
            }
        }
        Ok(())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speed: {error}");
            ExitCode::FAILURE
        }
    }
}
