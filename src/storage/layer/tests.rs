//! Unpacking and rebuilding, in this process, with a single ID: owners are the only thing that needs more.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::record::Replaced;
use super::worker::{Failure, fill};
use super::{LayerRecord, record};
use crate::oci::Digest;
use crate::sys::xattr;
use crate::userns::IdMap;

/// An archive under construction, byte by byte: the tar crate's builder refuses what hostile archives hold.
#[derive(Clone, Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn entry(mut self, kind: u8, name: &str, link: &str, body: &[u8], change: impl FnOnce(&mut Header)) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_600_000_000);
        header.set_size(body.len() as u64);
        header.set_entry_type(EntryType::new(kind));
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, body: &[u8]) -> Self {
        self.entry(b'0', name, "", body, |_| {})
    }

    fn directory(self, name: &str) -> Self {
        self.entry(b'5', name, "", b"", |header| header.set_mode(0o755))
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(b'2', name, target, b"", |_| {})
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(b'1', name, target, b"", |_| {})
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (1..8).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length).unwrap();
            data.extend_from_slice(format!("{length} {key}=").as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        self.entry(b'x', "pax", "", &data, |_| {})
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize((self.0.len() + 1024).next_multiple_of(10_240), 0);
        self.0
    }
}

/// A directory that a layer is unpacked into, with something beside it that must stay untouched.
struct Place {
    _directory: tempfile::TempDir,
    object: PathBuf,
    outside: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let (object, outside) = (directory.path().join("object"), directory.path().join("outside"));
        fs::create_dir(&object).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), "untouched").unwrap();
        Self { _directory: directory, object, outside }
    }

    fn fill(&self, blob: &[u8], diff_id: &Digest) -> Result<LayerRecord, Failure> {
        fill(&IdMap::single(0, 0, 1000, 1000), diff_id, blob, &self.object)
    }

    fn unpack(&self, archive: &[u8]) -> LayerRecord {
        self.fill(archive, &Digest::sha256(archive)).unwrap_or_else(|failure| panic!("{}", failure.reason))
    }

    fn refuse(&self, archive: &[u8]) -> String {
        let reason = self.fill(archive, &Digest::sha256(archive)).unwrap_err().reason;
        assert_eq!(fs::read(self.outside.join("file")).unwrap(), b"untouched");
        assert_eq!(fs::read_dir(&self.outside).unwrap().count(), 1);
        reason
    }

    fn path(&self, name: &str) -> PathBuf {
        self.object.join("diff").join(name)
    }

    fn rebuild(&self) -> Vec<u8> {
        let replaced: Vec<Replaced> =
            fs::read(self.object.join("bodies.json")).map_or_else(|_| Vec::new(), |bytes| serde_json::from_slice(&bytes).unwrap());
        let mut archive = Vec::new();
        record::rebuild(File::open(&self.object).unwrap(), &replaced, &mut archive).unwrap();
        archive
    }

    fn is_opaque(&self, name: &str) -> bool {
        xattr::get(File::open(self.path(name)).unwrap(), c"user.overlay.opaque").unwrap().is_some()
    }

    fn is_whiteout(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_char_device() && metadata.rdev() == 0)
    }
}

fn round_trip(archive: &[u8]) -> Place {
    let place = Place::new();
    place.unpack(archive);
    assert!(place.rebuild() == archive, "the rebuilt archive differs");
    place
}

