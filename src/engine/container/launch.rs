//! What one start of a container needs, worked out in the monitor: root file system, user, files, mounts, specification.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::{composed_root, copy_up, files, volumes, workdir};
use crate::engine::{Engine, Error};
use crate::oci::Digest;
use crate::runtime::Rootfs;
use crate::seccomp::{self, Filter};
use crate::spec::mounts::Backing;
use crate::spec::rootfs::RootView;
use crate::spec::users::ResolvedUser;
use crate::spec::{self, Host, Joined};
use crate::storage::containers::{self, ContainerPaths};
use crate::storage::{self, ContainerConfig, Mount, MountKind, Namespace, NetworkMode, Root, Seccomp};
use crate::sys::host;

/// A start, ready for the runtime.
pub struct Prepared {
    pub spec: Spec,
    pub filter: Option<Filter>,
    /// The root file system's files as they are on the host.
    pub view: RootView,
    root: PreparedRoot,
}

enum PreparedRoot {
    Directory(PathBuf),
    Overlay { lower: Vec<PathBuf>, data: Vec<PathBuf>, upper: PathBuf, work: PathBuf, merged: PathBuf },
}

impl Prepared {
    /// The root file system as the runtime wants it; `volatile` where it goes with the container's end.
    pub fn rootfs(&self, volatile: bool) -> Rootfs<'_> {
        match &self.root {
            PreparedRoot::Directory(path) => Rootfs::Path(path),
            PreparedRoot::Overlay { lower, data, upper, work, merged } => {
                Rootfs::Overlay { lower, data, upper: Some((upper, work)), merged, volatile }
            }
        }
    }
}

/// Prepares a start, the container's first or not. Its runtime directory exists.
pub fn prepare(engine: &Engine, config: &ContainerConfig, paths: &ContainerPaths, first: bool) -> Result<Prepared, Error> {
    let (root, beneath) = root(engine, config, paths)?;
    // What the root file system itself consists of comes before what the user mounts.
    let composed = (!beneath.is_empty()).then(|| {
        let mounts = beneath.into_iter().chain(config.mounts.iter().cloned()).collect();
        ContainerConfig { mounts, ..config.clone() }
    });
    let config = composed.as_ref().unwrap_or(config);
    let (view, merged) = match &root {
        PreparedRoot::Directory(path) => {
            // Files are looked up in the tree itself: what a composed root consists of is not mounted yet.
            let tree = if let Root::Directory { path, .. } = &config.root { path } else { path };
            (RootView::new([tree.clone()]), path.clone())
        }
        PreparedRoot::Overlay { lower, data, upper, merged, .. } => {
            // Where there are data layers, those are the image's files and the lower ones stand for them.
            let files = if data.is_empty() { lower } else { data };
            // Before the first start the upper directory is empty.
            let upper = (!first).then_some(upper);
            (RootView::new(upper.into_iter().chain(files).cloned()), merged.clone())
        }
    };
    let joined = joined(engine, config)?;
    let (user, mut generated) = files::users(config, &view, paths)?;
    settle_workdir(config, &view, &root, &user)?;
    files::generate(engine, config, &view, paths, &mut generated)?;
    let backings = backings(engine, config, paths)?;
    copy_up::prepare(engine, config, &image_files(engine, config)?, &backings, &user)?;
    let devices = if config.security.privileged { host_devices() } else { Vec::new() };
    let filter = filter(engine, config)?;
    let host = Host {
        files: &generated,
        user: &user,
        backings: &backings,
        joined: &joined,
        devices: &devices,
        limit: host::limit,
        rootfs: &merged,
    };
    Ok(Prepared { spec: spec::generate(config, &host)?, filter, view, root })
}

/// The root file system, and the mounts that make it up where it is not one alone.
fn root(engine: &Engine, config: &ContainerConfig, paths: &ContainerPaths) -> Result<(PreparedRoot, Vec<Mount>), Error> {
    match &config.root {
        Root::Directory { path, overlay: false } => Ok((PreparedRoot::Directory(path.clone()), Vec::new())),
        Root::Directory { path, overlay: true } => {
            let base = paths.runtime.join("root");
            fresh(&base)?;
            if let Some(mounts) = composed_root::compose(path, &base)? {
                return Ok((PreparedRoot::Directory(base), mounts));
            }
            // Not below the lower directory, where the kernel refuses it: `/` contains all but other file systems. It is thrown away.
            let [upper, work] = ["upper", "work"].map(|name| paths.runtime.join(name));
            fresh(&upper)?;
            fresh(&work)?;
            let lower = vec![path.clone()];
            Ok((PreparedRoot::Overlay { lower, data: Vec::new(), upper, work, merged: paths.merged.clone() }, Vec::new()))
        }
        Root::Image { layers, .. } => {
            let (lower, data) = image_layers(engine, config, layers)?;
            let (upper, work) = (paths.upper.clone(), paths.work.clone());
            Ok((PreparedRoot::Overlay { lower, data, upper, work, merged: paths.merged.clone() }, Vec::new()))
        }
    }
}

