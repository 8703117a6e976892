//! Images from people who mean harm: each is refused with status 125 or has a safe meaning, nothing gets out of the layer's directory,
//! nothing of a refused image stays, and the next honest image loads.

mod env;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use env::image::{Compression, PLAIN, gzip};
use env::{Image, Layer, Registry, Run, TestEnv, images};
use serde_json::json;
use tar::EntryType;

/// What is in the store: everything but locks and the journal of events.
fn content(env: &TestEnv) -> BTreeSet<PathBuf> {
    fn walk(directory: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&entry.path(), found);
            }
            let name = entry.file_name();
            if !name.to_string_lossy().contains("lock") && name != "events" {
                found.insert(entry.path());
            }
        }
    }
    let mut found = BTreeSet::new();
    for directory in ["layers", "images", "tmp"] {
        walk(&env.data().join(directory), &mut found);
    }
    found
}

/// Loads the image and checks that nothing came of it if it was refused.
fn load(env: &TestEnv, image: &Image) -> Run {
    let before = content(env);
    let archive = image.docker_archive(&env.root().join("hostile.tar"), &["localhost/hostile:latest"]);
    let run = env.dulse("load -q -i").arg(&archive).run();
    fs::remove_file(archive).unwrap();
    if run.code != 0 {
        assert_eq!(run.code, 125, "{run}");
        assert!(run.stderr.lines().any(|line| line.starts_with("Error: ")), "{run}");
        let left: Vec<_> = content(env).difference(&before).cloned().collect();
        assert!(left.is_empty(), "left in the store: {left:?}\n{run}");
        assert_eq!(env.dulse("images -q").ok(), "");
    }
    run
}

/// A layer that is refused.
#[track_caller]
fn refused(layer: Layer) -> Run {
    refused_bytes(layer.tar())
}

#[track_caller]
fn refused_bytes(tar: Vec<u8>) -> Run {
    let env = TestEnv::new();
    let run = load(&env, &Image::new().layer_as(tar, Compression::None));
    assert_eq!(run.code, 125, "{run}");
    env.load(&images::busybox(), "localhost/busybox:latest");
    run
}

/// A layer upon busybox that has a safe meaning, which `script` in a container of it shows.
#[track_caller]
fn harmless(layer: Layer, script: &str) -> String {
    let env = TestEnv::new();
    let run = load(&env, &images::busybox().layer(layer));
    assert_eq!(run.code, 0, "{run}");
    env.dulse("run --rm --network none localhost/hostile sh -c").arg(script).ok()
}

/// Either is fine, as long as the file that the path means does not come to be.
#[track_caller]
fn contained(layer: impl Fn(&str) -> Layer) {
    let env = TestEnv::new();
    let outside = env.work().join("escaped");
    load(&env, &Image::new().layer(layer(outside.to_str().unwrap())));
    assert!(!outside.exists(), "{} was made", outside.display());
}

fn up(path: &str) -> String {
    format!("{}{path}", "../".repeat(24).trim_end_matches('/'))
}

#[test]
fn paths_with_dot_dot_stay_inside() {
    contained(|outside| Layer::new().file(&up(outside), "x"));
    contained(|outside| Layer::new().dir("a").file(&format!("a/{}", up(outside)), "x"));
    contained(|outside| Layer::new().dir(&up(outside)));
    contained(|outside| Layer::new().symlink(&up(outside), "x"));
    contained(|outside| Layer::new().pax(&[("path", up(outside).as_bytes())]).file("innocent", "x"));
}

#[test]
fn an_absolute_path_means_one_in_the_image() {
    contained(|outside| Layer::new().file(outside, "x"));
    assert_eq!(harmless(Layer::new().file("/etc/absolute", "inside\n"), "cat /etc/absolute"), "inside\n");
}

