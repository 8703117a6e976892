//! The house's rules, held by reading the source: who imports whom, where `unsafe` stands, who prints, how long a file is.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the library: its room (`storage`), its path below src, and its lines without comments, tests cut off.
struct Source {
    room: String,
    path: String,
    lines: Vec<String>,
    /// The number of lines on disk, everything counted.
    length: usize,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            found.push(entry.path());
        }
    }
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
        let room = path.split(['/', '.']).next().unwrap().to_owned();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        // Comments and strings may name what code must not; a URL's slashes are in a string.
        let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned()).collect();
        Source { room, path, lines, length: text.lines().count() }
    };
    paths.into_iter().map(read).collect()
}

/// The floors as the table in lib.rs gives them: a line with a number opens a floor, the ones after it share it.
fn floors() -> HashMap<String, usize> {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut floors = HashMap::new();
    let mut floor = 0;
    for line in library.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = line.split('|').map(str::trim);
        if let Some(number) = cells.next().and_then(|cell| cell.parse().ok()) {
            floor = number;
        }
        if let Some(room) = cells.next().and_then(|cell| cell.strip_prefix("[`")?.strip_suffix("`]")) {
            floors.insert(room.to_owned(), floor);
        }
    }
    floors
}

/// The rooms that a line names by `crate::ROOM` or within `crate::{ROOM, ROOM::…}`.
fn imports(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms = Vec::new();
    for (position, _) in line.match_indices("crate::") {
        let rest = &line[position + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            rooms.push(word(rest));
            continue;
        };
        // Names right after the outer brace or a comma at its depth.
        let mut depth = 0;
        let mut start = 0;
        for (at, character) in list.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    rooms.push(word(list[start..at].trim()));
                    start = at + 1;
                }
                _ => {}
            }
        }
        rooms.push(word(list[start..].trim()));
    }
    rooms
}

#[test]
fn every_room_is_in_the_table_of_lib_rs() {
    let floors = floors();
    let homeless: Vec<String> = sources().into_iter().map(|source| source.room).filter(|room| !floors.contains_key(room)).collect();
    assert!(homeless.iter().all(|room| room == "lib" || room == "main"), "{homeless:?}");
}

#[test]
fn imports_go_downward_only() {
    let floors = floors();
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(own) = floors.get(&source.room) else { continue };
        // An import may run over several lines.
        let text = source.lines.join(" ");
        for room in imports(&text) {
            let allowed = room == source.room || floors.get(&room).is_none_or(|floor| floor < own);
            if !allowed {
                wrong.push(format!("src/{} (floor {own}) uses {room} (floor {})", source.path, floors[&room]));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "imports that go up or to a neighbour:\n  {}", wrong.join("\n  "));
}

/// Lines outside `room` that contain one of `words`, each as a word of its own.
fn elsewhere(room: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().into_iter().filter(|source| source.room != room) {
        for (number, line) in source.lines.iter().enumerate() {
            let named = |word: &&str| {
                line.match_indices(*word).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let after = line[at + word.len()..].chars().next();
                    let part = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
                    !part(before) && !part(after)
                })
            };
            if words.iter().any(named) {
                found.push(format!("src/{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn unsafe_stands_in_sys_alone() {
    let found = elsewhere("sys", &["unsafe"]);
    assert!(found.is_empty(), "unsafe outside src/sys:\n  {}", found.join("\n  "));
}

#[test]
fn only_the_command_line_prints() {
    let found = elsewhere("cli", &["print!", "println!", "eprint!", "eprintln!", "dbg!"]);
    assert!(found.is_empty(), "printing outside src/cli:\n  {}", found.join("\n  "));
}

#[test]
fn no_file_runs_away() {
    const LIMIT: usize = 700;
    let long: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.length > LIMIT)
        .map(|source| format!("src/{}: {}", source.path, source.length))
        .collect();
    assert!(long.is_empty(), "files above {LIMIT} lines:\n  {}", long.join("\n  "));
}

#[test]
fn no_file_is_a_grab_bag() {
    let names = ["util", "utils", "common", "misc", "manager", "helper", "helpers"];
    let found: Vec<String> = sources()
        .into_iter()
        .map(|source| source.path)
        .filter(|path| path.split('/').any(|part| names.contains(&part.trim_end_matches(".rs"))))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn imports_are_read_out_of_every_form() {
    assert_eq!(imports("use crate::storage::layer;"), ["storage"]);
    assert_eq!(imports("let x = crate::oci::Digest::new(crate::sys::fd());"), ["oci", "sys"]);
    assert_eq!(imports("use crate::{config::Paths, oci::{Digest, Hasher}, sys};"), ["config", "oci", "sys"]);
}
