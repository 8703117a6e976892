//! What takes how much disk: images, the containers' own files, volumes.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::task::{self, Task};
use super::{ContainerConfig, Error, MountKind, Root, Store, containers, image, layer, volumes};

/// Everything in the store.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub images: Vec<ImageUsage>,
    pub containers: Vec<ContainerUsage>,
    pub volumes: Vec<VolumeUsage>,
}

#[derive(Clone, Debug, Default)]
pub struct ImageUsage {
    pub image: image::ImageRecord,
    /// Bytes of layers that other images have as well.
    pub shared: u64,
    pub unique: u64,
    /// Number of containers made from it.
    pub containers: usize,
}

#[derive(Clone, Debug, Default)]
pub struct ContainerUsage {
    pub id: String,
    /// Bytes of the files that the container has made or changed.
    pub size: u64,
    pub volumes: usize,
}

#[derive(Clone, Debug, Default)]
pub struct VolumeUsage {
    pub name: String,
    pub size: u64,
    /// Number of containers that have it mounted.
    pub links: usize,
}

/// Measures everything; files that only other IDs may see as well.
pub fn usage(store: &Store) -> Result<Usage, Error> {
    let configs: Vec<ContainerConfig> =
        containers::list_ids(store)?.iter().filter_map(|id| containers::load_config(store, id).ok()).collect();
    let volumes = volumes::list(store)?;
    let uppers = configs.iter().map(|config| containers::paths(store, &config.id).upper);
    let trees: Vec<PathBuf> = uppers.chain(volumes.iter().map(|volume| volumes::data(store, &volume.name))).collect();
    let sizes = measure(&trees)?;
    let (upper_sizes, volume_sizes) = sizes.split_at(configs.len());
    let uses =
        |config: &ContainerConfig, name: &str| config.mounts.iter().any(|mount| mount.kind == MountKind::Volume && mount.source == name);
    Ok(Usage {
        images: images(store, &configs)?,
        containers: configs
            .iter()
            .zip(upper_sizes)
            .map(|(config, size)| ContainerUsage {
                id: config.id.clone(),
                size: *size,
                volumes: config.mounts.iter().filter(|mount| mount.kind == MountKind::Volume).count(),
            })
            .collect(),
        volumes: volumes
            .iter()
            .zip(volume_sizes)
            .map(|(volume, size)| VolumeUsage {
                name: volume.name.clone(),
                size: *size,
                links: configs.iter().filter(|config| uses(config, &volume.name)).count(),
            })
            .collect(),
    })
}

fn images(store: &Store, configs: &[ContainerConfig]) -> Result<Vec<ImageUsage>, Error> {
    let images = image::list(store)?;
    let mut owners = HashMap::<&str, usize>::new();
    for image in &images {
        for layer in image.layers.iter().collect::<HashSet<_>>() {
            *owners.entry(layer).or_default() += 1;
        }
    }
    let bytes = |layer: &String| layer.parse().ok().and_then(|diff_id| layer::get(store, &diff_id)).map_or(0, |record| record.tar_size);
    Ok(images
        .iter()
        .map(|image| {
            let shared = image.layers.iter().filter(|layer| owners[layer.as_str()] > 1).map(bytes).sum();
            let made = |config: &&ContainerConfig| matches!(&config.root, Root::Image { id, .. } if *id == image.id);
            ImageUsage {
                shared,
                unique: image.size.saturating_sub(shared),
                containers: configs.iter().filter(made).count(),
                image: image.clone(),
            }
        })
        .collect())
}

/// The size of each tree: file lengths, every inode once. Looks with the user's own rights first, and as the user's other IDs only where
/// these do not suffice.
pub fn measure(trees: &[PathBuf]) -> Result<Vec<u64>, Error> {
    if let Ok(sizes) = trees.iter().map(|tree| size(tree)).collect() {
        return Ok(sizes);
    }
    let lost = |error: std::io::Error| Error::Worker(format!(": {error}"));
    let mut answer = tempfile::tempfile().map_err(lost)?;
    task::run(&Task::Measure { trees: trees.to_vec() }, &[answer.as_fd()])?;
    answer.seek(SeekFrom::Start(0)).map_err(lost)?;
    let mut text = String::new();
    answer.read_to_string(&mut text).map_err(lost)?;
    let sizes: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    if sizes.len() == trees.len() { Ok(sizes) } else { Err(Error::Worker(": incomplete answer".into())) }
}

/// The worker's part of [`measure`]. What disappears while it looks is not there.
pub(super) fn answer(trees: &[PathBuf], to: &mut File) -> std::io::Result<()> {
    trees.iter().try_for_each(|tree| writeln!(to, "{}", size(tree).unwrap_or(0)))
}

fn size(tree: &Path) -> std::io::Result<u64> {
    let mut linked = HashSet::new();
    let mut total = 0;
    let mut queue = vec![tree.to_owned()];
    let gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    while let Some(directory) = queue.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if gone(&error) => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Err(error) if gone(&error) => continue,
                other => other?,
            };
            if metadata.is_dir() {
                queue.push(entry.path());
            } else if metadata.nlink() == 1 || linked.insert((metadata.dev(), metadata.ino())) {
                total += metadata.len();
            }
        }
    }
    Ok(total)
}

/// Removes everything of the store, its own entries one by one: `--root` may name a directory that holds other things as well.
/// Containers must have been stopped before.
pub fn reset(store: &Store) -> Result<(), Error> {
    let entries = super::DIRECTORIES.iter().filter_map(|name| name.split('/').next()).chain(["mapped", "events"]);
    for entry in entries {
        super::remove_tree(&store.data().join(entry))?;
    }
    super::remove_tree(&store.runtime().join("containers"))?;
    for directory in [store.data(), store.runtime()] {
        // It stays where something else is in it.
        let _ = std::fs::remove_dir(directory);
    }
    Ok(())
}
