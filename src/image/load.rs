//! `load`, and the transports that name something on disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::files::Files;
use super::ingest::ingest;
use super::local::{self, LocalImage};
use super::progress::{Progress, Silent};
use super::{Error, hello};
use crate::config::Config;
use crate::oci::{Platform, Reference};
use crate::storage::image::ImageRecord;
use crate::storage::{self, Store};

/// Loads every image of an archive (docker-archive or oci-archive, plain or compressed by gzip or zstd) or of a directory (OCI layout or
/// `dir`). `None` reads standard input.
pub fn load(store: &Store, config: &Config, input: Option<&Path>, progress: &dyn Progress) -> Result<Vec<ImageRecord>, Error> {
    let platform = Platform::host();
    let path = input.unwrap_or(Path::new("standard input"));
    let images = match input {
        Some(path) if path.is_dir() => {
            let files = Files::Directory(path.to_owned());
            if path.join("index.json").exists() {
                local::oci_layout(&files, None, &platform)?
            } else {
                vec![local::directory(path, &platform)?]
            }
        }
        Some(path) => of_archive(store, path, File::open(path).map_err(Error::io("open", path))?, None, &platform)?,
        None => of_archive(store, path, spooled(store, path, io::stdin().lock())?, None, &platform)?,
    };
    config.policy(None)?.check("docker-archive", &path.display().to_string())?;
    images.iter().map(|image| ingest(store, image, progress)).collect::<Result<_, _>>().inspect_err(|error| discard(store, error))
}

/// After a refusal: the layers that came well but that no image needs now. What a broken connection interrupted is kept for the next try.
pub(super) fn discard(store: &Store, error: &Error) {
    if !matches!(error, Error::Copy { .. } | Error::Source { .. }) {
        // The refusal is what is to be told; the next collection does what this one cannot.
        let _ = storage::image::collect_layers(store);
    }
}

/// Brings what a transport names on disk into the store; `None` where `name` has no such transport.
pub fn from_transport(
    store: &Store,
    config: &Config,
    name: &str,
    platform: &Platform,
    progress: &dyn Progress,
) -> Result<Option<Vec<ImageRecord>>, Error> {
    let Some((transport, rest)) = name.split_once(':') else { return Ok(None) };
    let (path, selector) = local::path_and_selector(rest);
    let images = match transport {
        "dir" => vec![local::directory(Path::new(rest), platform)?],
        "oci" => local::oci_layout(&Files::Directory(path.clone()), selector, platform)?,
        "oci-archive" | "docker-archive" => {
            let file = File::open(&path).map_err(Error::io("open", &path))?;
            of_archive(store, &path, file, selector, platform)?
        }
        _ => return Ok(None),
    };
    config.policy(None)?.check(transport, rest)?;
    let records = images.into_iter().map(|mut image| {
        if image.names.is_empty() {
            image.names.extend(local_name(transport, rest));
        }
        ingest(store, &image, progress)
    });
    records.collect::<Result<_, _>>().map(Some).inspect_err(|error| discard(store, error))
}

/// The name of an image that has none: `localhost/` and the path, as podman makes it.
fn local_name(transport: &str, rest: &str) -> Option<Reference> {
    let (path, selector) = local::path_and_selector(rest);
    let text = match (transport, selector) {
        ("oci" | "oci-archive", Some(selector)) if !selector.starts_with('@') => {
            return Reference::normalized(selector).ok().map(Reference::with_default_tag);
        }
        ("dir", _) => rest.trim_matches('/').to_owned(),
        _ => path.to_string_lossy().trim_matches('/').to_owned(),
    };
    format!("localhost/{text}").parse().ok().map(Reference::with_default_tag)
}

/// The embedded image.
pub fn hello(store: &Store) -> Result<ImageRecord, Error> {
    let name = Path::new("the embedded image");
    let bytes = hello::archive().map_err(Error::io("make", name))?;
    let file = spooled(store, name, bytes.as_slice())?;
    let images = of_archive(store, name, file, None, &Platform::host())?;
    let image = images.first().ok_or_else(|| Error::invalid("the embedded image", "it is empty"))?;
    ingest(store, image, &Silent)
}

/// What an archive holds, told by the files in it.
fn of_archive(store: &Store, path: &Path, mut file: File, selector: Option<&str>, platform: &Platform) -> Result<Vec<LocalImage>, Error> {
    let mut magic = [0; 4];
    let read = file.read(&mut magic).map_err(Error::io("read", path))?;
    file.seek(SeekFrom::Start(0)).or_else(|error| if read == 0 { Ok(0) } else { Err(error) }).map_err(Error::io("read", path))?;
    let file = match magic {
        [0x1f, 0x8b, ..] => spooled(store, path, flate2::read::MultiGzDecoder::new(file))?,
        [0x28, 0xb5, 0x2f, 0xfd] => spooled(store, path, zstd::Decoder::new(file).map_err(Error::io("read", path))?)?,
        _ => file,
    };
    let files = Files::archive(path, file)?;
    if files.open("index.json")?.is_some() && files.open("oci-layout")?.is_some() && files.open("manifest.json")?.is_none() {
        return local::oci_layout(&files, selector, platform);
    }
    let mut images = local::docker_archive(&files)?;
    if let Some(selector) = selector {
        let index = selector.strip_prefix('@').and_then(|position| position.parse::<usize>().ok());
        let wanted = Reference::normalized(selector).ok().map(Reference::with_default_tag);
        let mut position = 0;
        images.retain(|image| {
            position += 1;
            index.map_or_else(|| wanted.as_ref().is_some_and(|wanted| image.names.contains(wanted)), |index| position - 1 == index)
        });
    }
    if images.is_empty() {
        return Err(Error::invalid(path.display().to_string(), "no image found in it"));
    }
    Ok(images)
}

/// A copy without a name in the store's directory for work in progress: layers are read by position, side by side.
fn spooled(store: &Store, path: &Path, mut input: impl Read) -> Result<File, Error> {
    let directory = store.data().join("tmp");
    let mut file = tempfile::tempfile_in(&directory).map_err(Error::io("make a temporary file in", &directory))?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = input.read(&mut buffer).map_err(Error::io("read", path))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).map_err(Error::io("write a temporary file in", &directory))?;
    }
    file.seek(SeekFrom::Start(0)).map_err(Error::io("read", path))?;
    Ok(file)
}
