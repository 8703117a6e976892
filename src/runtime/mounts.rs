//! The mounts of the specification, devices, masked and read-only paths, in the new root.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::stat::{SFlag, fstat};

use crate::sys::mount::{Attributes, Clone, Context, move_mount, open_tree, set_attributes};
use crate::sys::resolve::{open_in_root, open_in_root_nofollow};

use super::channel::{Context as _, Failure};
use super::options::Options;
use super::plan::{Mount, Plan, Source};
use super::tree::{Missing, new_entry, open_or_create};

/// Copies of the host's files and directories, made with the caller's own rights before the process becomes the container's root:
/// that may not be allowed to reach them.
pub struct Sources {
    /// One for each mount of the plan; `None` for a new file system.
    mounts: Vec<Option<OwnedFd>>,
    devices: Vec<OwnedFd>,
    /// The host's /dev/null, for masks.
    null: Option<OwnedFd>,
}

impl Sources {
    pub fn new(plan: &Plan) -> Result<Self, Failure> {
        let source = |mount: &Mount| match &mount.source {
            Source::Bind { path, recursive } => clone(path, *recursive).map(Some),
            Source::New { .. } => Ok(None),
        };
        Ok(Self {
            mounts: plan.mounts.iter().map(source).collect::<Result<_, _>>()?,
            devices: plan.devices.iter().map(|device| clone_device(&device.source)).collect::<Result<_, _>>()?,
            null: if plan.masked.is_empty() { None } else { Some(null()?) },
        })
    }
}

fn clone(path: &CStr, recursive: bool) -> Result<OwnedFd, Failure> {
    let kind = if recursive { Clone::Recursive } else { Clone::Single };
    open_tree(None, path, kind).step(|| format!("bind mount source {}", path.to_string_lossy()))
}

/// A device node of the host: the mount gives no more than the device.
fn clone_device(path: &CStr) -> Result<OwnedFd, Failure> {
    let device = clone(path, false)?;
    let attributes = Attributes { set: libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC, ..Attributes::default() };
    set_attributes(device.as_fd(), false, attributes).step(|| format!("bind device {}", path.to_string_lossy()))?;
    Ok(device)
}

/// /dev/null of the host, verified: a mask by anything else would show its content.
fn null() -> Result<OwnedFd, Failure> {
    let null = open_tree(None, c"/dev/null", Clone::No).step(|| "open /dev/null".into())?;
    let status = fstat(&null).step(|| "stat /dev/null".into())?;
    let is_device = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
    if is_device && status.st_rdev == nix::sys::stat::makedev(1, 3) {
        Ok(null)
    } else {
        Err(Failure::setup("/dev/null is not the null device".into(), &io::Error::from_raw_os_error(libc::ENODEV)))
    }
}

/// The new file systems of a plan, one for each mount, not attached anywhere yet.
#[derive(Default)]
pub struct Made(Vec<Option<OwnedFd>>);

impl Made {
    /// Makes those that are `wanted` and not made yet.
    pub fn make(&mut self, plan: &Plan, wanted: impl Fn(&Mount) -> bool) -> Result<(), Failure> {
        self.0.resize_with(plan.mounts.len(), || None);
        for (made, mount) in self.0.iter_mut().zip(&plan.mounts) {
            if made.is_none() && wanted(mount) {
                *made = new_file_system(mount)?;
            }
        }
        Ok(())
    }
}

fn new_file_system(mount: &Mount) -> Result<Option<OwnedFd>, Failure> {
    let Source::New { kind, name, instead } = &mount.source else { return Ok(None) };
    let made = configure(kind, name, &mount.options);
    match (made, instead) {
        // This file system belongs to a namespace that is the host's here: what the host has is bound instead.
        (Err(error), Some(path)) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EBUSY)) => {
            let copy = clone(path, true)?;
            let attributes = Attributes { set: mount.options.attributes.set, ..Attributes::default() };
            set_attributes(copy.as_fd(), true, attributes).step(|| describe(mount))?;
            Ok(Some(copy))
        }
        (made, _) => made.step(|| describe(mount)).map(Some),
    }
}

fn configure(kind: &CStr, name: &CStr, options: &Options) -> io::Result<OwnedFd> {
    let context = Context::open(kind)?;
    context.set(c"source", name)?;
    for flag in &options.flags {
        context.flag(&CString::new(*flag)?)?;
    }
    for (key, value) in &options.parameters {
        if let (Some(layers), true) = (value, kind == c"overlay" && matches!(key.as_str(), "lowerdir" | "upperdir" | "workdir")) {
            overlay_layers(&context, key, layers)?;
            continue;
        }
        let key = CString::new(key.as_str())?;
        match value {
            Some(value) => context.set(&key, &CString::new(value.as_str())?)?,
            None => context.flag(&key)?,
        }
    }
    context.create()?;
    context.mount(options.attributes.set)
}