#[test]
fn a_symbolic_link_is_not_followed_out() {
    contained(|outside| {
        let (directory, name) = outside.rsplit_once('/').unwrap();
        Layer::new().symlink("link", directory).file(&format!("link/{name}"), "x")
    });
    contained(|outside| {
        let (directory, name) = outside.rsplit_once('/').unwrap();
        Layer::new().symlink("link", &up(directory)).file(&format!("link/{name}"), "x")
    });
    contained(|outside| {
        let (directory, name) = outside.rsplit_once('/').unwrap();
        Layer::new().symlink("one", "two").symlink("two", directory).dir("one").file(&format!("one/{name}"), "x")
    });
    // The last component, too: the link is replaced, not written through.
    contained(|outside| Layer::new().symlink("link", outside).file("link", "x"));
    contained(|outside| Layer::new().symlink("link", outside).dir("link"));
}

#[test]
fn a_symbolic_link_of_a_layer_below_is_not_followed_out() {
    let env = TestEnv::new();
    let outside = env.work().join("escaped");
    let below = Layer::new().symlink("link", env.work().to_str().unwrap());
    load(&env, &Image::new().layer(below).layer(Layer::new().file("link/escaped", "x")));
    assert!(!outside.exists());
}

#[test]
fn a_hard_link_out_of_the_layer_is_refused() {
    refused(Layer::new().hardlink("passwd", &up("/etc/passwd")));
    refused(Layer::new().hardlink("passwd", "/etc/passwd"));
    refused(Layer::new().symlink("etc", "/etc").hardlink("passwd", "etc/passwd"));
}

#[test]
fn a_hard_link_to_nothing_or_itself_is_refused() {
    refused(Layer::new().hardlink("a", "b"));
    refused(Layer::new().hardlink("a", "a"));
    refused(Layer::new().dir("directory").hardlink("a", "directory"));
}

#[test]
fn device_nodes_give_no_device() {
    // /dev/mem and the first disk.
    let layer = Layer::new().character_device("mem", 1, 1).entry(EntryType::Block, "disk", "", PLAIN, &[]);
    harmless(layer, "for f in /mem /disk; do if test -e $f; then head -c 1 $f && exit 1; fi; done; true");
}

#[test]
fn the_last_of_duplicate_entries_counts() {
    let layer = Layer::new().file("twice", "first\n").file("twice", "second\n");
    assert_eq!(harmless(layer, "cat /twice"), "second\n");
    let layer = Layer::new().file("x", "file").dir("x").file("x/y", "inside\n");
    assert_eq!(harmless(layer, "cat /x/y"), "inside\n");
    let layer = Layer::new().dir("x").file("x/y", "gone").file("x", "a file\n");
    let run = load(&TestEnv::new(), &images::busybox().layer(layer));
    assert!(run.code == 0 || run.code == 125, "{run}");
}

#[test]
fn whiteouts_of_strange_names_remove_nothing_outside() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh...", ".wh..wh..", ".wh.a/b"] {
        let env = TestEnv::new();
        let kept = env.file("kept", "kept");
        load(&env, &Image::new().layer(Layer::new().dir("a")).layer(Layer::new().file(name, "")));
        assert!(kept.exists(), "{name}");
        env.load(&images::busybox(), "localhost/busybox:latest");
    }
}

#[test]
fn a_member_larger_than_the_archive_is_refused() {
    refused(Layer::new().lying_file("large", 10 << 30, b"short"));
    refused(Layer::new().pax(&[("size", b"10737418240")]).file("large", "short"));
    refused(Layer::new().entry(EntryType::GNULongName, "././@LongLink", "", PLAIN, b"").lying_file("x", u32::MAX.into(), b""));
    // A long name of two gigabytes must not be read into memory.
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(2 << 30);
    header.set_cksum();
    refused(Layer::new().garbage(header.as_bytes()));
    header.set_entry_type(EntryType::XHeader);
    header.set_cksum();
    refused(Layer::new().garbage(header.as_bytes()));
}

#[test]
fn what_is_no_archive_is_refused() {
    refused_bytes(b"this is no archive".repeat(100));
    refused_bytes(vec![0xff; 4096]);
    // Cut off in the middle of a member.
    let mut tar = Layer::new().file("file", vec![b'x'; 100_000]).tar();
    tar.truncate(50_000);
    refused_bytes(tar);
}