#[test]
fn every_kind_of_entry_is_unpacked_and_comes_back() {
    let archive = Tar::default()
        .entry(b'5', "./", "", b"", |header| header.set_mode(0o750))
        .directory("etc/")
        .file("./etc/hosts", b"127.0.0.1")
        .entry(b'0', "su", "", b"x", |header| header.set_mode(0o4755))
        .symlink("lib", "usr/lib")
        .directory("usr")
        .directory("usr/lib")
        .file("lib/through-link", b"1")
        .hard_link("hosts", "/etc/hosts")
        .hard_link("usr/link-to-symlink", "lib")
        .entry(b'6', "fifo", "", b"", |header| header.set_mode(0o600))
        .entry(b'3', "null", "", b"", |_| {})
        .entry(b'5', "set-gid", "", b"", |header| header.set_mode(0o2775))
        .file("set-gid/file", b"")
        .file("missing/parent/file", b"deep")
        .pax(&[("mtime", b"1500000000.123456789"), ("SCHILY.xattr.user.mine", b"a\0b"), ("SCHILY.xattr.user.overlay.opaque", b"y")])
        .file("attributes", b"")
        .pax(&[("path", b"a name that comes from the extended header")])
        .file("short", b"")
        .entry(b'L', "././@LongLink", "", b"gnu long name\0", |_| {})
        .file("short", b"2")
        .end();
    let place = round_trip(&archive);
    assert_eq!(fs::read(place.path("hosts")).unwrap(), b"127.0.0.1");
    assert_eq!(place.path("hosts").metadata().unwrap().nlink(), 2);
    assert_eq!(fs::read(place.path("usr/lib/through-link")).unwrap(), b"1");
    assert_eq!(place.path("su").metadata().unwrap().mode() & 0o7777, 0o4755);
    assert_eq!(place.path("set-gid").metadata().unwrap().mode() & 0o7777, 0o2775);
    assert!(place.path("fifo").metadata().unwrap().file_type().is_fifo());
    assert!(!place.path("null").exists());
    assert_eq!(place.path("etc").metadata().unwrap().mtime(), 1_600_000_000);
    assert_eq!(fs::read_link(place.path("usr/link-to-symlink")).unwrap(), Path::new("usr/lib"));
    let attributes = File::open(place.path("attributes")).unwrap();
    assert_eq!(xattr::get(&attributes, c"user.mine").unwrap().unwrap(), b"a\0b");
    assert_eq!(xattr::get(&attributes, c"user.overlay.opaque").unwrap(), None);
    assert_eq!(attributes.metadata().unwrap().mtime_nsec(), 123_456_789);
    assert!(place.path("a name that comes from the extended header").exists());
    assert_eq!(fs::read(place.path("gnu long name")).unwrap(), b"2");
    assert_eq!(place.path("").metadata().unwrap().mode() & 0o7777, 0o750);
}

#[test]
fn whiteouts_hide_lower_layers_and_never_their_own() {
    let archive = Tar::default()
        .file(".wh.gone", b"")
        .directory("opaque")
        .file("opaque/.wh..wh..opq", b"")
        .file(".wh.reborn", b"")
        .directory("reborn")
        .file("reborn/new", b"")
        .directory("before")
        .file(".wh.before", b"")
        .file("file-before", b"stays")
        .file(".wh.file-before", b"")
        .file(".wh.implicit", b"")
        .file("implicit/child", b"")
        .file(".wh..wh.plnk", b"")
        .file("deep/er/.wh.gone", b"")
        .end();
    let place = round_trip(&archive);
    assert!(place.is_whiteout("gone") && place.is_whiteout("deep/er/gone"));
    for name in ["opaque", "reborn", "before", "implicit"] {
        assert!(place.is_opaque(name), "{name}");
    }
    assert_eq!(fs::read(place.path("file-before")).unwrap(), b"stays");
    assert!(!place.path(".wh..wh.plnk").exists());
}

#[test]
fn what_an_entry_replaces_is_kept_for_the_record() {
    let archive = Tar::default()
        .file("twice", b"first")
        .hard_link("other-name", "twice")
        .file("twice", b"second, longer")
        .directory("directory")
        .file("directory/inner", b"old inner")
        .file("directory/inner", b"newer inner")
        .file("directory", b"now a file")
        .file("file", b"now a directory soon")
        .directory("file")
        .file("file/inner", b"in it")
        .symlink("link", "nowhere")
        .file("link", b"a file")
        .directory("link")
        .symlink("to", "file")
        .file("to/second", b"through a link")
        .directory("to")
        .file("to/third", b"not through it")
        .symlink("empty", "x")
        .directory("empty")
        .symlink("empty", "y")
        .end();
    let place = round_trip(&archive);
    assert_eq!(fs::read(place.path("twice")).unwrap(), b"second, longer");
    assert_eq!(fs::read(place.path("other-name")).unwrap(), b"first");
    assert_eq!(fs::read(place.path("directory")).unwrap(), b"now a file");
    assert_eq!(fs::read(place.path("file/second")).unwrap(), b"through a link");
    assert_eq!(fs::read(place.path("to/third")).unwrap(), b"not through it");
}

