//! Mounts by descriptors: fsopen(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2), and pivot_root(2).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::check;

/// A file system under configuration, as fsopen(2) makes it.
pub struct Context(OwnedFd);

impl Context {
    /// A new file system of type `kind`.
    pub fn open(kind: &CStr) -> io::Result<Self> {
        // SAFETY: `kind` is a C string; the result is a new descriptor that nobody else owns.
        let fd = check(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) })?;
        // SAFETY: see above.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// Sets a parameter with a value. The kernel takes at most 255 bytes.
    pub fn set(&self, key: &CStr, value: &CStr) -> io::Result<()> {
        self.config(libc::FSCONFIG_SET_STRING, Some(key), value.as_ptr(), 0)
    }

    /// Sets a parameter without a value.
    pub fn flag(&self, key: &CStr) -> io::Result<()> {
        self.config(libc::FSCONFIG_SET_FLAG, Some(key), std::ptr::null(), 0)
    }

    /// Sets a parameter to an open file.
    pub fn set_fd(&self, key: &CStr, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.config(libc::FSCONFIG_SET_FD, Some(key), std::ptr::null(), fd.as_raw_fd())
    }

    /// Creates the superblock.
    pub fn create(&self) -> io::Result<()> {
        self.config(libc::FSCONFIG_CMD_CREATE, None, std::ptr::null(), 0)
    }

    /// A detached mount of the created superblock with `MOUNT_ATTR_*`.
    pub fn mount(&self, attributes: u64) -> io::Result<OwnedFd> {
        // SAFETY: no pointers; the result is a new descriptor that nobody else owns.
        let fd = check(unsafe { libc::syscall(libc::SYS_fsmount, self.0.as_raw_fd(), libc::FSMOUNT_CLOEXEC, attributes) })?;
        // SAFETY: see above.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }

    /// What the kernel wrote into the context's log about the last failure.
    pub fn message(&self) -> Option<String> {
        let mut buffer = [0_u8; 512];
        let length = nix::unistd::read(&self.0, &mut buffer).ok()?;
        let text = String::from_utf8_lossy(buffer.get(..length)?).trim().to_owned();
        Some(text.strip_prefix("e ").map_or(text.clone(), str::to_owned)).filter(|text| !text.is_empty())
    }

    fn config(&self, command: u32, key: Option<&CStr>, value: *const libc::c_char, aux: i32) -> io::Result<()> {
        let key = key.map_or(std::ptr::null(), CStr::as_ptr);
        // SAFETY: `key` and `value` are null or C strings that outlive the call.
        check(unsafe { libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, key, value, aux) }).map(drop)
    }
}

/// An `O_PATH` descriptor of `path` from `directory` on, or with `clone` a detached copy of the mount there.
/// An empty path means `directory` itself.
pub fn open_tree(directory: Option<BorrowedFd<'_>>, path: &CStr, clone: Clone) -> io::Result<OwnedFd> {
    let mut flags = libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as u32 | libc::AT_NO_AUTOMOUNT as u32;
    flags |= match clone {
        Clone::No => 0,
        Clone::Single => libc::OPEN_TREE_CLONE,
        Clone::Recursive => libc::OPEN_TREE_CLONE | libc::AT_RECURSIVE as u32,
    };
    let directory = directory.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
    // SAFETY: `path` is a C string; the result is a new descriptor that nobody else owns.
    let fd = check(unsafe { libc::syscall(libc::SYS_open_tree, directory, path.as_ptr(), flags) })?;
    // SAFETY: see above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// What [`open_tree`] copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clone {
    No,
    Single,
    Recursive,
}

/// Attaches the mount `from` on the file or directory `to`.
pub fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths are the empty C string.
    check(unsafe { libc::syscall(libc::SYS_move_mount, from.as_raw_fd(), c"".as_ptr(), to.as_raw_fd(), c"".as_ptr(), flags) }).map(drop)
}

/// Changes of a mount's attributes, mount_setattr(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `MOUNT_ATTR_*` to set and to clear.
    pub set: u64,
    pub clear: u64,
    /// One of `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE`, or 0.
    pub propagation: u64,
}

impl Attributes {
    /// Nothing is to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Changes attributes of the mount `fd`, with `recursive` of all mounts below it as well.
pub fn set_attributes(fd: BorrowedFd<'_>, recursive: bool, attributes: Attributes) -> io::Result<()> {
    let attr = libc::mount_attr { attr_set: attributes.set, attr_clr: attributes.clear, propagation: attributes.propagation, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let size = std::mem::size_of_val(&attr);
    // SAFETY: `attr` is a valid mount_attr of `size` bytes.
    check(unsafe { libc::syscall(libc::SYS_mount_setattr, fd.as_raw_fd(), c"".as_ptr(), flags, &raw const attr, size) }).map(drop)
}

/// mount(2), where the descriptor calls do not reach (propagation of everything, options longer than 255 bytes).
pub fn mount(source: Option<&CStr>, target: &CStr, kind: Option<&CStr>, flags: u64, data: Option<&CStr>) -> io::Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: all pointers are null or C strings that outlive the call.
    let result = unsafe { libc::mount(pointer(source), target.as_ptr(), pointer(kind), flags, pointer(data).cast()) };
    check(result.into()).map(drop)
}

/// Makes `root` the root of this mount namespace and takes the old root away. The working directory is the new root afterwards.
pub fn pivot_root(root: impl AsFd) -> io::Result<()> {
    nix::unistd::fchdir(root)?;
    // The old root ends up on top of the new one and is detached from there: no directory is needed to put it.
    nix::unistd::pivot_root(".", ".")?;
    nix::mount::umount2(".", nix::mount::MntFlags::MNT_DETACH)?;
    nix::unistd::chdir("/")?;
    Ok(())
}
