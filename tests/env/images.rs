//! The images that many tests run.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;

use super::host;
use super::image::{Attributes, Compression, Image, Layer, PLAIN};

/// `localhost/busybox:latest`: /bin/busybox of the host with its applets as symbolic links, and a user `user` (1000).
pub fn busybox() -> Image {
    static LAYER: OnceLock<Vec<u8>> = OnceLock::new();
    Image::new().layer_as(LAYER.get_or_init(|| busybox_layer().tar()).clone(), Compression::Gzip)
}

/// The layer of [`busybox`], for images that build upon it.
pub fn busybox_layer() -> Layer {
    let program = fs::read("/bin/busybox").expect("/bin/busybox (package busybox-static)");
    let list = Command::new("/bin/busybox").arg("--list").output().unwrap().stdout;
    let applets = String::from_utf8(list).unwrap();
    let mut layer = Layer::new();
    for directory in ["bin", "dev", "etc", "home", "proc", "root", "run", "sys", "usr", "usr/bin", "var"] {
        layer = layer.dir(directory);
    }
    layer = layer.dir_with("tmp", Attributes { mode: 0o1777, ..PLAIN });
    layer = layer.dir_with("home/user", Attributes { mode: 0o755, uid: 1000, gid: 1000, ..PLAIN });
    layer = layer.program("bin/busybox", program);
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        layer = layer.symlink(&format!("bin/{applet}"), "busybox");
    }
    layer
        .file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:a user:/home/user:/bin/sh\n")
        .file("etc/group", "root:x:0:\ntty:x:5:\nuser:x:1000:\nextra:x:2000:user\n")
        .file("etc/issue", "busybox of the tests\n")
        .symlink("usr/bin/env", "../../bin/busybox")
}

/// Every kind of entry a layer can hold, in three layers above busybox, stored uncompressed, as gzip and as zstd.
pub fn everything() -> Image {
    let long = format!("long/{}/{}", "d".repeat(90), "f".repeat(90));
    let pax_long = format!("long/{}", "p".repeat(200));
    // CAP_NET_RAW, permitted and effective, as setcap(8) writes it (VFS_CAP_REVISION_2).
    let capability = [[1, 0, 0, 2u8], [0, 0x20, 0, 0], [0; 4], [0; 4], [0; 4]].concat();
    let entries = Layer::new()
        .dir("kinds")
        .file("kinds/file", "contents\n")
        .file("kinds/empty", "")
        .hardlink("kinds/hardlink", "kinds/file")
        .symlink("kinds/symlink", "file")
        .symlink("kinds/dangling", "/no/such/file")
        .symlink("kinds/absolute", "/kinds/file")
        .hardlink("kinds/hardlink-to-symlink", "kinds/symlink")
        .fifo("kinds/fifo")
        .character_device("kinds/null", 1, 3)
        .file_with("kinds/setuid", "#!/bin/sh\n", Attributes { mode: 0o4755, ..PLAIN })
        .file_with("kinds/setgid", "#!/bin/sh\n", Attributes { mode: 0o2755, gid: 5, ..PLAIN })
        .dir_with("kinds/sticky", Attributes { mode: 0o1777, ..PLAIN })
        .file_with("kinds/owned", "user's\n", Attributes { mode: 0o600, uid: 1000, gid: 2000, ..PLAIN })
        .file_with("kinds/no-access", "", Attributes { mode: 0, ..PLAIN })
        .dir_with("kinds/closed", Attributes { mode: 0o500, ..PLAIN })
        .file("kinds/closed/inside", "inside\n")
        .pax(&[("mtime", b"1735689600.123456789")])
        .file("kinds/nanoseconds", "")
        .pax(&[("SCHILY.xattr.user.note", b"an attribute")])
        .file("kinds/xattr", "")
        .pax(&[("SCHILY.xattr.security.capability", &capability)])
        .program("kinds/capability", "#!/bin/sh\n")
        .file(&format!("{long}-gnu"), "gnu long name\n")
        .pax(&[("path", pax_long.as_bytes())])
        .file("short", "pax long name\n")
        .file("kinds/caf\u{e9}", "utf-8\n")
        .file("kinds/space and\nnewline", "odd name\n");
    let below = Layer::new()
        .dir("gone")
        .file("gone/a", "a")
        .file("gone/b", "b")
        .dir("opaque")
        .file("opaque/old", "old")
        .dir("replaced")
        .file("replaced/inside", "")
        .file("file-to-dir", "")
        .file("whiteout-then-new", "old");
    let above = Layer::new()
        .whiteout("gone/a")
        .opaque("opaque")
        .file("opaque/new", "new")
        .whiteout("replaced")
        .file("replaced", "a file now")
        .dir("file-to-dir")
        .file("file-to-dir/inside", "inside")
        .whiteout("no-such-file")
        .file("whiteout-then-new", "new");
    busybox()
        .layer_as(sparse(entries).tar(), Compression::Gzip)
        .layer_as(below.tar(), Compression::Zstd)
        .layer_as(above.tar(), Compression::None)
}

/// Adds `sparse`: a file of 1 MiB + 4 bytes whose only data are the four bytes at its end, in PAX format 1.0.
fn sparse(layer: Layer) -> Layer {
    let mut body = b"1\n1048576\n4\n".to_vec();
    body.resize(512, 0);
    body.extend(b"tail");
    layer
        .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.name", b"sparse"), ("GNU.sparse.realsize", b"1048580")])
        .file("GNUSparseFile.0/sparse", body)
}

/// A Debian minbase that mmdebstrap made (tests/material); a `skipped:` line where there is none.
pub fn debian() -> Option<Image> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/material/debian.tar");
    let Ok(tar) = fs::read(path) else {
        host::skipped("no target/material/debian.tar; tests/material makes it");
        return None;
    };
    Some(Image::new().with("Cmd", json!(["bash"])).layer_as(tar, Compression::Gzip))
}
