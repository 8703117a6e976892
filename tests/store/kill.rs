//! `kill -9` of a pull at any moment leaves a store that the next pull works in.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use dulse::storage::layer::{self, Unpacker};
use libtest_mimic::Trial;

use crate::place::{Place, layer as make_layer, map, open, test, unpack};

/// argv[0] of the victim.
pub const ROLE: &str = "store-test-puller";

pub fn tests() -> Vec<Trial> {
    vec![test("a_killed_pull_leaves_a_store_that_works", client), test("a_killed_worker_is_an_error_and_leaves_a_store_that_works", worker)]
}

/// The victim: unpacks a layer into the store at its first argument, over and over.
pub fn puller() -> ExitCode {
    let directory = PathBuf::from(std::env::args().nth(1).unwrap());
    let store = open(&directory);
    for seed in 0.. {
        let (archive, digest) = make_layer(seed, 400);
        if unpack(&store, &map(), &archive, &digest).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn victim(directory: &Path) -> std::process::Child {
    Command::new("/proc/self/exe").arg0(ROLE).arg(directory).spawn().unwrap()
}

fn check(place: &Place) {
    let (archive, digest) = make_layer(255, 10);
    unpack(&place.store, &map(), &archive, &digest).unwrap();
    for seed in 0..=20 {
        let (archive, digest) = make_layer(seed, 400);
        if layer::has(&place.store, &digest) {
            let mut found = Vec::new();
            layer::write_tar(&place.store, &digest, &mut found).unwrap();
            assert!(found == archive, "a layer that says it is there is not whole");
        }
    }
    // Each pull sweeps beside its work; a process that was killed may take a while to be gone.
    for _ in 0..20 {
        drop(Unpacker::start(&place.store, &map()).unwrap());
        std::thread::sleep(Duration::from_millis(50));
        if std::fs::read_dir(place.store.data().join("tmp")).unwrap().next().is_none() {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("leftovers: {:?}", std::fs::read_dir(place.store.data().join("tmp")).unwrap().collect::<Vec<_>>());
}

fn client() {
    for round in 0..8 {
        let place = Place::new();
        let mut child = victim(place.path());
        std::thread::sleep(Duration::from_millis(20 + round * 23));
        child.kill().unwrap();
        child.wait().unwrap();
        check(&place);
    }
}

fn worker() {
    for round in 0..8 {
        let place = Place::new();
        let mut child = victim(place.path());
        std::thread::sleep(Duration::from_millis(20 + round * 23));
        for descendant in descendants(child.id()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(descendant), nix::sys::signal::Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(30));
        let _ = child.kill();
        child.wait().unwrap();
        check(&place);
    }
}

/// Children and their children.
fn descendants(pid: u32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: Vec<i32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    children.iter().flat_map(|child| descendants(*child as u32).into_iter().chain([*child])).collect()
}
