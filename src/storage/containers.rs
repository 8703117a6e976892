//! Containers on disk: a directory each, and a link that reserves the name.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json::{self, Durability};
use super::task::{self, Task};
use super::{ContainerConfig, ContainerState, Error, Status, Store, Summary, names_in, remove_tree};
use crate::sys::lock::{Beacon, Lock, Mode};
use crate::userns::{self, IdMap};

/// Where the parts of one container are.
#[derive(Clone, Debug)]
pub struct ContainerPaths {
    /// `DATA/containers/<ID>`.
    pub directory: PathBuf,
    pub config: PathBuf,
    pub state: PathBuf,
    /// The overlay's upper and work directories.
    pub upper: PathBuf,
    pub work: PathBuf,
    /// Shared by all containers: each mounts there in a mount namespace of its own.
    pub merged: PathBuf,
    /// `RUNTIME/containers/<ID>`: bundle, sockets, generated files. Made at start.
    pub runtime: PathBuf,
    /// Held by the monitor while it lives.
    pub beacon: PathBuf,
}

/// The paths of the container with this full ID, which need not exist.
pub fn paths(store: &Store, id: &str) -> ContainerPaths {
    let directory = store.data.join("containers").join(id);
    let runtime = store.runtime.join("containers").join(id);
    ContainerPaths {
        config: directory.join("config.json"),
        state: directory.join("state.json"),
        upper: directory.join("upper"),
        work: directory.join("work"),
        merged: store.mount_point(),
        beacon: runtime.join("lock"),
        directory,
        runtime,
    }
}

/// Makes a container's directory and reserves its name, or leaves nothing. The state is written last: a directory without one is a
/// creation that never finished. `root_mode` are the mode bits of the container's root directory ([`super::image::ImageRecord`] has them).
pub fn create(store: &Store, config: &ContainerConfig, state: &ContainerState, root_mode: u32) -> Result<(), Error> {
    check_name(&config.name)?;
    let paths = paths(store, &config.id);
    make_directory(&paths.directory, 0o711)?;
    let result = (|| {
        // Held until the state is there, so that nobody takes this for the remains of a killed command.
        let directory = File::open(&paths.directory).map_err(Error::io("open", &paths.directory))?;
        let _lock = Lock::descriptor(directory, Mode::Exclusive).map_err(Error::io("lock", &paths.directory))?;
        make_directory(&paths.upper, 0o700)?;
        // Whatever the user's umask.
        fs::set_permissions(&paths.upper, Permissions::from_mode(root_mode)).map_err(Error::io("change the mode of", &paths.upper))?;
        make_directory(&paths.work, 0o700)?;
        own(&config.id_map, &paths)?;
        json::write_new(&paths.config, config)?;
        reserve(store, &config.name, &config.id)?;
        json::write_new(&paths.state, state)
    })();
    if result.is_err() {
        release(store, &config.name, &config.id);
        let _ = remove_tree(&paths.directory);
    }
    result
}

/// Gives the root directory to the container's root, where that is not the user (`--userns=keep-id` and the like).
fn own(map: &IdMap, paths: &ContainerPaths) -> Result<(), Error> {
    let own = (Some(nix::unistd::geteuid().as_raw()), Some(nix::unistd::getegid().as_raw()));
    let root = (map.host_uid(0), map.host_gid(0));
    if root == own || root == (None, None) {
        return Ok(());
    }
    let whole = task::user_map()?;
    let owner = (root.0.and_then(|uid| whole.container_uid(uid)), root.1.and_then(|gid| whole.container_gid(gid)));
    let (Some(uid), Some(gid)) = owner else { return Err(userns::Error::NotMapped(0).into()) };
    task::run(&Task::Own { paths: vec![paths.upper.clone(), paths.work.clone()], uid, gid }, &[])
}

fn make_directory(path: &Path, mode: u32) -> Result<(), Error> {
    DirBuilder::new().mode(mode).create(path).map_err(Error::io("create", path))
}

/// The configuration fixed at creation.
pub fn load_config(store: &Store, id: &str) -> Result<ContainerConfig, Error> {
    match json::read(&paths(store, id).config) {
        Ok(Some(config)) => Ok(config),
        Ok(None) => Err(Error::NoContainer(id.to_owned())),
        Err(Error::Damaged { .. }) => Err(Error::LostConfig(id.to_owned())),
        Err(error) => Err(error),
    }
}

/// Replaces the configuration (rename, update).
pub fn save_config(store: &Store, config: &ContainerConfig) -> Result<(), Error> {
    json::replace(&paths(store, &config.id).config, config, Durability::Synced)
}

/// The state, healed: one that claims to run without a living monitor, or in another boot, is shown as exited; one that was lost in a
/// crash of the machine is made up from the configuration.
pub fn load_state(store: &Store, id: &str) -> Result<ContainerState, Error> {
    state_of(store, id)?.ok_or_else(|| Error::NoContainer(id.to_owned()))
}