/// An empty directory, whatever was there.
fn fresh(path: &Path) -> Result<(), Error> {
    if path.exists() {
        storage::remove_tree(path)?;
    }
    DirBuilder::new().mode(0o755).create(path).map_err(Error::io("create", path))
}

/// The layers' directories, topmost first, as the container's ID map sees them, and the data layers that these may refer to.
fn image_layers(engine: &Engine, config: &ContainerConfig, layers: &[String]) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    // The default map is that which layers are unpacked with: no file needs to be asked.
    if matches!(config.namespaces.user.as_str(), "" | "host") && !config.id_map_custom {
        return Ok((original_layers(engine, layers)?, Vec::new()));
    }
    let layers = storage::mapped::layers(&engine.store, &digests(layers)?, &config.id_map)?;
    Ok((layers.lower, layers.data))
}

/// The layers' directories as unpacked, topmost first.
fn original_layers(engine: &Engine, layers: &[String]) -> Result<Vec<PathBuf>, Error> {
    Ok(digests(layers)?.iter().rev().map(|digest| storage::layer::directory(&engine.store, digest)).collect())
}

fn digests(layers: &[String]) -> Result<Vec<Digest>, Error> {
    let parse = |diff_id: &String| diff_id.parse().map_err(|error| Error::Invalid(format!("layer {diff_id}: {error}")));
    layers.iter().map(parse).collect()
}

/// The directories in which volumes find what the image has at their places.
fn image_files(engine: &Engine, config: &ContainerConfig) -> Result<Vec<PathBuf>, Error> {
    match &config.root {
        Root::Image { layers, .. } => original_layers(engine, layers),
        Root::Directory { path, .. } => Ok(vec![path.clone()]),
    }
}

/// A working directory that was asked for must be there, in the root file system or beneath a mount; one that the image names is made.
fn settle_workdir(config: &ContainerConfig, view: &RootView, root: &PreparedRoot, user: &ResolvedUser) -> Result<(), Error> {
    let workdir = &config.process.workdir;
    let beneath = |directory: &str| Path::new(workdir).starts_with(directory);
    let mounted =
        config.mounts.iter().any(|mount| beneath(&mount.destination)) || ["/proc", "/dev", "/sys"].iter().any(|path| beneath(path));
    if mounted || workdir.starts_with('/') && view.is_directory(workdir.trim_matches('/')) {
        return Ok(());
    }
    match root {
        PreparedRoot::Overlay { lower, data, upper, work, .. } if !config.process.workdir_set => {
            workdir::make(workdir, &workdir::Layers { lower, data, upper, work }, &config.id_map, user)
        }
        _ => Err(spec::Error::NoWorkdir(workdir.clone(), config.id.clone()).into()),
    }
}

/// Namespaces of other containers as paths, which exist while those run.
fn joined(engine: &Engine, config: &ContainerConfig) -> Result<Joined, Error> {
    let mut joined = Joined::default();
    let namespaces = &config.namespaces;
    let process = match &namespaces.user_of {
        Some(id) => {
            let state = containers::load_state(&engine.store, id)?;
            if state.pid == 0 {
                return Err(Error::State {
                    code: 125,
                    message: format!("container {id}, whose namespaces are to be shared, is not running"),
                });
            }
            joined.user = Some(PathBuf::from(format!("/proc/{}/ns/user", state.pid)));
            state.pid
        }
        None => 0,
    };
    let path = |mode: &Namespace, name: &str| match mode {
        Namespace::Container(_) => Some(PathBuf::from(format!("/proc/{process}/ns/{name}"))),
        Namespace::Path(path) => Some(path.clone()),
        _ => None,
    };
    joined.pid = path(&namespaces.pid, "pid");
    joined.ipc = path(&namespaces.ipc, "ipc");
    joined.uts = path(&namespaces.uts, "uts");
    joined.cgroup = path(&namespaces.cgroup, "cgroup");
    joined.network = match &config.network.mode {
        NetworkMode::Container(_) => Some(PathBuf::from(format!("/proc/{process}/ns/net"))),
        NetworkMode::Path(path) => Some(path.clone()),
        _ => None,
    };
    Ok(joined)
}

