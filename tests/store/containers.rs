//! Containers on disk: names, states that lie, many of them.

use std::fs;
use std::time::Instant;

use dulse::storage::containers::{self, create, find, load_state};
use dulse::storage::{ContainerConfig, ContainerState, Error, Status, Store, Summary};
use libtest_mimic::Trial;

use crate::place::{Place, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("names_and_ids_find_containers", names),
        test("a_name_is_given_once_even_to_many_at_once", race),
        test("remains_of_a_killed_creation_do_not_keep_the_name", remains),
        test("states_that_claim_life_without_a_monitor_heal", heal),
        test("files_emptied_by_a_power_cut_heal", power_cut),
        test("a_thousand_containers_are_listed_and_removed_quickly", thousand),
    ]
}

fn id(number: u64) -> String {
    format!("{number:016x}").repeat(4)
}

fn make(store: &Store, id: &str, name: &str) -> Result<(), Error> {
    let config =
        ContainerConfig { id: id.to_owned(), name: name.to_owned(), created: "2026-01-01T00:00:00Z".into(), ..ContainerConfig::default() };
    let summary = Summary { name: name.to_owned(), ..Summary::default() };
    create(store, &config, &ContainerState { id: id.to_owned(), summary, ..ContainerState::default() }, 0o555)
}

fn names() {
    let place = Place::new();
    let store = &place.store;
    let (one, two) = (id(0xaaaa_0000_0000_0001), id(0xaaaa_0000_0000_0002));
    make(store, &one, "one").unwrap();
    make(store, &two, "two").unwrap();
    assert_eq!(find(store, "one").unwrap(), one);
    assert_eq!(find(store, &two).unwrap(), two);
    assert_eq!(find(store, &two[..16]).unwrap(), two);
    let text = |result: Result<String, Error>| result.unwrap_err().to_string();
    assert_eq!(text(find(store, "aaaa")), "more than one result for container \"aaaa\": container already exists");
    assert_eq!(text(find(store, "three")), "no container with name or ID \"three\" found: no such container");
    for hostile in ["", ".", "..", "../..", "by-name", "a/b", "a\0b"] {
        assert!(find(store, hostile).is_err(), "{hostile:?}");
    }
    let error = make(store, &id(3), "one").unwrap_err();
    assert!(matches!(&error, Error::NameInUse { id, .. } if *id == one), "{error}");
    assert!(!containers::paths(store, &id(3)).directory.exists());
    assert_eq!(find(store, "one").unwrap(), one);
    containers::rename(store, &one, "uno").unwrap();
    assert!(find(store, "one").is_err());
    assert_eq!((find(store, "uno").unwrap(), load_state(store, &one).unwrap().summary.name), (one.clone(), "uno".to_owned()));
    assert!(containers::rename(store, &one, "two").is_err());
    containers::remove(store, &one).unwrap();
    containers::remove(store, &one).unwrap();
    assert!(find(store, "uno").is_err() && find(store, &one).is_err());
    make(store, &one, "uno").unwrap();
}

fn race() {
    let place = Place::new();
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn({
                    let store = &place.store;
                    move || make(store, &id(number), "same").is_ok()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|made| *made).count()
    });
    assert_eq!(made, 1);
    assert_eq!(containers::list_ids(&place.store).unwrap(), [find(&place.store, "same").unwrap()]);
}

fn remains() {
    let place = Place::new();
    let store = &place.store;
    make(store, &id(1), "name").unwrap();
    fs::remove_file(containers::paths(store, &id(1)).state).unwrap();
    assert!(containers::list_states(store).unwrap().is_empty());
    make(store, &id(2), "name").unwrap();
    assert_eq!(find(store, "name").unwrap(), id(2));
    fs::remove_dir_all(containers::paths(store, &id(2)).directory).unwrap();
    make(store, &id(3), "name").unwrap();
}

fn heal() {
    let place = Place::new();
    let store = &place.store;
    make(store, &id(1), "name").unwrap();
    let mut state = load_state(store, &id(1)).unwrap();
    assert_eq!(state.status, Status::Created);
    state.status = Status::Running;
    state.pid = 1;
    containers::save_state(store, &state).unwrap();
    let healed = load_state(store, &id(1)).unwrap();
    assert_eq!((healed.status, healed.pid), (Status::Exited, 0));
    let beacon = containers::take_beacon(store, &id(1)).unwrap().unwrap();
    assert_eq!(load_state(store, &id(1)).unwrap().status, Status::Running);
    assert!(containers::take_beacon(store, &id(1)).unwrap().is_none());
    drop(beacon);
    assert_eq!(load_state(store, &id(1)).unwrap().status, Status::Exited);
}

fn power_cut() {
    let place = Place::new();
    let store = &place.store;
    make(store, &id(1), "state-lost").unwrap();
    make(store, &id(2), "config-lost").unwrap();
    fs::write(containers::paths(store, &id(1)).state, "").unwrap();
    fs::write(containers::paths(store, &id(2)).config, "{\"id\":\"00").unwrap();
    let mut names: Vec<String> = containers::list_states(store).unwrap().into_iter().map(|state| state.summary.name).collect();
    names.sort();
    assert_eq!(names, ["config-lost", "state-lost"]);
    let error = containers::load_config(store, &id(2)).unwrap_err().to_string();
    assert!(error.contains("lost its configuration") && error.contains("dulse rm"), "{error}");
    for number in [1, 2] {
        containers::remove(store, &id(number)).unwrap();
    }
    assert!(find(store, "state-lost").is_err() && find(store, "config-lost").is_err());
}

fn thousand() {
    let place = Place::new();
    let store = &place.store;
    let begun = Instant::now();
    for number in 0..1000 {
        make(store, &id(number), &format!("c{number}")).unwrap();
    }
    let made = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(containers::list_states(store).unwrap().len(), 1000);
    let listed = begun.elapsed();
    let begun = Instant::now();
    for id in containers::list_ids(store).unwrap() {
        containers::remove(store, &id).unwrap();
    }
    eprintln!("1000 containers: made in {made:?}, listed in {listed:?}, removed in {:?}", begun.elapsed());
    assert!(containers::list_states(store).unwrap().is_empty());
    assert_eq!(fs::read_dir(store.data().join("tmp")).unwrap().count(), 0);
}
