//! The embedded image `hello`: an image of one static program (helpers/hello.rs) that shows the sandbox it runs in, so that a
//! first `run` needs no registry.

use serde_json::json;

use crate::oci::{Digest, Platform};

/// The name it is kept under; `hello` resolves to it where no image of the user's has that name.
pub const NAME: &str = "localhost/hello:latest";

/// The program, built by build.rs.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello"));

/// The image as a docker-archive: always the same bytes, hence the same image ID.
pub fn archive() -> std::io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "hello", 0o755, PROGRAM)?;
    let layer = layer.into_inner()?;
    let platform = Platform::host();
    let config = json!({
        "created": "2026-01-01T00:00:00Z",
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {
            "Cmd": ["/hello"],
            "Env": ["PATH=/"],
            "Labels": {"org.opencontainers.image.title": "hello", "org.opencontainers.image.licenses": "MIT OR Apache-2.0"},
        },
        "rootfs": {"type": "layers", "diff_ids": [Digest::sha256(&layer)]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "dulse: the program that shows its own sandbox"}],
    })
    .to_string();
    let manifest = json!([{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]).to_string();
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "layer.tar", 0o644, &layer)?;
    append(&mut archive, "config.json", 0o644, config.as_bytes())?;
    append(&mut archive, "manifest.json", 0o644, manifest.as_bytes())?;
    archive.into_inner()
}

fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, mode: u32, contents: &[u8]) -> std::io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(contents.len() as u64);
    header.set_mode(mode);
    header.set_mtime(1_767_225_600);
    builder.append_data(&mut header, name, contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_a_static_elf_file_and_small() {
        assert_eq!(&PROGRAM[..4], b"\x7fELF");
        assert!(PROGRAM.len() < 64 << 10, "{} bytes", PROGRAM.len());
    }

    #[test]
    fn the_archive_is_the_same_each_time() {
        assert_eq!(archive().unwrap(), archive().unwrap());
    }
}