/// Layers by descriptor: a path given as a string may have at most 255 bytes.
fn overlay_layers(context: &Context, key: &str, value: &str) -> io::Result<()> {
    let mut paths = vec![Vec::new()];
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => paths.last_mut().into_iter().for_each(|path| path.extend(bytes.next())),
            b':' if key == "lowerdir" => paths.push(Vec::new()),
            byte => paths.last_mut().into_iter().for_each(|path| path.push(byte)),
        }
    }
    let name = if key == "lowerdir" { c"lowerdir+".to_owned() } else { CString::new(key)? };
    for path in paths {
        let path = CString::new(path)?;
        let layer = open_tree(None, &path, Clone::No)?;
        match context.set_fd(&name, layer.as_fd()) {
            // Before Linux 6.13 an overlay takes no descriptors.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBADF)) => context.set(&name, &path)?,
            other => other?,
        }
    }
    Ok(())
}

fn describe(mount: &Mount) -> String {
    match &mount.source {
        Source::Bind { path, .. } => format!("mount {} to {}", path.to_string_lossy(), mount.destination.to_string_lossy()),
        Source::New { kind, .. } => format!("mount {} to {}", kind.to_string_lossy(), mount.destination.to_string_lossy()),
    }
}

/// Attaches all mounts of the plan in `root`.
pub fn attach(plan: &Plan, sources: &Sources, made: &Made, root: BorrowedFd<'_>) -> Result<(), Failure> {
    for ((mount, source), made) in plan.mounts.iter().zip(&sources.mounts).zip(&made.0) {
        let Some(tree) = made.as_ref().or(source.as_ref()) else { continue };
        attach_one(mount, tree.as_fd(), root)?;
    }
    Ok(())
}

fn attach_one(mount: &Mount, tree: BorrowedFd<'_>, root: BorrowedFd<'_>) -> Result<(), Failure> {
    let is_bind = matches!(mount.source, Source::Bind { .. });
    let missing = if is_bind && !is_directory(tree).step(|| describe(mount))? { Missing::File } else { Missing::Directory };
    // A tmpfs takes the mode of the directory it covers, unless it was given one or the directory is only made for it.
    let mode_too = mount.options.copy_up
        && !mount.options.parameters.iter().any(|(name, _)| name == "mode")
        && open_in_root(root, &mount.destination, libc::O_PATH, 0).is_ok();
    let target = if mount.is_new("proc") || mount.is_new("sysfs") {
        // An image that puts a link here could move them, and with them what is masked.
        match open_in_root_nofollow(root, &mount.destination, libc::O_PATH | libc::O_DIRECTORY, 0) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => open_or_create(root, &mount.destination, Missing::Directory),
            opened => opened,
        }
    } else {
        open_or_create(root, &mount.destination, missing)
    }
    .step(|| describe(mount))?;
    if is_bind {
        apply(tree, false, mount.options.attributes).step(|| describe(mount))?;
    }
    apply(tree, true, mount.options.recursive).step(|| describe(mount))?;
    if let Some((propagation, recursive)) = mount.options.propagation {
        set_attributes(tree, recursive, Attributes { propagation, ..Attributes::default() }).step(|| describe(mount))?;
    }
    if mount.options.copy_up {
        super::copy_up::copy(target.as_fd(), tree, mode_too).step(|| describe(mount))?;
    }
    move_mount(tree, target.as_fd()).step(|| describe(mount))
}

/// Changes attributes; those that the host has locked on the source (user_namespaces(7)) stay.
fn apply(tree: BorrowedFd<'_>, recursive: bool, attributes: Attributes) -> io::Result<()> {
    if attributes.is_empty() {
        return Ok(());
    }
    match set_attributes(tree, recursive, attributes) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) && attributes.clear != 0 => {
            set_attributes(tree, recursive, Attributes { clear: 0, set: attributes.set & !libc::MOUNT_ATTR__ATIME, ..attributes })
        }
        result => result,
    }
}