#[test]
fn names_the_kernel_refuses_are_errors_not_panics() {
    for name in ["n".repeat(300), "d/".repeat(3000) + "x"] {
        let run = refused(Layer::new().file(&name, "x"));
        assert!(!run.stderr.contains("panicked"), "{run}");
    }
}

/// Pulls what `damage` made of an image in a registry, which must fail and leave nothing.
#[track_caller]
fn pull_fails(damage: impl Fn(&Registry, &Image)) -> Option<Run> {
    let env = TestEnv::new();
    let registry = Registry::start(&env)?;
    let image = images::busybox().layer(Layer::new().file("second", "layer"));
    registry.add(&image, "hostile", "latest");
    damage(&registry, &image);
    let run = env.dulse("pull --retry 0").arg(registry.reference("hostile:latest")).run();
    assert_eq!(run.code, 125, "{run}");
    let left = content(&env);
    let files: Vec<_> = left.iter().filter(|path| !path.is_dir()).collect();
    // A layer that was whole before the other failed may stay for the next attempt, but only under its own, verified diff ID.
    let of_layers = |path: &&&PathBuf| path.strip_prefix(env.data().join("layers")).is_ok();
    assert!(files.iter().all(|path| of_layers(&path)), "left in the store: {files:?}\n{run}");
    assert_eq!(env.dulse("images -q").ok(), "");
    Some(run)
}

#[test]
fn a_blob_with_another_digest_is_refused() {
    pull_fails(|registry, image| {
        let blobs = image.blobs();
        fs::write(registry.blob_path(&blobs.layers[1].digest), gzip(&Layer::new().file("other", "x").tar())).unwrap();
    });
    pull_fails(|registry, image| {
        let blobs = image.blobs();
        let mut bytes = blobs.layers[0].bytes.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(registry.blob_path(&blobs.layers[0].digest), bytes).unwrap();
    });
    pull_fails(|registry, image| {
        let config = image.blobs().config;
        let text = String::from_utf8(config.bytes).unwrap().replace("layer 0", "layer X");
        fs::write(registry.blob_path(&config.digest), text).unwrap();
    });
}

#[test]
fn a_shorter_or_longer_blob_is_refused() {
    pull_fails(|registry, image| {
        let layer = image.blobs().layers.remove(0);
        fs::write(registry.blob_path(&layer.digest), &layer.bytes[..layer.bytes.len() / 2]).unwrap();
    });
    pull_fails(|registry, image| {
        let layer = image.blobs().layers.remove(0);
        fs::write(registry.blob_path(&layer.digest), [layer.bytes, vec![0; 1000]].concat()).unwrap();
    });
}

/// Adds an image whose manifest or configuration was changed, under digests that are right.
fn add_changed(registry: &Registry, image: &Image, change: impl Fn(&mut serde_json::Value, &mut serde_json::Value)) {
    let blobs = image.blobs();
    let mut config: serde_json::Value = serde_json::from_slice(&blobs.config.bytes).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&blobs.manifest.bytes).unwrap();
    change(&mut config, &mut json!({}));
    let config = env::image::Blob::new(&blobs.config.media_type, config.to_string().into_bytes());
    manifest["config"] = config.descriptor();
    change(&mut json!({"rootfs": {}}), &mut manifest);
    let manifest = env::image::Blob::new(&blobs.manifest.media_type, manifest.to_string().into_bytes());
    registry.add_blob(&config, "hostile");
    registry.add_blob(&manifest, "hostile");
    registry.tag(&manifest, "hostile", "latest");
}

#[test]
fn a_layer_with_another_diff_id_is_refused() {
    pull_fails(|registry, image| {
        add_changed(registry, image, |config, _| {
            if let Some(ids) = config["rootfs"]["diff_ids"].as_array_mut() {
                ids.reverse();
            }
        });
    });
    pull_fails(|registry, image| {
        add_changed(registry, image, |config, _| {
            if let Some(ids) = config["rootfs"]["diff_ids"].as_array_mut() {
                ids.pop();
            }
        });
    });
}

