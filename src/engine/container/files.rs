//! The files that are made for a container at each start: hosts, resolv.conf, hostname, passwd, the mark that it is a container.

use std::fs;
use std::path::{Path, PathBuf};

use super::network;
use crate::engine::{Engine, Error};
use crate::network::Connection;
use crate::spec::rootfs::RootView;
use crate::spec::users::{self, Newcomer, ResolvedUser};
use crate::spec::{Files, init};
use crate::storage::containers::ContainerPaths;
use crate::storage::{ContainerConfig, Namespace, Root};

/// Looks the user up, and makes passwd and group with entries for those that the image does not know.
pub fn users(config: &ContainerConfig, view: &RootView, paths: &ContainerPaths) -> Result<(ResolvedUser, Files), Error> {
    let process = &config.process;
    let mut passwd = view.read("etc/passwd");
    let mut group = view.read("etc/group");
    let keep_groups = process.groups.iter().any(|name| name == "keep-groups");
    let additional = if keep_groups { &[][..] } else { &process.groups[..] };
    let mut user = users::resolve(&process.user, additional, &passwd, &group)?;
    let mut files = Files::default();
    if !process.passwd {
        return Ok((user, files));
    }
    let mut new_passwd = false;
    let mut new_group = false;
    let host_passwd = |wanted: &dyn Fn(&users::PasswdEntry<'_>) -> bool| {
        let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
        users::passwd(&text).find(|entry| wanted(entry)).map(|entry| (entry.name.to_owned(), entry.gecos.to_owned(), entry.uid, entry.gid))
    };
    if user.name.is_none() && user.uid != 0 {
        let known = host_passwd(&|entry| entry.uid == user.uid);
        let (name, gecos) = match &known {
            Some((name, gecos, ..)) => (name.clone(), gecos.clone()),
            None => (user.uid.to_string(), "container user".to_owned()),
        };
        let home = if process.workdir.is_empty() { "/" } else { &process.workdir };
        let newcomer = Newcomer { name: &name, uid: user.uid, gid: user.gid, gecos: &gecos, home };
        passwd = users::add_passwd(&passwd, newcomer, &process.passwd_entry);
        new_passwd = true;
        home.clone_into(&mut user.home);
        if !users::group(&group).any(|(_, gid, _)| gid == user.gid) {
            let group_name = if known.is_some() { name.clone() } else { user.gid.to_string() };
            group = users::add_group(&group, &group_name, user.gid, &name, &process.group_entry);
            new_group = true;
        }
        user.name = Some(name);
    }
    for wanted in &process.host_users {
        let number = wanted.parse::<u32>().ok();
        let found = host_passwd(&|entry| entry.name == wanted || Some(entry.uid) == number)
            .ok_or_else(|| Error::Invalid(format!("unable to find user {wanted} on the host")))?;
        if !users::passwd(&passwd).any(|entry| entry.name == found.0) {
            let newcomer = Newcomer { name: &found.0, uid: found.2, gid: found.3, gecos: &found.1, home: "/" };
            passwd = users::add_passwd(&passwd, newcomer, "");
            new_passwd = true;
        }
    }
    if new_passwd {
        files.passwd = Some(write(&paths.runtime, "passwd", passwd.as_bytes())?);
    }
    if new_group {
        files.group = Some(write(&paths.runtime, "group", group.as_bytes())?);
    }
    Ok((user, files))
}

/// Makes the other files.
pub fn generate(
    engine: &Engine,
    config: &ContainerConfig,
    view: &RootView,
    paths: &ContainerPaths,
    files: &mut Files,
) -> Result<(), Error> {
    let directory = &paths.runtime;
    let mounted = |destination: &str| config.mounts.iter().any(|mount| mount.destination == destination);
    files.containerenv = Some(write(directory, "containerenv", containerenv(config).as_bytes())?);
    if !config.network.no_hostname && !mounted("/etc/hostname") && config.namespaces.uts != Namespace::Host {
        files.hostname = Some(write(directory, "hostname", format!("{}\n", config.hostname).as_bytes())?);
    }
    let names = network::Names::before_start(engine, config, view)?;
    if let Some(text) = names.hosts.filter(|_| !mounted("/etc/hosts")) {
        files.hosts = Some(write(directory, "hosts", text.as_bytes())?);
    }
    if let Some(text) = names.resolv_conf.filter(|_| !mounted("/etc/resolv.conf")) {
        files.resolv_conf = Some(write(directory, "resolv.conf", text.as_bytes())?);
    }
    if config.init {
        files.init = Some(match &config.init_path {
            Some(path) => path.clone(),
            None => {
                let path = write(directory, "init", init::PROGRAM)?;
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).map_err(Error::io("change the mode of", &path))?;
                path
            }
        });
    }
    if !config.process.timezone.is_empty() {
        files.localtime = Some(localtime(&config.process.timezone)?);
    }
    Ok(())
}

/// Empty, as podman's is, but for privileged containers.
fn containerenv(config: &ContainerConfig) -> String {
    if !config.security.privileged {
        return String::new();
    }
    let (image, image_id) = match &config.root {
        Root::Image { name, id, .. } => (name.as_str(), id.as_str()),
        Root::Directory { .. } => ("", ""),
    };
    let version = env!("CARGO_PKG_VERSION");
    let (name, id) = (&config.name, &config.id);
    format!("engine=\"dulse-{version}\"\nname=\"{name}\"\nid=\"{id}\"\nimage=\"{image}\"\nimageid=\"{image_id}\"\nrootless=1\n")
}

/// Fills in what could not be known before the network was there. The files may be mounted already: they are written in place.
pub fn complete(
    engine: &Engine,
    config: &ContainerConfig,
    view: &RootView,
    paths: &ContainerPaths,
    connection: &Connection,
) -> Result<(), Error> {
    let names = network::Names::of(engine, config, view, Some(connection))?;
    for (name, text) in [("hosts", names.hosts), ("resolv.conf", names.resolv_conf)] {
        if let Some(text) = text {
            write(&paths.runtime, name, text.as_bytes())?;
        }
    }
    Ok(())
}

/// The host's file for a time zone.
fn localtime(zone: &str) -> Result<PathBuf, Error> {
    let path = if zone == "local" { PathBuf::from("/etc/localtime") } else { Path::new("/usr/share/zoneinfo").join(zone) };
    let plain = zone != "local" && (zone.starts_with('/') || zone.split('/').any(|part| part == ".."));
    match path.canonicalize() {
        Ok(path) if path.is_file() && !plain => Ok(path),
        _ => Err(Error::Invalid(format!("running container create option: finding timezone: unknown time zone {zone}"))),
    }
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
    let path = directory.join(name);
    fs::write(&path, bytes).map_err(Error::io("write", &path))?;
    Ok(path)
}