#[test]
fn nothing_leads_out_of_the_layer() {
    for name in ["../outside/file", "a/../../outside/file", "..", "/../outside/new"] {
        let reason = Place::new().refuse(&Tar::default().file(name, b"evil").end());
        assert!(reason.contains("leads out of the layer"), "{reason}");
    }
    // Links out of the layer are what they are in the container: links within it.
    let place = Place::new();
    let absolute = fs::canonicalize(&place.outside).unwrap();
    let reason = place.refuse(&Tar::default().symlink("up", "../../outside").file("up/file", b"evil").end());
    assert!(reason.contains("\"up\""), "{reason}");
    let place = Place::new();
    place.refuse(&Tar::default().symlink("up", absolute.to_str().unwrap()).file("up/file", b"evil").end());
    let place = Place::new();
    place.refuse(&Tar::default().symlink("up", "../outside/file").hard_link("stolen", "up/../../outside/file").end());
    for target in ["../outside/file", "/../outside/file", "nothing", "", "/"] {
        let reason = Place::new().refuse(&Tar::default().hard_link("stolen", target).end());
        assert!(reason.contains("leads out") || reason.contains("does not have"), "{reason}");
    }
    // A file is written in the place of a link, not through it.
    let place = Place::new();
    place.unpack(&Tar::default().symlink("file", "../../outside/file").file("file", b"evil").end());
    assert_eq!(fs::read(place.outside.join("file")).unwrap(), b"untouched");
    let absolute_name = Place::new();
    absolute_name.unpack(&Tar::default().file("/etc/passwd", b"x").end());
    assert_eq!(fs::read(absolute_name.path("etc/passwd")).unwrap(), b"x");
}

#[test]
fn broken_archives_are_errors_without_panic() {
    let good = Tar::default().file("file", &[7; 3000]).end();
    let cut = |length: usize| Place::new().refuse(&good[..length]);
    assert!(cut(600).contains("cut short") && cut(100).contains("cut short"));
    // The end of the archive may be missing, but not the end of a file.
    Place::new().unpack(&good[..512 + 3072]);
    let bomb = Tar::default().entry(b'0', "bomb", "", b"few bytes", |header| header.set_size(10 << 30)).end();
    assert!(Place::new().refuse(&bomb).contains("cut short"));
    let huge = Tar::default().pax(&[("size", b"18446744073709551615")]).file("huge", b"").end();
    assert!(Place::new().refuse(&huge).contains("bytes long"));
    let mut wrong = good.clone();
    wrong[0] ^= 1;
    assert!(Place::new().refuse(&wrong).contains("checksum"));
    assert!(Place::new().refuse(&[b"not a tar archive at all ".repeat(50).as_slice()].concat()).contains("checksum"));
    let header = Tar::default().entry(b'x', "pax", "", b"", |header| header.set_size(2 << 20)).end();
    assert!(Place::new().refuse(&header).contains("extended header"));
    assert!(Place::new().refuse(&Tar::default().pax(&[("mtime", b"soon")]).file("f", b"").end()).contains("mtime"));
    assert!(Place::new().refuse(&Tar::default().entry(b'V', "volume", "", b"", |_| {}).end()).contains("unknown type"));
    assert!(Place::new().refuse(&Tar::default().pax(&[("path", b"a\0b")]).file("f", b"").end()).contains("zero byte"));
    assert!(Place::new().refuse(&Tar::default().file("file", b"").file("file/below", b"").end()).contains("is none"));
    let place = Place::new();
    let reason = place.fill(&good, &Digest::sha256(b"other")).unwrap_err().reason;
    assert!(reason.contains("was expected"), "{reason}");
}

