//! The store as other programs meet it: the real unpack worker in its user namespace, several processes at once, processes killed.
//!
//! This test program is its own worker and its own victim: argv[0] chooses a role before the tests begin, as in the `dulse` program.

#![allow(clippy::print_stderr, reason = "why a test is skipped, what was measured")]

mod containers;
mod images;
mod kill;
mod mapped;
mod place;
mod unpack;
mod volumes;

use libtest_mimic::{Arguments, Trial};

fn main() -> std::process::ExitCode {
    let role = std::env::args().next().unwrap_or_default();
    if role.starts_with("dulse-") {
        return dulse::cli::main();
    }
    if role == kill::ROLE {
        return kill::puller();
    }
    if role == mapped::ROLE {
        return mapped::viewer();
    }
    let tests: Vec<Trial> = [containers::tests(), images::tests(), kill::tests(), mapped::tests(), unpack::tests(), volumes::tests()]
        .into_iter()
        .flatten()
        .collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
