//! Images to measure with, made here: a small one of a directory, and a large one whose content is the same each time.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use dulse::oci::{Digest, Hasher, Platform};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

/// Writes the tree at `rootfs` as a docker-archive of one layer.
pub fn archive_of(rootfs: &Path, name: &str, archive: &Path) -> io::Result<()> {
    let mut layer = tar::Builder::new(Vec::new());
    layer.follow_symlinks(false);
    layer.mode(tar::HeaderMode::Deterministic);
    layer.append_dir_all(".", rootfs)?;
    let layer = layer.into_inner()?;
    let config = configuration(&[Digest::sha256(&layer)]);
    let manifest = json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).to_string();
    let mut builder = tar::Builder::new(File::create(archive)?);
    for (name, contents) in [("layer.tar", layer.as_slice()), ("config.json", config.as_bytes()), ("manifest.json", manifest.as_bytes())] {
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, contents)?;
    }
    builder.finish()
}

/// An image configuration over these layers.
fn configuration(diff_ids: &[Digest]) -> String {
    let platform = Platform::host();
    let history: Vec<_> = diff_ids.iter().map(|_| json!({"created_by": "bench"})).collect();
    json!({
        "architecture": platform.architecture, "os": platform.os, "config": {"Cmd": ["sh"], "Env": ["PATH=/bin:/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
    })
    .to_string()
}

/// The large image: compressed layers as files, and the blobs that name them.
pub struct Large {
    pub layers: Vec<(PathBuf, Digest)>,
    pub config: String,
    pub manifest: String,
}

/// Number of layers and files in each: about 977 MiB in 70,000 files, 235 MiB compressed.
const LAYERS: u64 = 4;
const FILES: u64 = 17_500;

/// Makes the large image in `directory`, or finds it there from an earlier run.
pub fn large(directory: &Path) -> io::Result<Large> {
    fs::create_dir_all(directory)?;
    let mut diff_ids = Vec::new();
    let mut layers = Vec::new();
    for number in 0..LAYERS {
        let path = directory.join(format!("layer-{number}.tar.gz"));
        let known = directory.join(format!("layer-{number}.digests"));
        if let Ok(text) = fs::read_to_string(&known)
            && let Some((blob, diff_id)) = text.split_once(' ')
            && let (Ok(blob), Ok(diff_id)) = (blob.parse::<Digest>(), diff_id.parse::<Digest>())
        {
            layers.push((path, blob));
            diff_ids.push(diff_id);
            continue;
        }
        let (blob, diff_id) = write_layer(number, &path)?;
        fs::write(&known, format!("{blob} {diff_id}"))?;
        layers.push((path, blob));
        diff_ids.push(diff_id);
    }
    let config = configuration(&diff_ids);
    let descriptors: Vec<_> = layers
        .iter()
        .map(|(path, digest)| {
            let size = fs::metadata(path).map(|metadata| metadata.len())?;
            Ok(json!({"mediaType": dulse::oci::media_type::OCI_LAYER_GZIP, "digest": digest, "size": size}))
        })
        .collect::<io::Result<_>>()?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": dulse::oci::media_type::OCI_MANIFEST,
        "config": {"mediaType": dulse::oci::media_type::OCI_CONFIG, "digest": Digest::sha256(config.as_bytes()), "size": config.len()},
        "layers": descriptors,
    })
    .to_string();
    Ok(Large { layers, config, manifest })
}

/// One layer: directories of 100 files, sizes from 1 to 32 KiB and now and then 256 KiB, about a quarter of it incompressible.
fn write_layer(number: u64, path: &Path) -> io::Result<(Digest, Digest)> {
    let blob = Tee { inner: BufWriter::with_capacity(1 << 20, File::create(path)?), hasher: Hasher::sha256() };
    let mut tar = Tee { inner: GzEncoder::new(blob, Compression::new(6)), hasher: Hasher::sha256() };
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ number.wrapping_mul(0xff51_afd7_ed55_8ccd));
    {
        let mut builder = tar::Builder::new(&mut tar);
        for file in 0..FILES {
            if file.is_multiple_of(100) {
                let mut header = header(tar::EntryType::Directory, 0o755, 0);
                builder.append_data(&mut header, format!("usr/share/layer-{number}/{}/", file / 100), io::empty())?;
            }
            let size = if random.next().is_multiple_of(97) { 262_144 } else { 1024 + random.next() % (22 << 10) };
            let mut header = header(tar::EntryType::Regular, if file.is_multiple_of(50) { 0o755 } else { 0o644 }, size);
            let contents = Contents { random: &mut random, left: size };
            builder.append_data(&mut header, format!("usr/share/layer-{number}/{}/file-{file}", file / 100), contents)?;
        }
        builder.finish()?;
    }
    let diff_id = tar.hasher.finish();
    let mut blob = tar.inner.finish()?;
    blob.inner.flush()?;
    Ok((blob.hasher.finish(), diff_id))
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(1_767_225_600);
    header
}

/// Writes through while hashing.
struct Tee<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

/// A file's bytes: a quarter noise, the rest words.
struct Contents<'a> {
    random: &'a mut Random,
    left: u64,
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const WORDS: [&[u8; 8]; 16] = [
            b"struct {",
            b"\treturn ",
            b" = NULL;",
            b"include<",
            b"uint64_t",
            b"\n\n\tif (!",
            b"->length",
            b"const   ",
            b"while (1",
            b"default:",
            b"0x000000",
            b"sizeof( ",
            b"/* the  ",
            b"void * x",
            b"++index;",
            b"}\n\t\t\t\t\t\t",
        ];
        let mut filled = 0;
        while filled < buffer.len() && self.left > 0 {
            let number = self.random.next();
            let noise = number.to_le_bytes();
            let piece: &[u8] = if number % 9 < 2 { &noise[..6] } else { WORDS[(number >> 8) as usize % 16] };
            let count = piece.len().min(buffer.len() - filled).min(usize::try_from(self.left).unwrap_or(usize::MAX));
            buffer[filled..filled + count].copy_from_slice(&piece[..count]);
            filled += count;
            self.left -= count as u64;
        }
        Ok(filled)
    }
}