/// Replaces the state. Not synced: a state that a power cut loses heals.
pub fn save_state(store: &Store, state: &ContainerState) -> Result<(), Error> {
    json::replace(&paths(store, &state.id).state, state, Durability::Lazy)
}

/// The IDs of all containers, in no order.
pub fn list_ids(store: &Store) -> Result<Vec<String>, Error> {
    let mut ids = names_in(&store.data.join("containers"))?;
    ids.retain(|id| is_id(id));
    Ok(ids)
}

/// The states of all containers, in no order: a directory and one small file each are read.
pub fn list_states(store: &Store) -> Result<Vec<ContainerState>, Error> {
    let directory = store.data.join("containers");
    let opened = File::open(&directory).map_err(Error::io("open", &directory))?;
    let mut states = Vec::new();
    for id in list_ids(store)? {
        let state = json::read_at(&opened, &format!("{id}/state.json"), &|| paths(store, &id).state);
        states.extend(healed(store, &id, state)?);
    }
    Ok(states)
}

fn state_of(store: &Store, id: &str) -> Result<Option<ContainerState>, Error> {
    healed(store, id, json::read(&paths(store, id).state))
}

fn healed(store: &Store, id: &str, state: Result<Option<ContainerState>, Error>) -> Result<Option<ContainerState>, Error> {
    match state {
        Ok(None) => Ok(None),
        Ok(Some(state)) => heal(store, id, state).map(Some),
        Err(Error::Damaged { .. }) => Ok(Some(remake(store, id))),
        Err(error) => Err(error),
    }
}

/// What is left to say about a container whose state a power cut has emptied.
fn remake(store: &Store, id: &str) -> ContainerState {
    let config = load_config(store, id).unwrap_or_default();
    let summary = Summary {
        name: config.name,
        command: config.process.args,
        created: config.created,
        labels: config.labels,
        auto_remove: config.auto_remove,
        ..Summary::default()
    };
    ContainerState {
        id: id.to_owned(),
        status: Status::Exited,
        summary,
        exit_code: LOST,
        error: LOST_ERROR.into(),
        ..ContainerState::default()
    }
}

/// The exit code of a container whose end nobody saw.
const LOST: i32 = 255;
const LOST_ERROR: &str = "its end was not seen: the machine or the monitor died";

fn heal(store: &Store, id: &str, mut state: ContainerState) -> Result<ContainerState, Error> {
    if !matches!(state.status, Status::Initialized | Status::Running | Status::Paused | Status::Stopping) {
        return Ok(state);
    }
    let beacon = paths(store, id).beacon;
    if Beacon::is_held(&beacon).map_err(Error::io("test the lock", &beacon))? {
        return Ok(state);
    }
    state.status = Status::Exited;
    state.exit_code = LOST;
    state.error = LOST_ERROR.into();
    state.pid = 0;
    state.monitor_pid = 0;
    state.exec_ids.clear();
    Ok(state)
}

/// Finds a container by name, full ID or unique beginning of the ID, in this order, and gives its full ID.
pub fn find(store: &Store, name_or_id: &str) -> Result<String, Error> {
    let missing = || Error::NoContainer(name_or_id.to_owned());
    if name_or_id.is_empty() || name_or_id.contains(['/', '\0']) || name_or_id.starts_with('.') {
        return Err(missing());
    }
    if let Some(id) = named(store, name_or_id) {
        return Ok(id);
    }
    if is_id(name_or_id) {
        return if paths(store, name_or_id).state.exists() { Ok(name_or_id.to_owned()) } else { Err(missing()) };
    }
    let mut found = list_ids(store)?.into_iter().filter(|id| id.starts_with(name_or_id));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Error::AmbiguousContainer(name_or_id.to_owned())),
        _ => Err(missing()),
    }
}

/// Gives a container another name; its lock is to be held.
pub fn rename(store: &Store, id: &str, name: &str) -> Result<(), Error> {
    check_name(name)?;
    let mut config = load_config(store, id)?;
    let mut state = load_state(store, id)?;
    reserve(store, name, id)?;
    let old = std::mem::replace(&mut config.name, name.to_owned());
    state.summary.name = name.to_owned();
    save_config(store, &config)?;
    save_state(store, &state)?;
    release(store, &old, id);
    Ok(())
}

/// Takes the container's lock, under which commands change it one at a time.
pub fn lock(store: &Store, id: &str) -> Result<Lock, Error> {
    let path = paths(store, id).directory;
    let directory = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::NoContainer(id.to_owned())),
        other => other.map_err(Error::io("open", &path))?,
    };
    let lock = Lock::descriptor(directory, Mode::Exclusive).map_err(Error::io("lock", &path))?;
    // It may have been removed while this waited.
    if path.exists() { Ok(lock) } else { Err(Error::NoContainer(id.to_owned())) }
}

/// Takes the monitor's lock, which says that the container is alive; taken before the monitor is forked, which inherits it. `None`
/// where a monitor lives already.
pub fn take_beacon(store: &Store, id: &str) -> Result<Option<Beacon>, Error> {
    let path = paths(store, id).beacon;
    Beacon::take(&path).map_err(Error::io("lock", &path))
}