#[test]
fn wrong_sparse_maps_are_refused() {
    let body = b"1\n0\n99999999999\n".iter().copied().chain([0; 496]).chain(*b"data").collect::<Vec<u8>>();
    let format_1 = |body: &[u8]| {
        Tar::default()
            .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.name", b"s"), ("GNU.sparse.realsize", b"100")])
            .file("x", body)
            .end()
    };
    assert!(Place::new().refuse(&format_1(&body)).contains("sparse"));
    assert!(Place::new().refuse(&format_1(&[b'9'; 2000])).contains("sparse"));
    assert!(Place::new().refuse(&format_1(b"99999999999999\n")).contains("sparse"));
    for map in ["0,4,2,0", "8,4", "0,1,1", "0,18446744073709551615,1,5"] {
        let archive = Tar::default().pax(&[("GNU.sparse.map", map.as_bytes()), ("GNU.sparse.size", b"10")]).file("x", b"data").end();
        Place::new().refuse(&archive);
    }
}

#[test]
fn sparse_files_of_every_format_of_gnu_tar() {
    let source = tempfile::tempdir_in("/var/tmp").unwrap();
    let mut expected = vec![0_u8; 3 << 20];
    for piece in 0..30 {
        expected[piece * 100_000..][..4096].fill(piece as u8 + 1);
    }
    let file = File::create(source.path().join("holes")).unwrap();
    file.set_len(expected.len() as u64).unwrap();
    for (index, block) in expected.chunks(4096).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0)) {
        std::os::unix::fs::FileExt::write_all_at(&file, block, index as u64 * 4096).unwrap();
    }
    for format in
        [&["--format=gnu"][..], &["--format=pax", "--sparse-version=0.0"], &["--format=pax", "--sparse-version=0.1"], &["--format=pax"]]
    {
        let output = std::process::Command::new("tar").args(format).arg("-ScC").arg(source.path()).arg("holes").output().unwrap();
        assert!(output.status.success());
        assert!(output.stdout.len() < 1 << 20, "{format:?}");
        let place = round_trip(&output.stdout);
        assert!(fs::read(place.path("holes")).unwrap() == expected, "{format:?}");
        assert!(place.path("holes").metadata().unwrap().blocks() * 512 < 1 << 20, "{format:?}");
    }
}

#[test]
fn compressed_layers_with_bytes_after_their_end_come_back() {
    let mut archive = Tar::default().file("file", &[1; 70_000]).end();
    archive.extend_from_slice(b"and something after the end");
    let place = Place::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&archive).unwrap();
    let record = place.fill(&encoder.finish().unwrap(), &Digest::sha256(&archive)).unwrap_or_else(|failure| panic!("{}", failure.reason));
    assert_eq!((record.tar_size, record.size, record.entries), (archive.len() as u64, 70_000, 1));
    assert!(place.rebuild() == archive);
}

/// Names that meet each other often.
fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", ".", "..", ".wh.a", ".wh..wh..opq"]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_archive_is_refused_or_comes_back(entries in prop::collection::vec((0..6, name(), name(), 0..2000_usize), 0..30)) {
        let mut archive = Tar::default();
        for (kind, name, target, length) in &entries {
            archive = match kind {
                0 | 1 => archive.file(name, &vec![*length as u8; *length]),
                2 => archive.directory(name),
                3 => archive.symlink(name, target),
                4 => archive.hard_link(name, target),
                _ => archive.entry(b'6', name, "", b"", |_| {}),
            };
        }
        let archive = archive.end();
        let place = Place::new();
        if place.fill(&archive, &Digest::sha256(&archive)).is_ok() {
            prop_assert!(place.rebuild() == archive);
        }
        prop_assert_eq!(fs::read(place.outside.join("file")).unwrap(), b"untouched");
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let place = Place::new();
        let _ = place.fill(&bytes, &Digest::sha256(&bytes));
    }
}
