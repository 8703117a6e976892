//! `create`: from a request to a container's directory.

use std::fs;

use super::image::{Defaults, find_or_pull};
use super::request::{CreateRequest, Source};
use super::{idmap, merge, network, volumes};
use crate::engine::events::{self, Event};
use crate::engine::{Engine, Error};
use crate::spec;
use crate::storage::{self, ContainerConfig, ContainerState, MountKind, Namespace, NetworkMode, Root, Status, Summary, containers};
use crate::sys::host;

/// A new container.
#[derive(Clone, Debug)]
pub struct Created {
    pub config: ContainerConfig,
    pub state: ContainerState,
}

/// Makes a container and reserves its name. The image is pulled where the request's policy says so.
pub fn create(engine: &Engine, mut request: CreateRequest) -> Result<Created, Error> {
    if request.replace {
        super::replace(engine, &request.config.name)?;
    }
    // Held until the container is there: an image may not be removed while it is on its way into one, nor may the unfinished container.
    let _images;
    let (defaults, root, root_mode) = match &request.source {
        Source::Rootfs { path, overlay } => {
            _images = engine.store.hold_images()?;
            let mode = fs::metadata(path).map_or(0o755, |metadata| std::os::unix::fs::MetadataExt::mode(&metadata) & 0o7777);
            (Defaults::default(), Root::Directory { path: path.clone(), overlay: *overlay }, mode)
        }
        Source::Image { name, pull } => {
            let found = find_or_pull(engine, name, pull)?;
            _images = engine.store.hold_images()?;
            let shown = found.names.first().cloned().unwrap_or_else(|| found.id.clone());
            let root = Root::Image {
                id: found.id.clone(),
                name: shown,
                digest: found.digest.clone(),
                raw_name: name.clone(),
                layers: found.layers.clone(),
            };
            (Defaults::of(engine, &found.id)?, root, found.root_mode)
        }
    };

    let mut entropy = [0u8; 40];
    host::random(&mut entropy).map_err(Error::io("read random bytes from", "the kernel"))?;
    let id: String = entropy[..32].iter().map(|byte| format!("{byte:02x}")).collect();
    let hostname = match &request.config.namespaces.uts {
        _ if request.config.hostname_set => request.config.hostname.clone(),
        Namespace::Host => host_name(),
        _ if request.config.network.mode == NetworkMode::Host => host_name(),
        _ => id[..12].to_owned(),
    };
    request.config.hostname = hostname;
    let mut decided = std::mem::take(&mut request.config);
    idmap::resolve(engine, &request, &mut decided)?;
    idmap::name_by_id(&mut decided);
    request.config = decided;

    let host_environment: Vec<(String, String)> = std::env::vars().collect();
    let publish = std::mem::take(&mut request.publish);
    let mut config = merge::merge(request, &defaults, &host_environment)?;
    network::settle(engine, &publish, &mut config)?;
    config.id = id;
    config.root = root;
    config.created = now();
    if config.log.path.as_os_str().is_empty() {
        config.log.path = containers::paths(&engine.store, &config.id).directory.join("ctr.log");
    }
    volumes::settle(engine, &mut config)?;
    let state = reserve(engine, &mut config, root_mode, entropy)?;
    if let Some(path) = &config.cid_file {
        fs::write(path, &config.id).map_err(Error::io("write", path))?;
    }
    record(engine, &config, "create")?;
    Ok(Created { config, state })
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// Writes the container under its name, or under random names until one is free.
fn reserve(engine: &Engine, config: &mut ContainerConfig, root_mode: u32, entropy: [u8; 40]) -> Result<ContainerState, Error> {
    let random = config.name.is_empty();
    let mut seed = u64::from_le_bytes(entropy[32..].try_into().unwrap_or_default());
    loop {
        if random {
            config.name = spec::name::random(seed);
        }
        let state = ContainerState {
            id: config.id.clone(),
            status: Status::Created,
            summary: summary(config),
            ports: config.network.ports.clone(),
            ..ContainerState::default()
        };
        match containers::create(&engine.store, config, &state, root_mode) {
            Err(storage::Error::NameInUse { .. }) if random => seed = seed.rotate_right(7).wrapping_add(0x9e37_79b9_7f4a_7c15),
            Err(error @ storage::Error::NameInUse { .. }) => {
                return Err(Error::Invalid(format!("creating container storage: {error}, or use --replace to instruct dulse to do so.")));
            }
            other => return Ok(other.map(|()| state)?),
        }
    }
}

/// What `ps` shows of the configuration.
fn summary(config: &ContainerConfig) -> Summary {
    let (image, image_id) = match &config.root {
        Root::Image { name, id, .. } => (name.clone(), id.clone()),
        Root::Directory { .. } => (String::new(), String::new()),
    };
    let networks = match &config.network.mode {
        NetworkMode::Pasta => vec!["pasta".to_owned()],
        NetworkMode::Slirp4netns => vec!["slirp4netns".to_owned()],
        NetworkMode::Host => vec!["host".to_owned()],
        NetworkMode::None => vec!["none".to_owned()],
        NetworkMode::Container(_) | NetworkMode::Path(_) => Vec::new(),
    };
    let mounts = config.mounts.iter().filter(|mount| !matches!(mount.kind, MountKind::Tmpfs | MountKind::Ramfs | MountKind::Devpts));
    Summary {
        name: config.name.clone(),
        image,
        image_id,
        command: config.process.args.clone(),
        created: config.created.clone(),
        labels: config.labels.clone(),
        auto_remove: config.auto_remove,
        networks,
        expose: config.network.expose.clone(),
        mounts: mounts.map(|mount| mount.destination.clone()).collect(),
    }
}

/// This moment in local time, RFC 3339 with nanoseconds.
pub fn now() -> String {
    events::now()
}

/// Appends an event about a container.
pub fn record(engine: &Engine, config: &ContainerConfig, status: &str) -> Result<(), Error> {
    events::append(&engine.store, event(config, status))
}

/// An event about a container.
pub fn event(config: &ContainerConfig, status: &str) -> Event {
    let image = match &config.root {
        Root::Image { name, .. } => name.clone(),
        Root::Directory { .. } => String::new(),
    };
    Event {
        kind: "container".into(),
        status: status.into(),
        id: config.id.clone(),
        name: config.name.clone(),
        image,
        attributes: config.labels.clone(),
        ..Event::default()
    }
}