/// Whether the container's monitor lives.
pub fn is_alive(store: &Store, id: &str) -> bool {
    Beacon::is_held(&paths(store, id).beacon).unwrap_or(false)
}

/// Removes the container's files and its name; what is left of one that was removed half is removed as well. It must not be running.
pub fn remove(store: &Store, id: &str) -> Result<(), Error> {
    let name = match load_config(store, id) {
        Ok(config) => Some(config.name),
        Err(_) => json::read::<ContainerState>(&paths(store, id).state).ok().flatten().map(|state| state.summary.name),
    };
    take_away(store, id, name.as_deref())?.remove()
}

/// The files of a container that is in the store no more.
#[derive(Debug)]
#[must_use = "the files stay until they are removed"]
pub struct Remains {
    trees: [PathBuf; 2],
}

/// Takes a container out of the store in one step: its name is free, and nobody finds it. Whatever a kill leaves of it is swept.
pub fn take_away(store: &Store, id: &str, name: Option<&str>) -> Result<Remains, Error> {
    let paths = paths(store, id);
    if let Some(name) = name {
        release(store, name, id);
    }
    let aside = store.data.join("tmp").join(format!("dead-{id}"));
    let files = match fs::rename(&paths.directory, &aside) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => paths.directory,
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("remove", &paths.directory)(error)),
        _ => aside,
    };
    Ok(Remains { trees: [paths.runtime, files] })
}

impl Remains {
    pub fn remove(self) -> Result<(), Error> {
        self.trees.iter().try_for_each(|tree| remove_tree(tree))
    }
}

/// The rule for names of containers, volumes and the like.
pub fn check_name(name: &str) -> Result<(), Error> {
    let valid = |(index, byte): (usize, u8)| byte.is_ascii_alphanumeric() || index > 0 && b"_.-".contains(&byte);
    if name.is_empty() || name.len() > 255 || !name.bytes().enumerate().all(valid) {
        return Err(Error::Name(name.to_owned()));
    }
    Ok(())
}

/// Whether `text` is a full container ID.
pub fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn name_path(store: &Store, name: &str) -> PathBuf {
    store.data.join("containers/by-name").join(name)
}

/// The ID that a name stands for.
fn named(store: &Store, name: &str) -> Option<String> {
    id_of(fs::read_link(name_path(store, name)).ok()?.to_str()?)
}

/// An ID as the target of a name's link: base64, since ext4 keeps only targets shorter than 60 bytes in the inode, and others cost a block
/// each to make and to free.
fn target(id: &str) -> String {
    let bytes: Vec<u8> = id.as_bytes().chunks(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

fn id_of(target: &str) -> Option<String> {
    let id: String = URL_SAFE_NO_PAD.decode(target).ok()?.iter().map(|byte| format!("{byte:02x}")).collect();
    is_id(&id).then_some(id)
}

fn reserve(store: &Store, name: &str, id: &str) -> Result<(), Error> {
    let path = name_path(store, name);
    let link = || symlink(target(id), &path);
    match link() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => return other.map_err(Error::io("create", &path)),
    }
    // The name is taken, unless by the remains of a command that was killed. Only holders of this lock take a name away from such.
    let names = store.data.join("containers/by-name");
    let directory = File::open(&names).map_err(Error::io("open", &names))?;
    let _lock = Lock::descriptor(directory, Mode::Exclusive).map_err(Error::io("lock", &names))?;
    if let Some(holder) = named(store, name) {
        if !is_abandoned(store, &holder) {
            return Err(Error::NameInUse { name: name.to_owned(), id: holder });
        }
        fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    match link() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Error::NameInUse { name: name.to_owned(), id: named(store, name).unwrap_or_default() })
        }
        other => other.map_err(Error::io("create", &path)),
    }
}

/// Whether the directory of a container is gone, or was never finished and nobody is at it.
fn is_abandoned(store: &Store, id: &str) -> bool {
    let paths = paths(store, id);
    match Lock::try_directory(&paths.directory, Mode::Exclusive) {
        Ok(Some(_lock)) => !paths.state.exists(),
        Ok(None) => false,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

/// Removes what creations that were killed have left, so that it uses no image and no volume. Creations that go on hold the images
/// ([`Store::hold_images`]).
pub fn sweep(store: &Store) -> Result<(), Error> {
    let mut unfinished = list_ids(store)?;
    unfinished.retain(|id| !paths(store, id).state.exists());
    if unfinished.is_empty() {
        return Ok(());
    }
    let _lock = store.lock_images()?;
    unfinished.iter().filter(|id| is_abandoned(store, id)).try_for_each(|id| remove(store, id))
}

fn release(store: &Store, name: &str, id: &str) {
    if named(store, name).as_deref() == Some(id) {
        let _ = fs::remove_file(name_path(store, name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_into_links_that_need_no_block() {
        let id = "0123456789abcdef".repeat(4);
        assert!(target(&id).len() < 60);
        assert_eq!(id_of(&target(&id)), Some(id));
        assert_eq!(id_of("../x"), None);
    }
}
