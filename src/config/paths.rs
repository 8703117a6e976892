//! Where dulse keeps things, by the XDG Base Directory specification.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The directories of one user. Resolving creates none of them but the fall-back of the runtime directory: see [`Paths::resolve`].
#[derive(Clone, Debug)]
pub struct Paths {
    /// `$XDG_DATA_HOME/dulse`, or `--root`: images, layers, containers, volumes.
    pub data: PathBuf,
    /// `$XDG_RUNTIME_DIR/dulse`, or `--runroot`: locks, sockets, what is gone after a reboot.
    pub runtime: PathBuf,
    /// `$XDG_CACHE_HOME/dulse`: compiled seccomp filters, probes.
    pub cache: PathBuf,
    /// `$XDG_CONFIG_HOME/containers`.
    pub config: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    #[error("no home directory: HOME is not set and uid {0} has no entry in /etc/passwd")]
    NoHome(u32),
    #[error("runtime directory {0} belongs to uid {1}, not to uid {2}")]
    ForeignOwner(PathBuf, u32, u32),
    #[error("runtime directory {0} is open to others (mode {1:o}); run: chmod 700 {0}")]
    OpenToOthers(PathBuf, u32),
    #[error("{0}")]
    Io(PathBuf, #[source] std::io::Error),
}

/// What resolving depends on, so that tests need not change the process's environment.
struct Surroundings<'a> {
    uid: u32,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// `/run/user`, where logind keeps the runtime directories.
    run_user: &'a Path,
    /// `/tmp`.
    temporary: &'a Path,
}

impl Paths {
    /// The directories of the calling user; `root` and `runroot` are the global options.
    ///
    /// Where XDG_RUNTIME_DIR is not set or of no use (after su or sudo it is often another user's), `/run/user/UID` is taken, and where
    /// that is missing as well, a directory of this boot in `/tmp/dulse-UID`, which must be private to the user.
    pub fn resolve(root: Option<&Path>, runroot: Option<&Path>) -> Result<Self, PathsError> {
        let surroundings = Surroundings {
            uid: nix::unistd::geteuid().as_raw(),
            variable: &|name| std::env::var_os(name),
            run_user: Path::new("/run/user"),
            temporary: Path::new("/tmp"),
        };
        surroundings.resolve(root, runroot)
    }
}

impl Surroundings<'_> {
    fn resolve(&self, root: Option<&Path>, runroot: Option<&Path>) -> Result<Paths, PathsError> {
        let base = |name: &str, below_home: &str| match self.absolute(name) {
            Some(path) => Ok(path),
            None => self.home().map(|home| home.join(below_home)),
        };
        let given = |path: &Path| std::path::absolute(path).map_err(|error| PathsError::Io(path.to_owned(), error));
        Ok(Paths {
            data: match root {
                Some(path) => given(path)?,
                None => base("XDG_DATA_HOME", ".local/share")?.join("dulse"),
            },
            runtime: match runroot {
                Some(path) => given(path)?,
                None => self.runtime()?,
            },
            cache: base("XDG_CACHE_HOME", ".cache")?.join("dulse"),
            config: base("XDG_CONFIG_HOME", ".config")?.join("containers"),
        })
    }

    /// A variable that holds an absolute path; the specification says that others are to be ignored.
    fn absolute(&self, name: &str) -> Option<PathBuf> {
        (self.variable)(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    fn home(&self) -> Result<PathBuf, PathsError> {
        if let Some(home) = self.absolute("HOME") {
            return Ok(home);
        }
        // Read by hand: the C library's lookup may load NSS modules, which a statically linked program cannot.
        let table = fs::read("/etc/passwd").unwrap_or_default();
        home_in_passwd(&table, self.uid).ok_or(PathsError::NoHome(self.uid))
    }

    fn runtime(&self) -> Result<PathBuf, PathsError> {
        let logind = self.run_user.join(self.uid.to_string());
        let candidates = [self.absolute("XDG_RUNTIME_DIR"), Some(logind)];
        if let Some(found) = candidates.into_iter().flatten().find(|path| self.is_private(path)) {
            return Ok(found.join("dulse"));
        }
        let own = self.temporary.join(format!("dulse-{}", self.uid));
        match DirBuilder::new().mode(0o700).create(&own) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(PathsError::Io(own, error)),
            _ => {}
        }
        // /tmp is anybody's: another user may have put a directory or a symbolic link there before.
        let metadata = own.symlink_metadata().map_err(|error| PathsError::Io(own.clone(), error))?;
        if metadata.uid() != self.uid {
            return Err(PathsError::ForeignOwner(own, metadata.uid(), self.uid));
        }
        if !metadata.is_dir() {
            return Err(PathsError::Io(own, ErrorKind::NotADirectory.into()));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(PathsError::OpenToOthers(own, metadata.mode() & 0o7777));
        }
        // /tmp may outlive a reboot, what lies in a runtime directory must not.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim().get(..8).map_or_else(|| "boot".to_owned(), str::to_owned);
        Ok(own.join(boot))
    }

    /// The specification: owned by the user, access mode 0700. Group and others' read bits are no danger to us, their write bits are.
    fn is_private(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|metadata| {
            metadata.is_dir() && metadata.uid() == self.uid && metadata.mode() & 0o022 == 0 && metadata.mode() & 0o300 == 0o300
        })
    }
}

