//! `--userns` and its kin: which IDs a container gets, or whose user namespace it enters.

use super::request::CreateRequest;
use crate::engine::{Engine, Error};
use crate::storage::{self, ContainerConfig, Namespace, NetworkMode, containers};
use crate::userns::{self, IdMap, Mode, SubIds};

/// Decides `config.id_map`, `namespaces.user_of` and, for keep-id, the user.
pub fn resolve(engine: &Engine, request: &CreateRequest, config: &mut ContainerConfig) -> Result<(), Error> {
    let mode: Mode = config.namespaces.user.parse()?;
    let custom = !request.uidmap.is_empty() || !request.gidmap.is_empty();
    if let Some(id) = shared_with(engine, config, &mode)? {
        if custom || !matches!(mode, Mode::Default | Mode::Container(_)) {
            return Err(Error::Invalid(format!(
                "container {id} owns the namespaces to be shared, so its user namespace is used too: --userns cannot be set"
            )));
        }
        let shared = containers::load_config(&engine.store, &id)?;
        config.id_map = shared.id_map;
        config.id_map_custom = true;
        config.namespaces.user_of = Some(id);
        return Ok(());
    }
    let ids = match (&request.subuidname, &request.subgidname) {
        (None, None) => SubIds::of_user()?,
        (uid, gid) => {
            let either = |one: &Option<String>, other: &Option<String>| one.clone().or_else(|| other.clone()).unwrap_or_default();
            SubIds::of_names(&either(uid, gid), &either(gid, uid))?
        }
    };
    config.id_map_custom = custom;
    config.id_map = if custom {
        userns::custom(&ids, &userns::Custom { uidmap: request.uidmap.clone(), gidmap: request.gidmap.clone() })?
    } else {
        match &mode {
            Mode::Default | Mode::Container(_) | Mode::Path(_) => userns::default_map(&ids),
            Mode::KeepId(options) => userns::keep_id(&ids, options)?,
            Mode::NoMap => userns::nomap(&ids)?,
            Mode::Auto(options) => userns::auto(&ids, options, AUTO_SIZE, &used(engine)?)?,
        }
    };
    if let (Mode::KeepId(options), None) = (&mode, &request.user) {
        let uid = options.uid.unwrap_or(ids.uid);
        let gid = options.gid.unwrap_or(ids.gid);
        config.process.user = format!("{uid}:{gid}");
    }
    Ok(())
}

/// IDs of an automatic range where nothing is said, podman's minimum.
const AUTO_SIZE: u32 = 1024;

/// The container whose namespaces this one enters. They belong to its user namespace, so that has to be entered as well.
fn shared_with(engine: &Engine, config: &ContainerConfig, mode: &Mode) -> Result<Option<String>, Error> {
    let mut wanted: Vec<(&'static str, &str)> = Vec::new();
    let namespaces = &config.namespaces;
    let modes = [("pid", &namespaces.pid), ("ipc", &namespaces.ipc), ("uts", &namespaces.uts), ("cgroup", &namespaces.cgroup)];
    for (kind, mode) in modes {
        if let Namespace::Container(name) = mode {
            wanted.push((kind, name));
        }
    }
    if let NetworkMode::Container(name) = &config.network.mode {
        wanted.push(("net", name));
    }
    if let Mode::Container(name) = mode {
        wanted.push(("user", name));
    }
    let mut shared: Option<String> = None;
    for (kind, name) in wanted {
        let id = containers::find(&engine.store, name).map_err(|source| match source {
            storage::Error::NoContainer(_) => Error::Invalid(format!("looking up container to share {kind} namespace with: {source}")),
            other => other.into(),
        })?;
        match &shared {
            Some(other) if *other != id => {
                return Err(Error::Invalid(format!("namespaces of two containers ({other} and {id}) cannot be shared at once")));
            }
            _ => shared = Some(id),
        }
    }
    Ok(shared)
}

/// The ID maps of all containers, from which an automatic range must be apart.
fn used(engine: &Engine) -> Result<Vec<IdMap>, Error> {
    let mut used = Vec::new();
    for id in containers::list_ids(&engine.store)? {
        if let Ok(config) = containers::load_config(&engine.store, &id)
            && config.namespaces.user.starts_with("auto")
        {
            used.push(config.id_map);
        }
    }
    Ok(used)
}

/// Replaces the names of other containers in the modes by their IDs, which renaming does not change.
pub fn name_by_id(config: &mut ContainerConfig) {
    let Some(id) = config.namespaces.user_of.clone() else { return };
    let namespaces = &mut config.namespaces;
    for mode in [&mut namespaces.pid, &mut namespaces.ipc, &mut namespaces.uts, &mut namespaces.cgroup] {
        if let Namespace::Container(name) = mode {
            name.clone_from(&id);
        }
    }
    if let NetworkMode::Container(name) = &mut config.network.mode {
        name.clone_from(&id);
    }
}
