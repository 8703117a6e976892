//! The container's root file system: an overlay made in its own mount namespace, or a directory of the host.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::sys::mount::{Clone, Context, move_mount, open_tree};

use super::Rootfs;
use super::channel::{Context as _, Failure};

/// The directories of a root file system, opened with the caller's own rights before the process becomes the container's root.
pub struct Opened {
    place: OwnedFd,
    /// The last part of the place's path.
    name: CString,
    layers: Option<Layers>,
}

struct Layers {
    volatile: bool,
    lower: Vec<OwnedFd>,
    data: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
}

impl Opened {
    pub fn new(rootfs: &Rootfs<'_>) -> Result<Self, Failure> {
        match rootfs {
            Rootfs::Path(path) => Ok(Self { place: open(path)?, name: CString::default(), layers: None }),
            Rootfs::Overlay { lower, data, upper, merged, volatile } => Ok(Self {
                place: open(merged)?,
                name: CString::new(merged.file_name().unwrap_or_default().as_bytes()).unwrap_or_default(),
                layers: Some(Layers {
                    volatile: *volatile,
                    lower: lower.iter().map(|path| open(path)).collect::<Result<_, _>>()?,
                    data: data.iter().map(|path| open(path)).collect::<Result<_, _>>()?,
                    upper: upper.map(|(upper, work)| Ok((open(upper)?, open(work)?))).transpose()?,
                }),
            }),
        }
    }

    /// Mounts it in this mount namespace.
    pub fn mount(&self) -> Result<OwnedFd, Failure> {
        let root = match &self.layers {
            None => open_tree(Some(self.place.as_fd()), c"", Clone::Recursive).step(|| "bind the root file system".into())?,
            Some(layers) => match layers.mount() {
                // Before Linux 6.13 an overlay takes no descriptors.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EBADF)) => {
                    return layers.mount_by_options(self.place.as_fd(), &self.name).step(|| "mount the overlay".into());
                }
                mounted => mounted.step(|| "mount the overlay".into())?,
            },
        };
        move_mount(root.as_fd(), self.place.as_fd()).step(|| "attach the root file system".into())?;
        Ok(root)
    }
}

fn open(path: &Path) -> Result<OwnedFd, Failure> {
    let text = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from).step(|| format!("open {}", path.display()))?;
    open_tree(None, &text, Clone::No).step(|| format!("open {}", path.display()))
}

impl Layers {
    fn mount(&self) -> io::Result<OwnedFd> {
        let context = Context::open(c"overlay")?;
        context.flag(c"userxattr")?;
        context.set(c"source", c"overlay")?;
        for layer in &self.lower {
            context.set_fd(c"lowerdir+", layer.as_fd())?;
        }
        for layer in &self.data {
            context.set_fd(c"datadir+", layer.as_fd())?;
        }
        if let Some((upper, work)) = &self.upper {
            context.set_fd(c"upperdir", upper.as_fd())?;
            context.set_fd(c"workdir", work.as_fd())?;
            if self.volatile {
                context.flag(c"volatile")?;
            }
        }
        context.create()?;
        context.mount(0)
    }

    /// By mount(2), whose options are limited to a page: each layer is named by its descriptor's number, relative to /proc/self/fd.
    fn mount_by_options(&self, place: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
        nix::unistd::chdir("/proc/self/fd")?;
        let number = |fd: &OwnedFd| fd.as_raw_fd().to_string();
        let mut options = format!("userxattr,lowerdir={}", self.lower.iter().map(number).collect::<Vec<_>>().join(":"));
        for layer in &self.data {
            options.push_str(&format!("::{}", layer.as_raw_fd()));
        }
        if let Some((upper, work)) = &self.upper {
            options.push_str(&format!(",upperdir={},workdir={}", number(upper), number(work)));
            if self.volatile {
                options.push_str(",volatile");
            }
        }
        let target = CString::new(place.as_raw_fd().to_string())?;
        let options = CString::new(options)?;
        crate::sys::mount::mount(Some(c"overlay"), &target, Some(c"overlay"), 0, Some(&options))?;
        // The descriptor itself is still the directory below the mount: the way through its parent leads to what is on top.
        let above = CString::new([b"../", name.to_bytes()].concat())?;
        open_tree(Some(place), &above, Clone::No)
    }
}