fn home_in_passwd(table: &[u8], uid: u32) -> Option<PathBuf> {
    table.split(|byte| *byte == b'\n').find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
        let owner = std::str::from_utf8(fields.get(2)?).ok()?.parse::<u32>().ok()?;
        let home = PathBuf::from(OsString::from_vec(fields.get(5)?.to_vec()));
        (owner == uid && home.is_absolute()).then_some(home)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn resolve(directory: &Path, variables: &[(&str, &Path)]) -> Result<Paths, PathsError> {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_os_str().to_owned());
        let surroundings = Surroundings {
            uid: nix::unistd::geteuid().as_raw(),
            variable: &lookup,
            run_user: &directory.join("run"),
            temporary: directory,
        };
        surroundings.resolve(None, None)
    }

    #[test]
    fn the_variables_of_the_specification_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = directory.path().join("runtime");
        fs::create_dir(&runtime).unwrap();
        let variables = [("HOME", Path::new("/h")), ("XDG_DATA_HOME", Path::new("/d")), ("XDG_CACHE_HOME", Path::new("relative"))];
        let paths = resolve(directory.path(), &[&variables[..], &[("XDG_RUNTIME_DIR", runtime.as_path())]].concat()).unwrap();
        assert_eq!(paths.data, Path::new("/d/dulse"));
        assert_eq!(paths.cache, Path::new("/h/.cache/dulse"));
        assert_eq!(paths.config, Path::new("/h/.config/containers"));
        assert_eq!(paths.runtime, runtime.join("dulse"));
    }

    #[test]
    fn without_a_usable_runtime_directory_a_private_one_in_tmp_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let open = directory.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        let variables = [("HOME", Path::new("/h")), ("XDG_RUNTIME_DIR", open.as_path())];
        let first = resolve(directory.path(), &variables).unwrap().runtime;
        assert!(first.starts_with(directory.path().join(format!("dulse-{}", nix::unistd::geteuid()))), "{first:?}");
        assert_eq!(resolve(directory.path(), &variables).unwrap().runtime, first);
        let own = first.parent().unwrap();
        fs::set_permissions(own, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(resolve(directory.path(), &variables), Err(PathsError::OpenToOthers(..))));
        fs::remove_dir(own).unwrap();
        std::os::unix::fs::symlink("/", own).unwrap();
        assert!(resolve(directory.path(), &variables).is_err());
    }

    #[test]
    fn the_home_directory_is_found_by_uid() {
        let table = b"root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1001:1001::/home/alice:/bin/bash\n";
        assert_eq!(home_in_passwd(table, 1001), Some("/home/alice".into()));
        assert_eq!(home_in_passwd(table, 7), None);
    }
}
