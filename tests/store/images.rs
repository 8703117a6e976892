//! Images: records, names, removal.

use dulse::oci::{Digest, Reference};
use dulse::storage::image::{self, NewImage};
use dulse::storage::volumes::VolumeRecord;
use dulse::storage::{Error, Store, layer};
use libtest_mimic::Trial;

use crate::place::{Place, layer as make_layer, map, test, unpack};

pub fn tests() -> Vec<Trial> {
    vec![
        test("names_move_and_layers_go_with_the_last_image", names),
        test("the_same_image_again_gains_digests", again),
        test("usage_tells_shared_layers_apart", usage),
    ]
}

/// An image of these layers.
fn put(store: &Store, layers: &[Digest], label: &str) -> String {
    let config = format!(
        r#"{{"created":"2026-01-01T00:00:00Z","os":"linux","architecture":"amd64","config":{{"Labels":{{"a":"{label}"}}}},"rootfs":{{}}}}"#
    );
    let manifest = format!(r#"{{"schemaVersion":2,"label":"{label}"}}"#);
    let new = NewImage { config: config.as_bytes(), manifest: manifest.as_bytes(), media_type: "m", digests: &[], layers };
    image::put(store, &new).unwrap().id
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn names() {
    let place = Place::new();
    let store = &place.store;
    let made: Vec<Digest> = [1, 2, 3]
        .map(|seed| {
            let (archive, digest) = make_layer(seed, 20);
            unpack(store, &map(), &archive, &digest).unwrap();
            digest
        })
        .into();
    let one = put(store, &made[..2], "one");
    let two = put(store, &made[1..], "two");
    let name = reference("registry.example/team/app:1");
    assert!(image::by_name(store, &name).unwrap().is_none());
    image::tag(store, &one, &name).unwrap();
    // Names are ordered by the links' times, which tick by a few milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(20));
    image::tag(store, &one, &reference("localhost/app:latest")).unwrap();
    let found = image::by_name(store, &name).unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.labels["a"].as_str(), found.created.as_str()), (one.as_str(), "one", "2026-01-01T00:00:00Z"));
    assert_eq!(image::get(store, &one).unwrap().unwrap().names, ["localhost/app:latest", "registry.example/team/app:1"]);
    let digest: Digest = found.digest.parse().unwrap();
    assert_eq!(image::by_name(store, &name.with_digest(digest)).unwrap().unwrap().id, one);
    image::tag(store, &two, &name).unwrap();
    assert_eq!(image::by_name(store, &name).unwrap().unwrap().id, two);
    assert_eq!(image::by_id(store, &two[..20]).unwrap().unwrap().id, two);
    assert_eq!(image::list(store).unwrap().len(), 2);
    image::untag(store, &reference("localhost/app:latest")).unwrap();
    assert!(matches!(image::untag(store, &reference("localhost/app:latest")), Err(Error::NoTag(_))));
    image::remove(store, &one).unwrap();
    assert!(!layer::has(store, &made[0]) && layer::has(store, &made[1]) && layer::has(store, &made[2]));
    image::remove(store, &two).unwrap();
    assert!(made.iter().all(|digest| !layer::has(store, digest)));
    assert!(image::list(store).unwrap().is_empty() && image::by_name(store, &name).unwrap().is_none());
}

fn again() {
    let place = Place::new();
    let store = &place.store;
    let config = br#"{"os":"linux"}"#;
    let index = Digest::sha256(b"index");
    let new = NewImage { config, manifest: b"{}", media_type: "m", digests: &[], layers: &[] };
    let first = image::put(store, &new).unwrap();
    let second = image::put(store, &NewImage { manifest: b"{ }", digests: std::slice::from_ref(&index), ..new }).unwrap();
    assert_eq!(first.id, second.id);
    assert_eq!(second.digests, [Digest::sha256(b"{ }").to_string(), index.to_string(), Digest::sha256(b"{}").to_string()]);
    assert_eq!(image::manifest(store, &first.id).unwrap(), b"{ }");
    assert_eq!(image::config(store, &first.id).unwrap(), config);
}

fn usage() {
    let place = Place::new();
    let store = &place.store;
    let made: Vec<(Digest, u64)> = [1, 2]
        .map(|seed| {
            let (archive, digest) = make_layer(seed, 20 * usize::from(seed));
            unpack(store, &map(), &archive, &digest).unwrap();
            (digest, archive.len() as u64)
        })
        .into();
    let both = put(store, &[made[0].0.clone(), made[1].0.clone()], "both");
    let one = put(store, &[made[0].0.clone()], "one");
    dulse::storage::volumes::create(store, &VolumeRecord { name: "volume".into(), ..VolumeRecord::default() }).unwrap();
    std::fs::write(dulse::storage::volumes::data(store, "volume").join("file"), [0; 1234]).unwrap();
    let usage = dulse::storage::disk_usage(store).unwrap();
    let of = |id: &str| {
        usage.images.iter().find(|usage| usage.image.id == id).map(|usage| (usage.image.size, usage.shared, usage.unique)).unwrap()
    };
    assert_eq!(of(&both), (made[0].1 + made[1].1, made[0].1, made[1].1));
    assert_eq!(of(&one), (made[0].1, made[0].1, 0));
    assert_eq!((usage.volumes[0].size, usage.volumes[0].links), (1234, 0));
    dulse::storage::reset(store).unwrap();
    assert!(!store.data().exists());
}
