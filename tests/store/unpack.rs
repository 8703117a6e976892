//! The worker: owners, errors, sharing.

use std::io::Write;
use std::os::unix::fs::MetadataExt;

use dulse::oci::Digest;
use dulse::storage::layer::{self, Begin, Unpacker};
use dulse::userns::IdMap;
use libtest_mimic::Trial;

use crate::place::{Place, header, layer as make_layer, map, test, test_with_range, unpack};

pub fn tests() -> Vec<Trial> {
    vec![
        test_with_range("owners_are_those_of_the_map", owners_are_those_of_the_map),
        test_with_range("an_owner_outside_the_map_is_named_with_the_command_that_mends_it", owner_outside),
        test_with_range("capabilities_are_kept", capabilities_are_kept),
        test("with_one_id_every_owner_is_the_user", single),
        test("a_layer_that_is_not_committed_leaves_nothing", uncommitted),
        test("a_wrong_digest_leaves_nothing", wrong_digest),
        test("two_pulls_of_one_layer_share_the_work", shared),
        test("the_archive_comes_back_from_the_store", rebuilt),
    ]
}

fn archive(uid: u64) -> (Vec<u8>, Digest) {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header(tar::EntryType::Regular, 4, uid), "file", &b"body"[..]).unwrap();
    builder.append_data(&mut header(tar::EntryType::Directory, 0, uid), "directory", &[][..]).unwrap();
    let archive = builder.into_inner().unwrap();
    let digest = Digest::sha256(&archive);
    (archive, digest)
}

fn owners_are_those_of_the_map() {
    let place = Place::new();
    let (archive, digest) = archive(33);
    unpack(&place.store, &map(), &archive, &digest).unwrap();
    let expected = map().host_uid(33).unwrap();
    for name in ["file", "directory"] {
        let metadata = layer::directory(&place.store, &digest).join(name).metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (expected, map().host_gid(33).unwrap()), "{name}");
    }
}

fn owner_outside() {
    let place = Place::new();
    let (archive, digest) = archive(3_000_000);
    let error = unpack(&place.store, &map(), &archive, &digest).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"file\" belongs to user ID 3000000"), "{text}");
    assert!(error.hint().unwrap().starts_with("sudo usermod --add-subuids"), "{error:?}");
    assert!(!layer::has(&place.store, &digest));
}

fn capabilities_are_kept() {
    let place = Place::new();
    // VFS_CAP_REVISION_2 with CAP_NET_RAW permitted and effective.
    let value = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions([("SCHILY.xattr.security.capability", &value[..])]).unwrap();
    builder.append_data(&mut header(tar::EntryType::Regular, 4, 5), "ping", &b"body"[..]).unwrap();
    let archive = builder.into_inner().unwrap();
    let digest = Digest::sha256(&archive);
    unpack(&place.store, &map(), &archive, &digest).unwrap();
    let file = std::fs::File::open(layer::directory(&place.store, &digest).join("ping")).unwrap();
    let found = dulse::sys::xattr::get(&file, c"security.capability").unwrap().unwrap();
    assert_eq!(found[4..8], value[4..8], "{found:?}");
}

fn single() {
    let place = Place::new();
    let (archive, digest) = archive(33);
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let record = unpack(&place.store, &IdMap::single(0, 0, uid, gid), &archive, &digest).unwrap();
    assert_eq!(record.squashed, 2);
    let owner = || layer::directory(&place.store, &digest).join("file").metadata().unwrap().uid();
    assert_eq!(owner(), uid);
    // When the user has got a range, the owners come back with the next pull.
    unpack(&place.store, &map(), &archive, &digest).unwrap();
    assert_eq!(Some(owner()), map().host_uid(if map().is_single() { 0 } else { 33 }));
}

fn is_clean(place: &Place) {
    for directory in ["tmp", "layers"] {
        let left: Vec<_> = std::fs::read_dir(place.store.data().join(directory)).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn uncommitted() {
    let place = Place::new();
    let (archive, digest) = make_layer(1, 100);
    let unpacker = Unpacker::start(&place.store, &map()).unwrap();
    let mut job = unpacker.layer(&digest).unwrap();
    let Begin::Stream(mut pipe) = job.begin().unwrap() else { panic!("it cannot be there") };
    pipe.write_all(&archive).unwrap();
    drop(pipe);
    job.finish().unwrap();
    drop((job, unpacker));
    // The job notices that nobody wants it, and the next pull waits for it to be gone.
    let unpacker = Unpacker::start(&place.store, &map()).unwrap();
    let mut job = unpacker.layer(&digest).unwrap();
    assert!(matches!(job.begin().unwrap(), Begin::Stream(_)));
    assert!(job.finish().is_err());
    is_clean(&place);
}

fn wrong_digest() {
    let place = Place::new();
    let (archive, _) = make_layer(1, 10);
    let error = unpack(&place.store, &map(), &archive, &Digest::sha256(b"another")).unwrap_err();
    assert!(error.to_string().contains("was expected"), "{error}");
    let error = unpack(&place.store, &map(), &archive[..2000], &Digest::sha256(&archive)).unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
    is_clean(&place);
}

fn shared() {
    let place = Place::new();
    let (archive, digest) = make_layer(2, 200);
    let first = Unpacker::start(&place.store, &map()).unwrap();
    let mut job = first.layer(&digest).unwrap();
    let Begin::Stream(mut pipe) = job.begin().unwrap() else { panic!("it cannot be there") };
    let other = std::thread::spawn({
        let (store, digest) = (place.store.clone(), digest.clone());
        move || {
            let second = Unpacker::start(&store, &map()).unwrap();
            let begin = second.layer(&digest).unwrap().begin().unwrap();
            matches!(begin, Begin::Present(_))
        }
    });
    pipe.write_all(&archive).unwrap();
    drop(pipe);
    job.finish().unwrap();
    assert!(!other.is_finished());
    job.commit().unwrap();
    assert!(other.join().unwrap(), "the second pull did not find the layer of the first");
}

fn rebuilt() {
    let place = Place::new();
    let (archive, digest) = make_layer(3, 300);
    unpack(&place.store, &map(), &archive, &digest).unwrap();
    let mut found = Vec::new();
    layer::write_tar(&place.store, &digest, &mut found).unwrap();
    assert!(found == archive);
}
