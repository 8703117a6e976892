//! Layers through another ID map, looked at through a real overlay in a user namespace with that map.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;
use std::time::Instant;

use dulse::oci::Digest;
use dulse::storage::{layer, mapped};
use dulse::sys::mount::Context;
use dulse::sys::{packet, path, xattr};
use dulse::userns::{IdMap, IdMapping, spawn_mapped};
use libtest_mimic::Trial;

use crate::place::{Place, header, layer as make_layer, map, test_with_range, unpack};

/// argv[0] of the process that mounts.
pub const ROLE: &str = "store-test-viewer";

pub fn tests() -> Vec<Trial> {
    vec![
        test_with_range("the_users_own_map_uses_the_layers_as_they_are", own_map),
        test_with_range("keep_id_copies_no_data", keep_id),
        test_with_range("a_map_without_the_user_gets_copies", without_user),
    ]
}

fn mappings(ranges: &[(u32, u32, u32)]) -> Vec<IdMapping> {
    ranges.iter().map(|(container, host, size)| IdMapping { container: *container, host: *host, size: *size }).collect()
}

/// The user as 1000, the subordinate range around it.
fn keep_id_map() -> IdMap {
    let whole = map();
    let around =
        |ids: &[IdMapping]| mappings(&[(0, ids[1].host, 1000), (1000, ids[0].host, 1), (1001, ids[1].host + 1000, ids[1].size - 1000)]);
    IdMap { uids: around(&whole.uids), gids: around(&whole.gids) }
}

/// Two layers: files of several owners, one file in both, a hard link, a whiteout, an opaque directory, a capability.
fn layers(place: &Place) -> Vec<Digest> {
    let mut lower = tar::Builder::new(Vec::new());
    let mut file = |name: &str, uid: u64, body: &[u8]| {
        lower.append_data(&mut header(tar::EntryType::Regular, body.len() as u64, uid), name, body).unwrap();
    };
    file("root", 0, b"of root");
    file("user", 1000, b"of user 1000");
    file("daemon", 33, b"of daemon");
    file("both", 0, b"lower");
    file("gone", 0, b"gone");
    file("directory/hidden", 0, b"hidden");
    let mut private = header(tar::EntryType::Regular, 6, 33);
    private.set_mode(0o600);
    lower.append_data(&mut private, "private", &b"secret"[..]).unwrap();
    let mut upper = tar::Builder::new(Vec::new());
    upper.append_data(&mut header(tar::EntryType::Regular, 12, 7), "both", &b"upper, longe"[..]).unwrap();
    upper.append_link(&mut header(tar::EntryType::Link, 0, 0), "linked", "both").unwrap();
    upper.append_data(&mut header(tar::EntryType::Regular, 0, 0), ".wh.gone", &[][..]).unwrap();
    upper.append_data(&mut header(tar::EntryType::Directory, 0, 5), "directory", &[][..]).unwrap();
    upper.append_data(&mut header(tar::EntryType::Regular, 0, 0), "directory/.wh..wh..opq", &[][..]).unwrap();
    upper.append_data(&mut header(tar::EntryType::Regular, 3, 5), "directory/new", &b"new"[..]).unwrap();
    upper.append_link(&mut header(tar::EntryType::Symlink, 0, 33), "symlink", "daemon").unwrap();
    let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    upper.append_pax_extensions([("SCHILY.xattr.security.capability", &value[..])]).unwrap();
    upper.append_data(&mut header(tar::EntryType::Regular, 4, 0), "ping", &b"body"[..]).unwrap();
    [lower, upper]
        .map(|builder| {
            let archive = builder.into_inner().unwrap();
            let digest = Digest::sha256(&archive);
            unpack(&place.store, &map(), &archive, &digest).unwrap();
            digest
        })
        .into()
}

