//! A volume's first use: what the image has at its place is copied into it, and it is given to the container's user; `:U` gives a mount
//! to the user at every start.

use std::path::PathBuf;

use crate::engine::{Engine, Error};
use crate::spec::mounts::Backing;
use crate::spec::users::ResolvedUser;
use crate::storage::{ContainerConfig, Mount, MountKind, volumes};

/// Prepares the volumes and `:U` mounts of a container whose image has these layers, the topmost first.
pub fn prepare(
    engine: &Engine,
    config: &ContainerConfig,
    layers: &[PathBuf],
    backings: &[Backing],
    user: &ResolvedUser,
) -> Result<(), Error> {
    for (mount, backing) in config.mounts.iter().zip(backings) {
        let Backing::Path(target) = backing else { continue };
        if mount.kind == MountKind::Volume && mount.subpath.is_empty() {
            let using = volumes::Use {
                layers,
                destination: &mount.destination,
                uid: user.uid,
                gid: user.gid,
                copy: !has(mount, "nocopy"),
                map: &config.id_map,
            };
            volumes::prepare(&engine.store, &mount.source, &using)?;
        }
        if has(mount, "U") {
            volumes::give(target, user.uid, user.gid, &config.id_map)?;
        }
    }
    Ok(())
}

fn has(mount: &Mount, name: &str) -> bool {
    mount.options.iter().any(|option| option == name)
}