/// Device nodes and the links of /dev, runtime-spec "Default Devices" and "Dev symbolic links".
pub fn devices(plan: &Plan, sources: &Sources, root: BorrowedFd<'_>) -> Result<(), Failure> {
    if plan.devices.is_empty() {
        return Ok(());
    }
    let dev = open_or_create(root, c"/dev", Missing::Directory).step(|| "open /dev".into())?;
    for (device, source) in plan.devices.iter().zip(&sources.devices) {
        let step = || format!("bind device {}", device.path.to_string_lossy());
        // In a new /dev nothing is there yet.
        let name = device.path.to_bytes_with_nul().strip_prefix(b"/dev/").and_then(|name| CStr::from_bytes_with_nul(name).ok());
        let new = match name.filter(|name| !name.to_bytes().contains(&b'/')) {
            Some(name) => new_entry(dev.as_fd(), name, Missing::File).step(step)?,
            None => None,
        };
        let target = match new {
            Some(target) => target,
            None => open_or_create(root, &device.path, Missing::File).step(step)?,
        };
        move_mount(source.as_fd(), target.as_fd()).step(step)?;
    }
    let links = [
        (c"/proc/self/fd", c"fd"),
        (c"/proc/self/fd/0", c"stdin"),
        (c"/proc/self/fd/1", c"stdout"),
        (c"/proc/self/fd/2", c"stderr"),
        (c"/proc/kcore", c"core"),
        (c"pts/ptmx", c"ptmx"),
    ];
    for (target, name) in links {
        match nix::unistd::symlinkat(target, &dev, name) {
            Ok(()) | Err(nix::Error::EEXIST) => {}
            Err(errno) => return Err(errno).step(|| format!("link /dev/{}", name.to_string_lossy())),
        }
    }
    Ok(())
}

/// Hides paths: files under /dev/null, directories under an empty read-only tmpfs that all share. What does not exist needs no mask.
pub fn mask(plan: &Plan, sources: &Sources, root: BorrowedFd<'_>) -> Result<(), Failure> {
    let Some(null) = &sources.null else { return Ok(()) };
    let (mut file, mut directory): (Option<OwnedFd>, Option<OwnedFd>) = (None, None);
    for path in &plan.masked {
        let step = || format!("mask {}", path.to_string_lossy());
        let Some(target) = existing(root, path).step(step)? else { continue };
        let is_directory = is_directory(target.as_fd()).step(step)?;
        let first = if is_directory { &mut directory } else { &mut file };
        let cover = match first {
            // Only an attached mount can be copied (before Linux 6.15): the first one is, by now.
            Some(first) => open_tree(Some(first.as_fd()), c"", Clone::Single).step(step)?,
            None if is_directory => empty_directory().step(step)?,
            None => empty_file(null.as_fd()).step(step)?,
        };
        move_mount(cover.as_fd(), target.as_fd()).step(step)?;
        first.get_or_insert(cover);
    }
    Ok(())
}

fn empty_file(null: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let copy = open_tree(Some(null), c"", Clone::Single)?;
    set_attributes(copy.as_fd(), false, Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() })?;
    Ok(copy)
}

fn empty_directory() -> io::Result<OwnedFd> {
    let context = Context::open(c"tmpfs")?;
    context.set(c"source", c"tmpfs")?;
    context.set(c"size", c"0k")?;
    context.flag(c"ro")?;
    context.create()?;
    context.mount(libc::MOUNT_ATTR_RDONLY)
}

/// Makes paths read-only by a copy of what is mounted there. What does not exist is left out.
pub fn write_protect(plan: &Plan, root: BorrowedFd<'_>) -> Result<(), Failure> {
    for path in &plan.readonly {
        let step = || format!("make {} read-only", path.to_string_lossy());
        let Some(target) = existing(root, path).step(step)? else { continue };
        let copy = open_tree(Some(target.as_fd()), c"", Clone::Recursive).step(step)?;
        let attributes = Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() };
        set_attributes(copy.as_fd(), true, attributes).step(step)?;
        move_mount(copy.as_fd(), target.as_fd()).step(step)?;
    }
    Ok(())
}

/// Makes the file system at /dev read-only, now that everything is in it; what is mounted below stays as it is.
pub fn write_protect_dev(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let step = || "make /dev read-only".to_owned();
    let Some(dev) = existing(root, c"/dev").step(step)? else { return Ok(()) };
    set_attributes(dev.as_fd(), false, Attributes { set: libc::MOUNT_ATTR_RDONLY, ..Attributes::default() }).step(step)
}

/// `path` in the root, or `None` where nothing is or may be seen.
fn existing(root: BorrowedFd<'_>, path: &CStr) -> io::Result<Option<OwnedFd>> {
    match open_in_root(root, path, libc::O_PATH, 0) {
        Ok(fd) => Ok(Some(fd)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_directory(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}
