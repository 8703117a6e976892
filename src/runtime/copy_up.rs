//! `tmpcopyup`: what the image has at a tmpfs's destination is copied into the new tmpfs.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmod, fchmodat, fstat, fstatat, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, symlinkat};

/// Copies the directory `from` (an `O_PATH` descriptor) into the directory `to`, owner, mode and times included.
/// Other things than files, directories and links (nobody may make device nodes in a user namespace) are left out.
/// The new root's own mode stays unless `mode_too`.
pub fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>, mode_too: bool) -> io::Result<()> {
    let to = openat(to, c".", OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let status = fstat(from)?;
    directory(from, to.as_fd())?;
    if mode_too {
        fchmod(&to, mode(&status))?;
    }
    Ok(())
}

fn directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut entries = Dir::openat(from, c".", flags, Mode::empty())?;
    let source = openat(from, c".", flags, Mode::empty())?;
    for entry in entries.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            one(source.as_fd(), to, name)?;
        }
    }
    Ok(())
}

fn one(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    let status = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let follow = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => {
            mkdirat(to, name, Mode::S_IRWXU)?;
            let inner_from = openat(from, name, follow | OFlag::O_DIRECTORY, Mode::empty())?;
            let inner_to = openat(to, name, follow | OFlag::O_DIRECTORY, Mode::empty())?;
            directory(inner_from.as_fd(), inner_to.as_fd())?;
        }
        SFlag::S_IFREG => {
            let mut source = File::from(openat(from, name, follow, Mode::empty())?);
            let flags = follow | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY;
            let mut target = File::from(openat(to, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
            io::copy(&mut source, &mut target)?;
        }
        SFlag::S_IFLNK => {
            let target = readlinkat(from, name)?;
            symlinkat(target.as_os_str(), to, name)?;
        }
        _ => return Ok(()),
    }
    let link = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK;
    fchownat(to, name, Some(Uid::from_raw(status.st_uid)), Some(Gid::from_raw(status.st_gid)), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if !link {
        fchmodat(to, name, mode(&status), FchmodatFlags::FollowSymlink)?;
    }
    let times = (TimeSpec::new(status.st_atime, status.st_atime_nsec), TimeSpec::new(status.st_mtime, status.st_mtime_nsec));
    utimensat(to, name, &times.0, &times.1, UtimensatFlags::NoFollowSymlink)?;
    Ok(())
}

fn mode(status: &FileStat) -> Mode {
    Mode::from_bits_truncate(status.st_mode & 0o7777)
}