#[test]
fn manifests_that_make_no_sense_are_refused() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let changes: &[&(dyn Fn(&mut serde_json::Value) + Sync)] = &[
        &|manifest| manifest["schemaVersion"] = json!(1),
        &|manifest| manifest["layers"] = json!("none"),
        &|manifest| manifest["layers"][0]["size"] = json!(-1),
        &|manifest| manifest["layers"][0]["size"] = json!(1),
        &|manifest| manifest["layers"][0]["digest"] = json!("sha256:../../../etc/passwd"),
        &|manifest| manifest["layers"][0]["digest"] = json!("md5:d41d8cd98f00b204e9800998ecf8427e"),
        &|manifest| manifest["layers"][0]["digest"] = json!(digest),
        &|manifest| manifest["config"]["digest"] = manifest["layers"][0]["digest"].clone(),
        &|manifest| manifest["config"]["size"] = json!(u64::MAX),
        &|manifest| manifest["layers"] = json!([]),
    ];
    for change in changes {
        pull_fails(|registry, image| {
            add_changed(registry, image, |_, manifest| {
                if manifest.get("layers").is_some() {
                    change(manifest);
                }
            });
        });
    }
}

#[test]
fn a_docker_archive_reaches_no_file_outside_it() {
    let env = TestEnv::new();
    let secret = env.file("secret", "secret");
    let up = format!("{}{}", "../".repeat(24).trim_end_matches('/'), secret.display());
    for target in [secret.to_str().unwrap(), &up] {
        let image = images::busybox();
        let config = image.configuration().to_string();
        let manifest =
            |config: &str, layer: &str| json!([{"Config": config, "RepoTags": ["localhost/x:latest"], "Layers": [layer]}]).to_string();
        let archives = [
            Layer::new().file("config.json", &config).file("manifest.json", manifest("config.json", target)),
            Layer::new().file("layer.tar", "").file("manifest.json", manifest(target, "layer.tar")),
            Layer::new()
                .file("config.json", &config)
                .symlink("layer.tar", target)
                .file("manifest.json", manifest("config.json", "layer.tar")),
            Layer::new().symlink("manifest.json", target),
        ];
        for archive in archives {
            let path = env.file("archive.tar", archive.tar());
            let run = env.dulse("load -i").arg(path).fails(125);
            assert!(!run.stderr.contains("secret\n"), "{run}");
        }
    }
    assert_eq!(env.dulse("images -q").ok(), "");
}

#[test]
fn messages_carry_no_terminal_escapes() {
    let env = TestEnv::new();
    let layer = Layer::new().file("\u{1b}]0;owned\u{7}/\u{1b}[31m", "x").lying_file("\u{1b}[2J", 1 << 40, b"");
    let run = load(&env, &Image::new().layer(layer));
    assert_eq!(run.code, 125);
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains('\u{7}'), "{run}");
    for line in ["inspect '\u{1b}[31mname'", "run '\u{1b}[31mimage'", "rm '\u{1b}[31mx'"] {
        let run = env.dulse(line).run();
        assert!(!run.stderr.contains('\u{1b}'), "{run}");
    }
}

#[test]
fn a_truncated_or_damaged_gzip_is_refused() {
    let env = TestEnv::new();
    let image = images::busybox();
    let directory = image.oci_layout(&env.work().join("layout"), "latest");
    let layer = image.blobs().layers.remove(0);
    let path = directory.join("blobs/sha256").join(layer.digest.hex());
    let truncated = layer.bytes[..layer.bytes.len() / 2].to_vec();
    let damaged = [&layer.bytes[..layer.bytes.len() - 8], &[0; 8]].concat();
    for bytes in [truncated, damaged, Vec::new()] {
        fs::write(&path, bytes).unwrap();
        env.dulse("pull").arg(format!("oci:{}:latest", directory.display())).fails(125);
        assert!(content(&env).iter().all(|path| path.is_dir()), "{:?}", content(&env));
    }
    fs::write(&path, &layer.bytes).unwrap();
    env.dulse("pull -q").arg(format!("oci:{}:latest", directory.display())).ok();
}
