//! The working directory that an image names and does not have: it is made before the container starts, as podman does, and belongs to
//! the container's user. The directories above it may be in any layer, so it is made through the overlay itself, in a process of the
//! container's user namespace.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::engine::Error;
use crate::spec::users::ResolvedUser;
use crate::sys::mount::{Clone, Context, open_tree};
use crate::sys::path::{chown_at, mkdir_at, open_in_root_at};
use crate::userns::{self, IdMap};

/// The directories of an image's overlay: read-only ones topmost first, data-only ones, then those that are written to.
pub struct Layers<'a> {
    pub lower: &'a [PathBuf],
    pub data: &'a [PathBuf],
    pub upper: &'a Path,
    pub work: &'a Path,
}

/// Makes `workdir` with what is missing above it.
pub fn make(workdir: &str, layers: &Layers<'_>, map: &IdMap, user: &ResolvedUser) -> Result<(), Error> {
    let status = userns::fork_mapped(map, || match mount(layers).and_then(|root| directories(&root, workdir, user)) {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    })?;
    if status == 0 { Ok(()) } else { Err(Error::io("create the working directory", workdir)(io::Error::from_raw_os_error(status))) }
}

fn mount(layers: &Layers<'_>) -> io::Result<OwnedFd> {
    let context = Context::open(c"overlay")?;
    context.flag(c"userxattr")?;
    let set = |key, path: &Path| {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let layer = open_tree(None, &path, Clone::No)?;
        match context.set_fd(key, layer.as_fd()) {
            // Before Linux 6.13 an overlay takes no descriptors.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBADF)) => context.set(key, &path),
            other => other,
        }
    };
    layers.lower.iter().try_for_each(|layer| set(c"lowerdir+", layer))?;
    layers.data.iter().try_for_each(|layer| set(c"datadir+", layer))?;
    set(c"upperdir", layers.upper)?;
    set(c"workdir", layers.work)?;
    context.create()?;
    context.mount(0)
}

/// Component by component and within the root: the image may have links on the way.
fn directories(root: impl AsFd, workdir: &str, user: &ResolvedUser) -> io::Result<()> {
    let open = |path: &[u8]| open_in_root_at(&root, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY);
    let mut parent: File = open(b".")?;
    let mut path = String::new();
    for name in workdir.split('/').filter(|name| !name.is_empty()) {
        path.push('/');
        path.push_str(name);
        parent = match open(path.trim_start_matches('/').as_bytes()) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                mkdir_at(&parent, name.as_bytes(), 0o755)?;
                chown_at(&parent, name.as_bytes(), user.uid, user.gid)?;
                open(path.trim_start_matches('/').as_bytes())?
            }
            other => other?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_directories_are_made_and_links_do_not_lead_out() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("real")).unwrap();
        std::os::unix::fs::symlink("/real", root.path().join("link")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("out")).unwrap();
        let user = ResolvedUser { uid: crate::sys::host::uid(), gid: crate::sys::host::gid(), ..ResolvedUser::default() };
        let top = File::open(root.path()).unwrap();
        directories(&top, "/a/b", &user).unwrap();
        directories(&top, "/link/c", &user).unwrap();
        assert!(root.path().join("a/b").is_dir() && root.path().join("real/c").is_dir());
        assert!(directories(&top, "/out/x", &user).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
}
