//! A container's volumes: made where missing at creation, found on the host at each start, removed with the container.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::create::now;
use crate::engine::events::{self, Event};
use crate::engine::{Engine, Error};
use crate::spec::mount;
use crate::storage::{self, ContainerConfig, Mount, MountKind, containers, volumes};
use crate::sys::host;

/// Takes over the volumes of `--volumes-from`, names anonymous volumes and makes those that are missing.
pub fn settle(engine: &Engine, config: &mut ContainerConfig) -> Result<(), Error> {
    for text in std::mem::take(&mut config.volumes_from) {
        let (name, options) = mount::parse_volumes_from(&text)?;
        let id = containers::find(&engine.store, &name)
            .map_err(|error| Error::Invalid(format!("looking up container {name:?} for volumes-from: {error}")))?;
        for mut other in containers::load_config(&engine.store, &id)?.mounts {
            let carried = matches!(other.kind, MountKind::Bind | MountKind::Volume | MountKind::Image | MountKind::Overlay);
            if !carried || config.mounts.iter().any(|mount| mount.destination == other.destination) {
                continue;
            }
            other.options.retain(|option| !(options.contains(&"ro".to_owned()) && option == "rw"));
            other.options.extend(options.iter().filter(|option| !other.options.contains(option)).cloned().collect::<Vec<_>>());
            // It belongs to the container that it was made for.
            other.anonymous = false;
            config.mounts.push(other);
        }
        config.volumes_from.push(text);
    }
    for mount in &mut config.mounts {
        match mount.kind {
            MountKind::Volume => settle_volume(engine, mount)?,
            MountKind::Image => settle_image(engine, mount)?,
            _ => {}
        }
    }
    Ok(())
}

fn settle_volume(engine: &Engine, mount: &mut Mount) -> Result<(), Error> {
    if mount.anonymous && mount.source.is_empty() {
        let mut bytes = [0u8; 32];
        host::random(&mut bytes).map_err(Error::io("read random bytes from", "the kernel"))?;
        mount.source = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    } else if volumes::get(&engine.store, &mount.source)?.is_some() {
        return Ok(());
    } else if mount.options.iter().any(|option| option == "nocreate") {
        return Err(storage::Error::NoVolume(mount.source.clone()).into());
    }
    let record = volumes::VolumeRecord {
        name: mount.source.clone(),
        driver: "local".into(),
        created: now(),
        anonymous: mount.anonymous,
        needs_copy_up: true,
        needs_chown: true,
        ..volumes::VolumeRecord::default()
    };
    match volumes::create(&engine.store, &record) {
        // Another command made it at the same moment.
        Err(storage::Error::VolumeExists(_)) => return Ok(()),
        other => other?,
    }
    let event = Event { kind: "volume".into(), status: "create".into(), name: record.name, ..Event::default() };
    events::append(&engine.store, event)
}

/// An image mount keeps the image's ID, which tagging does not change.
fn settle_image(engine: &Engine, mount: &mut Mount) -> Result<(), Error> {
    let pull = super::Pull { policy: super::PullPolicy::Missing, ..super::Pull::default() };
    mount.source = super::image::find_or_pull(engine, &mount.source, &pull)?.id;
    Ok(())
}

/// Removes the volumes that were made for this container alone.
pub fn remove_anonymous(engine: &Engine, config: &ContainerConfig) -> Result<(), Error> {
    for mount in config.mounts.iter().filter(|mount| mount.kind == MountKind::Volume && mount.anonymous) {
        let others = volumes::users(&engine.store, &mount.source)?;
        if others.iter().any(|id| *id != config.id) {
            continue;
        }
        match volumes::remove(&engine.store, &mount.source) {
            Err(storage::Error::NoVolume(_)) => {}
            other => other?,
        }
        let event = Event { kind: "volume".into(), status: "remove".into(), name: mount.source.clone(), ..Event::default() };
        events::append(&engine.store, event)?;
    }
    Ok(())
}

/// The directory of a volume mount: the volume's files, or what `subpath` names beneath them.
pub fn directory(engine: &Engine, mount: &Mount) -> Result<PathBuf, Error> {
    let data = volumes::data(&engine.store, &mount.source);
    if !data.is_dir() {
        return Err(storage::Error::NoVolume(mount.source.clone()).into());
    }
    if mount.subpath.is_empty() {
        return Ok(data);
    }
    // A container may have put links into its volume: the path must not lead out of it.
    let path = data.join(&mount.subpath);
    let real = path.canonicalize().map_err(Error::io("resolve", &path))?;
    let root = data.canonicalize().map_err(Error::io("resolve", &data))?;
    if !real.starts_with(&root) || real.metadata().map_or(0, |metadata| metadata.ino()) == 0 {
        return Err(Error::Invalid(format!("subpath {:?} leads out of volume {}", mount.subpath, mount.source)));
    }
    Ok(real)
}
