//! A private store, and layers to put into it.

use std::io::Write;
use std::path::Path;

use dulse::config::Paths;
use dulse::oci::Digest;
use dulse::storage::layer::{Begin, LayerRecord, Unpacker};
use dulse::storage::{Error, Store};
use dulse::userns::{IdMap, SubIds, default_map};
use libtest_mimic::Trial;

pub struct Place {
    directory: tempfile::TempDir,
    pub store: Store,
}

impl Place {
    pub fn new() -> Self {
        // Not below /tmp where that is a tmpfs of an old kernel, without user attributes.
        let directory = tempfile::Builder::new().prefix("store-").tempdir_in("/var/tmp").unwrap();
        let store = open(directory.path());
        Self { directory, store }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        dulse::storage::remove_tree(self.store.data()).unwrap();
    }
}

pub fn open(directory: &Path) -> Store {
    let at = |name: &str| directory.join(name);
    Store::open(&Paths { data: at("data"), runtime: at("run"), cache: at("cache"), config: at("config") }).unwrap()
}

/// The user's whole map; tests of owners need a range.
pub fn map() -> IdMap {
    default_map(&SubIds::of_user().unwrap())
}

pub fn test(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        if nix::unistd::geteuid().is_root() {
            eprintln!("skipped: these tests are for an unprivileged user");
        } else {
            run();
        }
        Ok(())
    })
}

/// For tests that need more than one ID.
pub fn test_with_range(name: &str, run: fn()) -> Trial {
    Trial::test(name, move || {
        if nix::unistd::geteuid().is_root() || map().is_single() {
            eprintln!("skipped: this test needs an unprivileged user with newuidmap and a subordinate range");
        } else {
            run();
        }
        Ok(())
    })
}

pub fn header(kind: tar::EntryType, size: u64, uid: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_uid(uid);
    header.set_gid(uid);
    header.set_mtime(1_600_000_000);
    header.set_size(size);
    header
}

/// A layer of `count` files of 2,000 bytes whose contents `seed` changes.
pub fn layer(seed: u8, count: usize) -> (Vec<u8>, Digest) {
    let mut builder = tar::Builder::new(Vec::new());
    for index in 0..count {
        if index % 50 == 0 {
            builder.append_data(&mut header(tar::EntryType::Directory, 0, 0), format!("d{index}"), &[][..]).unwrap();
        }
        let body = [seed, index as u8].repeat(1000);
        let name = format!("d{}/file-{index}", index / 50 * 50);
        builder.append_data(&mut header(tar::EntryType::Regular, body.len() as u64, index as u64 % 3), name, &body[..]).unwrap();
    }
    let archive = builder.into_inner().unwrap();
    let digest = Digest::sha256(&archive);
    (archive, digest)
}

/// Unpacks one blob, or finds it there.
pub fn unpack(store: &Store, map: &IdMap, blob: &[u8], diff_id: &Digest) -> Result<LayerRecord, Error> {
    let unpacker = Unpacker::start(store, map)?;
    let mut job = unpacker.layer(diff_id)?;
    match job.begin()? {
        Begin::Present(record) => Ok(record),
        Begin::Stream(mut pipe) => {
            let _ = pipe.write_all(blob);
            drop(pipe);
            job.finish()?;
            job.commit()
        }
    }
}
