//! Volumes: made, filled from an image, found, removed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use dulse::oci::Digest;
use dulse::storage::volumes::{self, Use, VolumeRecord};
use dulse::storage::{Error, layer};
use libtest_mimic::Trial;

use crate::place::{Place, header, map, test, test_with_range, unpack};

pub fn tests() -> Vec<Trial> {
    vec![
        test("volumes_are_made_found_and_removed", names),
        test_with_range("an_empty_volume_takes_over_the_images_directory", filled),
        test_with_range("a_volume_where_the_image_has_nothing_is_given_to_the_user", given),
        test_with_range("a_tree_is_given_to_a_user", given_whole),
    ]
}

fn make(place: &Place, name: &str) -> Result<(), Error> {
    let record =
        VolumeRecord { name: name.into(), driver: "local".into(), needs_copy_up: true, needs_chown: true, ..VolumeRecord::default() };
    volumes::create(&place.store, &record)
}

fn names() {
    let place = Place::new();
    let store = &place.store;
    make(&place, "volume").unwrap();
    make(&place, "volume-two").unwrap();
    assert!(matches!(make(&place, "volume").unwrap_err(), Error::VolumeExists(_)));
    assert!(make(&place, "../x").is_err() && make(&place, "").is_err());
    assert_eq!(volumes::find(store, "volume-t").unwrap().name, "volume-two");
    assert_eq!(volumes::find(store, "volume").unwrap().name, "volume");
    assert!(matches!(volumes::find(store, "vol").unwrap_err(), Error::AmbiguousVolume(_)));
    assert!(matches!(volumes::find(store, "x").unwrap_err(), Error::NoVolume(_)));
    std::fs::write(store.data().join("volumes/volume/volume.json"), "").unwrap();
    assert_eq!(volumes::list(store).unwrap().len(), 2);
    volumes::remove(store, "volume").unwrap();
    assert!(matches!(volumes::remove(store, "volume").unwrap_err(), Error::NoVolume(_)));
}

/// Two layers: /data of 33:33 with a file, and a second layer that removes one file of it; /var/link leads to /data.
fn image(place: &Place) -> Vec<PathBuf> {
    let mut lower = tar::Builder::new(Vec::new());
    let mut directory = header(tar::EntryType::Directory, 0, 33);
    directory.set_mode(0o750);
    lower.append_data(&mut directory, "data", &[][..]).unwrap();
    lower.append_data(&mut header(tar::EntryType::Regular, 4, 33), "data/kept", &b"kept"[..]).unwrap();
    lower.append_data(&mut header(tar::EntryType::Regular, 4, 33), "data/gone", &b"gone"[..]).unwrap();
    lower.append_link(&mut header(tar::EntryType::Symlink, 0, 0), "var/link", "/data").unwrap();
    let mut upper = tar::Builder::new(Vec::new());
    upper.append_data(&mut header(tar::EntryType::Regular, 0, 0), "data/.wh.gone", &[][..]).unwrap();
    let mut layers: Vec<PathBuf> = [lower, upper]
        .map(|builder| {
            let archive = builder.into_inner().unwrap();
            let digest = Digest::sha256(&archive);
            unpack(&place.store, &map(), &archive, &digest).unwrap();
            layer::directory(&place.store, &digest)
        })
        .into();
    // The second layer's implicit /data hides the mode of the first one's: with a single layer it is seen as it is.
    layers.reverse();
    layers
}

fn owner(path: &Path) -> (u32, u32) {
    let metadata = path.metadata().unwrap();
    (map().container_uid(metadata.uid()).unwrap(), metadata.mode() & 0o777)
}

fn filled() {
    let place = Place::new();
    let layers = image(&place);
    let map = map();
    let using = Use { layers: &layers, destination: "/var/link", uid: 5, gid: 6, copy: true, map: &map };
    make(&place, "both").unwrap();
    volumes::prepare(&place.store, "both", &using).unwrap();
    let data = volumes::data(&place.store, "both");
    assert_eq!(std::fs::read(data.join("kept")).unwrap(), b"kept");
    assert!(!data.join("gone").exists());
    assert_eq!(owner(&data.join("kept")).0, 33);
    let record = volumes::get(&place.store, "both").unwrap().unwrap();
    assert_eq!((record.uid, record.gid, record.needs_copy_up, record.needs_chown), (Some(5), Some(6), false, false));

    make(&place, "one").unwrap();
    let using = Use { layers: &layers[1..], destination: "/data", ..using };
    volumes::prepare(&place.store, "one", &using).unwrap();
    assert_eq!(owner(&volumes::data(&place.store, "one")), (33, 0o750));

    make(&place, "nocopy").unwrap();
    volumes::prepare(&place.store, "nocopy", &Use { copy: false, ..using }).unwrap();
    assert_eq!(owner(&volumes::data(&place.store, "nocopy")), (33, 0o750));

    make(&place, "used").unwrap();
    let data = volumes::data(&place.store, "used");
    std::fs::write(data.join("mine"), "x").unwrap();
    volumes::prepare(&place.store, "used", &using).unwrap();
    assert!(!data.join("kept").exists() && data.metadata().unwrap().uid() == nix::unistd::getuid().as_raw());
}

fn given() {
    let place = Place::new();
    let layers = image(&place);
    let map = map();
    make(&place, "volume").unwrap();
    let data = volumes::data(&place.store, "volume");
    for uid in [5, 7, 0] {
        volumes::prepare(&place.store, "volume", &Use { layers: &layers, destination: "/nothing", uid, gid: uid, copy: true, map: &map })
            .unwrap();
        assert_eq!(owner(&data), (uid, 0o755));
        let record = volumes::get(&place.store, "volume").unwrap().unwrap();
        assert!(record.needs_chown && record.uid == Some(uid));
    }
}

fn given_whole() {
    let place = Place::new();
    let tree = place.path().join("tree");
    std::fs::create_dir_all(tree.join("deep/er")).unwrap();
    std::fs::write(tree.join("deep/er/file"), "x").unwrap();
    std::os::unix::fs::symlink("/", tree.join("link")).unwrap();
    volumes::give(&tree, 12, 13, &map()).unwrap();
    for path in ["", "deep", "deep/er/file"] {
        assert_eq!(owner(&tree.join(path)).0, 12);
    }
    dulse::storage::remove_tree(&tree).unwrap();
    assert!(!tree.exists());
}
