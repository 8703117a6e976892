//! Images made in the test itself, entry by entry, so that a test can say exactly what is in them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use dulse::oci::{Digest, Platform};
use serde_json::{Value, json};
use tar::{EntryType, Header};

/// One layer under construction. Paths and links are written as given: `..` and absolute ones, too.
#[derive(Default)]
pub struct Layer {
    bytes: Vec<u8>,
    pax: Vec<u8>,
}

/// The attributes of an entry.
#[derive(Clone, Copy)]
pub struct Attributes {
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// What [`Layer::file`] and its kin give: root's, 0644 (0755 for directories), 2025-01-01.
pub const PLAIN: Attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 1_735_689_600 };

impl Layer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn dir(self, path: &str) -> Self {
        self.dir_with(path, Attributes { mode: 0o755, ..PLAIN })
    }

    pub fn dir_with(self, path: &str, attributes: Attributes) -> Self {
        self.entry(EntryType::Directory, path, "", attributes, &[])
    }

    pub fn file(self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        self.file_with(path, contents, PLAIN)
    }

    /// A file that can be executed.
    pub fn program(self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        self.file_with(path, contents, Attributes { mode: 0o755, ..PLAIN })
    }

    pub fn file_with(self, path: &str, contents: impl AsRef<[u8]>, attributes: Attributes) -> Self {
        self.entry(EntryType::Regular, path, "", attributes, contents.as_ref())
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, Attributes { mode: 0o777, ..PLAIN }, &[])
    }

    pub fn hardlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, PLAIN, &[])
    }

    pub fn fifo(self, path: &str) -> Self {
        self.entry(EntryType::Fifo, path, "", PLAIN, &[])
    }

    pub fn character_device(mut self, path: &str, major: u32, minor: u32) -> Self {
        let mut header = header(EntryType::Char, PLAIN, 0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        self.append(header, path, "", &[]);
        self
    }

    /// A whiteout: `path` of the layers below is gone.
    pub fn whiteout(self, path: &str) -> Self {
        let (directory, name) = path.rsplit_once('/').map_or(("", path), |(directory, name)| (directory, name));
        let separator = if directory.is_empty() { "" } else { "/" };
        self.file(&format!("{directory}{separator}.wh.{name}"), "")
    }

    /// An opaque directory: nothing of the layers below shows in it.
    pub fn opaque(self, path: &str) -> Self {
        self.file(&format!("{path}/.wh..wh..opq"), "")
    }

    /// PAX records for the next entry: `("mtime", b"1.5")`, `("SCHILY.xattr.user.x", b"value")`, `("path", …)`.
    pub fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        for (key, value) in records {
            // "length key=value\n", where the length counts its own digits.
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            self.pax.extend(format!("{length} {key}=").into_bytes());
            self.pax.extend(*value);
            self.pax.push(b'\n');
        }
        self
    }

    /// Any entry.
    pub fn entry(mut self, kind: EntryType, path: &str, link: &str, attributes: Attributes, contents: &[u8]) -> Self {
        self.append(header(kind, attributes, contents.len() as u64), path, link, contents);
        self
    }

    /// An entry whose header claims `size` bytes whatever follows.
    pub fn lying_file(mut self, path: &str, size: u64, contents: &[u8]) -> Self {
        self.append(header(EntryType::Regular, PLAIN, size), path, "", contents);
        self
    }

    /// Bytes that are no entry at all.
    pub fn garbage(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    fn append(&mut self, mut header: Header, path: &str, link: &str, contents: &[u8]) {
        let pax = std::mem::take(&mut self.pax);
        if !pax.is_empty() {
            self.append(self::header(EntryType::XHeader, PLAIN, pax.len() as u64), "PaxHeaders/entry", "", &pax);
        }
        for (text, kind) in [(path, EntryType::GNULongName), (link, EntryType::GNULongLink)] {
            if text.len() > 100 {
                let name = [text.as_bytes(), b"\0"].concat();
                self.append(self::header(kind, PLAIN, name.len() as u64), "././@LongLink", "", &name);
            }
        }
        // Raw, since the tar crate refuses what some tests are about.
        let fields = header.as_old_mut();
        copy(&mut fields.name, path);
        copy(&mut fields.linkname, link);
        header.set_cksum();
        self.bytes.extend(header.as_bytes());
        self.bytes.extend(contents);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    /// The finished archive.
    pub fn tar(mut self) -> Vec<u8> {
        self.bytes.extend([0; 1024]);
        self.bytes
    }
}

fn header(kind: EntryType, attributes: Attributes, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(attributes.mode);
    header.set_uid(attributes.uid);
    header.set_gid(attributes.gid);
    header.set_mtime(attributes.mtime);
    header.set_size(size);
    header
}

fn copy(field: &mut [u8; 100], text: &str) {
    let length = text.len().min(100);
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}

/// How a layer's blob is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// An image: its configuration and its layers.
#[derive(Clone)]
pub struct Image {
    /// The `config` object of the image configuration: Cmd, Env, User…
    pub config: Value,
    pub platform: Platform,
    layers: Vec<(Vec<u8>, Compression)>,
    /// Manifests in Docker's types instead of OCI's.
    pub docker: bool,
}

/// A blob and what a descriptor says of it.
#[derive(Clone)]
pub struct Blob {
    pub media_type: String,
    pub digest: Digest,
    pub bytes: Vec<u8>,
}

impl Blob {
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Self { media_type: media_type.to_owned(), digest: Digest::sha256(&bytes), bytes }
    }

    pub fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// An image's blobs as they are stored: the layers, the configuration, the manifest last.
pub struct Blobs {
    pub layers: Vec<Blob>,
    pub config: Blob,
    pub manifest: Blob,
}

impl Blobs {
    pub fn all(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().chain([&self.config, &self.manifest])
    }
}

impl Image {
    /// An image that runs `sh`.
    pub fn new() -> Self {
        let config = json!({"Cmd": ["sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]});
        Self { config, platform: Platform::host(), layers: Vec::new(), docker: false }
    }

    /// Sets one member of the configuration: `.with("User", "1000")`.
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.config[member] = value.into();
        self
    }

    /// Adds a layer, compressed by gzip where it is stored as a blob.
    pub fn layer(self, layer: Layer) -> Self {
        self.layer_as(layer.tar(), Compression::Gzip)
    }

    /// Adds a layer's archive.
    pub fn layer_as(mut self, tar: Vec<u8>, compression: Compression) -> Self {
        self.layers.push((tar, compression));
        self
    }

    /// The image's configuration, which names the layers by their diff IDs.
    pub fn configuration(&self) -> Value {
        let diff_ids: Vec<Digest> = self.layers.iter().map(|(tar, _)| Digest::sha256(tar)).collect();
        let created = "2025-01-01T00:00:00Z";
        let history: Vec<Value> =
            (0..diff_ids.len()).map(|number| json!({"created": created, "created_by": format!("layer {number}")})).collect();
        json!({
            "architecture": self.platform.architecture, "os": self.platform.os, "created": created, "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
        })
    }

    /// The image's ID: the digest of its configuration.
    pub fn id(&self) -> Digest {
        Digest::sha256(self.configuration().to_string().as_bytes())
    }

    /// The blobs as a registry keeps them.
    pub fn blobs(&self) -> Blobs {
        let layers = self.layers.iter().map(|(tar, compression)| self.layer_blob(tar, *compression)).collect::<Vec<_>>();
        let kind = if self.docker { "vnd.docker.container.image.v1" } else { "vnd.oci.image.config.v1" };
        let config = Blob::new(&format!("application/{kind}+json"), self.configuration().to_string().into_bytes());
        let kind = if self.docker { "vnd.docker.distribution.manifest.v2" } else { "vnd.oci.image.manifest.v1" };
        let media_type = format!("application/{kind}+json");
        let descriptors: Vec<Value> = layers.iter().map(Blob::descriptor).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config.descriptor(), "layers": descriptors});
        let manifest = Blob::new(&media_type, manifest.to_string().into_bytes());
        Blobs { layers, config, manifest }
    }

    fn layer_blob(&self, tar: &[u8], compression: Compression) -> Blob {
        let kind = if self.docker { "vnd.docker.image.rootfs.diff.tar" } else { "vnd.oci.image.layer.v1.tar" };
        let (suffix, bytes) = match compression {
            Compression::None => ("", tar.to_owned()),
            Compression::Gzip => (if self.docker { ".gzip" } else { "+gzip" }, gzip(tar)),
            Compression::Zstd => (if self.docker { ".zstd" } else { "+zstd" }, zstd::encode_all(tar, 3).unwrap()),
        };
        Blob::new(&format!("application/{kind}{suffix}"), bytes)
    }

    /// Writes a docker-archive as `docker save` does, under these names.
    pub fn docker_archive(&self, path: &Path, names: &[&str]) -> PathBuf {
        let config = self.configuration().to_string();
        let files: Vec<String> = (0..self.layers.len()).map(|number| format!("{number}/layer.tar")).collect();
        let manifest = json!([{"Config": "config.json", "RepoTags": names, "Layers": files}]).to_string();
        let mut archive = Layer::new();
        for (name, (tar, _)) in files.iter().zip(&self.layers) {
            archive = archive.file(name, tar);
        }
        let bytes = archive.file("config.json", config).file("manifest.json", manifest).tar();
        fs::write(path, bytes).unwrap();
        path.to_owned()
    }

    /// Writes an OCI image layout into a directory.
    pub fn oci_layout(&self, directory: &Path, name: &str) -> PathBuf {
        for (file, bytes) in self.layout(name) {
            let path = directory.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        directory.to_owned()
    }

    /// Writes an OCI image layout into a tar archive.
    pub fn oci_archive(&self, path: &Path, name: &str) -> PathBuf {
        let archive = self.layout(name).into_iter().fold(Layer::new(), |archive, (file, bytes)| archive.file(&file, bytes));
        fs::write(path, archive.tar()).unwrap();
        path.to_owned()
    }

    /// Writes the image as the `dir:` transport does: blobs by their digests beside manifest.json.
    pub fn dir(&self, directory: &Path) -> PathBuf {
        let blobs = self.blobs();
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("version"), "Directory Transport Version: 1.1\n").unwrap();
        fs::write(directory.join("manifest.json"), &blobs.manifest.bytes).unwrap();
        for blob in blobs.layers.iter().chain([&blobs.config]) {
            fs::write(directory.join(blob.digest.hex()), &blob.bytes).unwrap();
        }
        directory.to_owned()
    }

    fn layout(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let blobs = self.blobs();
        let mut descriptor = blobs.manifest.descriptor();
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
        let mut files = vec![
            ("oci-layout".to_owned(), b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec()),
            ("index.json".to_owned(), index.to_string().into_bytes()),
        ];
        files.extend(blobs.all().map(|blob| (format!("blobs/sha256/{}", blob.digest.hex()), blob.bytes.clone())));
        files
    }
}

/// An image index over manifests, each with its platform.
pub fn index(images: &[&Image]) -> Blob {
    let manifests: Vec<Value> = images
        .iter()
        .map(|image| {
            let mut descriptor = image.blobs().manifest.descriptor();
            descriptor["platform"] = json!({"architecture": image.platform.architecture, "os": image.platform.os});
            descriptor
        })
        .collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    Blob::new(media_type, json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}).to_string().into_bytes())
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
