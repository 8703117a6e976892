//! How much disk a container takes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::engine::{Engine, Error};
use crate::storage::{ContainerState, containers, image};

/// Bytes that the container has written, and these with its image's.
pub fn size(engine: &Engine, state: &ContainerState) -> Result<(u64, u64), Error> {
    let own = tree(&containers::paths(&engine.store, &state.id).upper);
    let image = match state.summary.image_id.as_str() {
        "" => 0,
        id => image::get(&engine.store, id)?.map_or(0, |image| image.size),
    };
    Ok((own, own + image))
}

/// Sum of the sizes of a tree's files, each inode once. What the user may not read (a private directory of another of the
/// container's users) is not counted.
pub fn tree(root: &Path) -> u64 {
    let mut linked = std::collections::HashSet::new();
    let mut total = 0;
    let mut queue = vec![root.to_owned()];
    while let Some(directory) = queue.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                queue.push(entry.path());
            } else if metadata.is_symlink() || metadata.is_file() && (metadata.nlink() == 1 || linked.insert(metadata.ino())) {
                total += metadata.len();
            }
        }
    }
    total
}
