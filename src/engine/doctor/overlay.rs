//! Trying an overlay on the store's file system, in a process of its own.

use std::fs;
use std::io;
use std::path::Path;

use crate::storage::mapped;
use crate::sys;
use crate::userns::{self, IdMap};

/// Exit code of the process that tried: all worked, with or without data-only layers; an errno otherwise.
const WORKS: i32 = 0;
const WORKS_WITHOUT_DATA_ONLY: i32 = 200;

/// What became of it: why there is no overlay, and whether there are data-only layers.
#[derive(Debug, Default)]
pub struct Outcome {
    pub error: Option<String>,
    pub data_only: bool,
}

/// Mounts an overlay with directories below `data` and changes a file in it, as a container would. To be called while the process has one
/// thread.
pub fn attempt(data: &Path, map: &IdMap) -> Outcome {
    let place = match tempfile::Builder::new().prefix("doctor-").tempdir_in(data) {
        Ok(place) => place,
        Err(error) => return Outcome { error: Some(error.to_string()), data_only: false },
    };
    let code = userns::fork_mapped(map, || match change_a_file(place.path()) {
        Ok(()) if mapped::probe(data).unwrap_or(false) => WORKS,
        Ok(()) => WORKS_WITHOUT_DATA_ONLY,
        Err(error) => error.raw_os_error().filter(|errno| (1..WORKS_WITHOUT_DATA_ONLY).contains(errno)).unwrap_or(libc::EIO),
    });
    // What the kernel keeps in the work directory belongs to the user but has no permissions.
    let _ = userns::fork_mapped(map, || i32::from(fs::remove_dir_all(place.path()).is_err()));
    match code {
        Ok(WORKS) => Outcome { error: None, data_only: true },
        Ok(WORKS_WITHOUT_DATA_ONLY) => Outcome { error: None, data_only: false },
        Ok(errno) => Outcome { error: Some(io::Error::from_raw_os_error(errno).to_string()), data_only: false },
        Err(error) => Outcome { error: Some(error.to_string()), data_only: false },
    }
}

fn change_a_file(place: &Path) -> io::Result<()> {
    std::env::set_current_dir(place)?;
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(name)?;
    }
    fs::write("lower/kept", "old")?;
    fs::write("lower/removed", "old")?;
    let options = c"userxattr,lowerdir=lower,upperdir=upper,workdir=work";
    sys::mount::mount(Some(c"overlay"), c"merged", Some(c"overlay"), 0, Some(options))?;
    fs::write("merged/kept", "new")?;
    // Needs a whiteout.
    fs::remove_file("merged/removed")?;
    if fs::read_to_string("lower/kept")? == "old" { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
}