/// Mounts the layers named on the command line and tells what it sees through descriptor 3.
pub fn viewer() -> ExitCode {
    let mut report = File::from(packet::inherited(3).unwrap());
    let context = Context::open(c"overlay").unwrap();
    context.flag(c"userxattr").unwrap();
    let layers: Vec<(String, File)> = std::env::args()
        .skip(1)
        .map(|text| text.split_once('=').map(|(kind, path)| (kind.to_owned(), File::open(path).unwrap())).unwrap())
        .collect();
    for (kind, directory) in &layers {
        let kind = if kind == "lower" { c"lowerdir+" } else { c"datadir+" };
        context.set_fd(kind, directory.as_fd()).unwrap();
    }
    context.create().unwrap();
    let root = context.mount(0).unwrap();
    for name in ["root", "user", "daemon", "both", "linked", "private", "directory/new", "symlink", "ping", "gone", "directory/hidden"] {
        let mut file = match path::open_in_root_at(&root, name.as_bytes(), nix::fcntl::OFlag::O_RDONLY) {
            Ok(file) => file,
            Err(error) => {
                writeln!(report, "{name}: {:?}", error.kind()).unwrap();
                continue;
            }
        };
        let mut body = String::new();
        file.read_to_string(&mut body).unwrap();
        let metadata = file.metadata().unwrap();
        let capability = xattr::get(&file, c"security.capability").unwrap().map_or(0, |value| value.len());
        writeln!(report, "{name}: {}:{} {body:?} {} {capability}", metadata.uid(), metadata.gid(), metadata.nlink()).unwrap();
    }
    ExitCode::SUCCESS
}

const SEEN: &str = "root: 0:0 \"of root\" 1 0\nuser: 1000:1000 \"of user 1000\" 1 0\ndaemon: 33:33 \"of daemon\" 1 0\n\
    both: 7:7 \"upper, longe\" 2 0\nlinked: 7:7 \"upper, longe\" 2 0\nprivate: 33:33 \"secret\" 1 0\ndirectory/new: 5:5 \"new\" 1 0\n\
    symlink: 33:33 \"of daemon\" 1 0\nping: 0:0 \"body\" 1 20\ngone: NotFound\ndirectory/hidden: NotFound\n";

fn see(layers: &mapped::Layers, map: &IdMap) -> String {
    let name = |kind: &str, path: &std::path::PathBuf| format!("{kind}={}", path.display());
    let arguments: Vec<String> =
        layers.lower.iter().map(|path| name("lower", path)).chain(layers.data.iter().map(|path| name("data", path))).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let child = spawn_mapped(map, ROLE, &arguments, &[writer.as_fd()]).unwrap();
    drop(writer);
    let mut seen = String::new();
    reader.read_to_string(&mut seen).unwrap();
    assert_eq!(child.wait().unwrap(), 0);
    seen
}

fn own_map() {
    let place = Place::new();
    let digests = layers(&place);
    let layers = mapped::layers(&place.store, &digests, &map()).unwrap();
    assert_eq!(layers.lower, [layer::directory(&place.store, &digests[1]), layer::directory(&place.store, &digests[0])]);
    assert_eq!(see(&layers, &map()), SEEN);
}

fn keep_id() {
    let place = Place::new();
    let digests = layers(&place);
    let layers = mapped::layers(&place.store, &digests, &keep_id_map()).unwrap();
    assert_eq!(see(&layers, &keep_id_map()), SEEN);
    if layers.data.is_empty() {
        eprintln!("skipped in part: this kernel has no data layers for userxattr (Linux 6.16), so the layers were copied");
        return;
    }
    // The second time nothing is made.
    let begun = Instant::now();
    assert_eq!(mapped::layers(&place.store, &digests, &keep_id_map()).unwrap(), layers);
    assert!(begun.elapsed().as_millis() < 50);
    let (archive, digest) = make_layer(9, 500);
    unpack(&place.store, &map(), &archive, &digest).unwrap();
    let layers = mapped::layers(&place.store, &[digest], &keep_id_map()).unwrap();
    let file = layers.lower[0].join("d0/file-1").metadata().unwrap();
    assert_eq!((file.len(), file.blocks()), (2000, 0));
}

fn without_user() {
    let place = Place::new();
    let digests = layers(&place);
    let whole = map();
    let only = |ids: &[IdMapping]| mappings(&[(0, ids[1].host, ids[1].size)]);
    let map = IdMap { uids: only(&whole.uids), gids: only(&whole.gids) };
    let layers = mapped::layers(&place.store, &digests, &map).unwrap();
    assert!(layers.data.is_empty());
    // The view needs a way to the layers: their parents let others pass.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    assert_eq!(see(&layers, &map), SEEN);
}