/// What stands behind each of the configuration's mounts.
fn backings(engine: &Engine, config: &ContainerConfig, paths: &ContainerPaths) -> Result<Vec<Backing>, Error> {
    config.mounts.iter().enumerate().map(|(index, mount)| backing(engine, paths, index, mount)).collect()
}

fn backing(engine: &Engine, paths: &ContainerPaths, index: usize, mount: &Mount) -> Result<Backing, Error> {
    match mount.kind {
        MountKind::Tmpfs | MountKind::Ramfs | MountKind::Devpts => Ok(Backing::None),
        MountKind::Bind => {
            let source = PathBuf::from(&mount.source);
            if source.exists() { Ok(Backing::Path(source)) } else { Err(spec::Error::NoSource(source).into()) }
        }
        MountKind::Volume => Ok(Backing::Path(volumes::directory(engine, mount)?)),
        MountKind::Overlay => {
            let option = |name: &str| mount.options.iter().find_map(|option| option.strip_prefix(name)).map(PathBuf::from);
            let directories = match (option("upperdir="), option("workdir=")) {
                (Some(upper), Some(work)) => (upper, work),
                _ => {
                    let directories = ["upper", "work"].map(|name| paths.runtime.join(format!("mount-{index}-{name}")));
                    directories.iter().try_for_each(|path| fresh(path))?;
                    let [upper, work] = directories;
                    // The upper directory is what the container sees of the mount's root: /tmp must stay open to all.
                    let source = Path::new(&mount.source);
                    let mode = fs::metadata(source).map_err(Error::io("open", source))?.permissions().mode() & 0o7777;
                    fs::set_permissions(&upper, fs::Permissions::from_mode(mode | 0o700)).map_err(Error::io("set the mode of", &upper))?;
                    (upper, work)
                }
            };
            Ok(Backing::Overlay { lower: vec![PathBuf::from(&mount.source)], upper: Some(directories) })
        }
        MountKind::Image => {
            let record = storage::image::get(&engine.store, &mount.source)?.ok_or_else(|| storage::Error::NoImage(mount.source.clone()))?;
            let mut lower = original_layers(engine, &record.layers)?;
            if !mount.subpath.is_empty() {
                lower = lower.into_iter().map(|layer| layer.join(&mount.subpath)).filter(|path| path.is_dir()).collect();
            }
            let writable = mount.options.iter().any(|option| option == "rw");
            let [upper, work] = ["upper", "work"].map(|name| paths.runtime.join(format!("mount-{index}-{name}")));
            fresh(&upper)?;
            if writable {
                fresh(&work)?;
                return Ok(Backing::Overlay { lower, upper: Some((upper, work)) });
            }
            // An overlay without upper directory needs two lower ones; the empty one below all serves.
            lower.push(upper);
            Ok(Backing::Overlay { lower, upper: None })
        }
    }
}

/// The host's device nodes that a privileged container sees, without those that it gets anyway and terminals.
fn host_devices() -> Vec<PathBuf> {
    let mut devices = Vec::new();
    collect_devices(Path::new("/dev"), &mut devices);
    devices.sort();
    devices
}

fn collect_devices(directory: &Path, devices: &mut Vec<PathBuf>) {
    use std::os::unix::fs::FileTypeExt;
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() {
            if !matches!(&*name, "pts" | "shm" | "fd" | "mqueue" | ".lxc" | ".lxd-mounts" | ".udev") {
                collect_devices(&path, devices);
            }
        } else if kind.is_char_device() || kind.is_block_device() {
            let terminal = name == "console"
                || name == "tty"
                || name == "ptmx"
                || name.strip_prefix("tty").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
            if !terminal && fs::metadata(&path).is_ok() {
                devices.push(path);
            }
        }
    }
}

/// The system call filter, from the cache where it has been compiled before.
pub fn filter(engine: &Engine, config: &ContainerConfig) -> Result<Option<Filter>, Error> {
    let source = match &config.security.seccomp {
        _ if config.security.privileged => return Ok(None),
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default => seccomp::Source::Default,
        Seccomp::Profile(path) => seccomp::Source::File(path),
    };
    Ok(Some(seccomp::filter(source, &config.security.capabilities, &engine.paths.cache)?))
}
