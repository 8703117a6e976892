//! Writing the maps of another process's new user namespace.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::sys;

use super::{Error, IdMap, IdMapping};

/// Writes the maps of process `pid`, which is in a new user namespace: a single ID directly, ranges by newuidmap and newgidmap side by side.
pub fn write_maps(pid: i32, map: &IdMap) -> Result<(), Error> {
    // Whoever is privileged in this namespace (root inside another container) needs no helper.
    if map.is_single() || nix::unistd::geteuid().is_root() && write_directly(pid, map, false).is_ok() {
        return if map.is_single() { write_directly(pid, map, true) } else { Ok(()) };
    }
    let users = Helper::start("newuidmap", pid, &map.uids)?;
    let groups = Helper::start("newgidmap", pid, &map.gids);
    users.finish(&map.uids, "uid")?;
    groups?.finish(&map.gids, "gid")
}

fn write_directly(pid: i32, map: &IdMap, deny_setgroups: bool) -> Result<(), Error> {
    let write = |file: &str, text: &str| {
        let path = PathBuf::from(format!("/proc/{pid}/{file}"));
        fs::write(&path, text).map_err(|error| Error::Write(path, error))
    };
    write("uid_map", &lines(&map.uids))?;
    // Without privileges the kernel takes a group map only where groups cannot be dropped: user_namespaces(7).
    if deny_setgroups {
        write("setgroups", "deny")?;
    }
    write("gid_map", &lines(&map.gids))
}

fn lines(mappings: &[IdMapping]) -> String {
    mappings.iter().map(|m| format!("{} {} {}\n", m.container, m.host, m.size)).collect()
}

/// newuidmap or newgidmap, running.
struct Helper {
    program: &'static str,
    pid: i32,
    messages: fs::File,
}

impl Helper {
    fn start(program: &'static str, pid: i32, mappings: &[IdMapping]) -> Result<Self, Error> {
        let failed = |error| Error::Setup(program, error);
        let (messages, stderr) = io::pipe().map_err(failed)?;
        let mut arguments = vec![program.to_owned(), pid.to_string()];
        arguments.extend(mappings.iter().flat_map(|m| [m.container, m.host, m.size]).map(|number| number.to_string()));
        let arguments: Vec<CString> = arguments.into_iter().filter_map(|text| CString::new(text).ok()).collect();
        let file = find_program(program).ok_or(Error::NoHelper { program })?;
        let file = CString::new(file.into_os_string().into_vec()).map_err(|error| failed(error.into()))?;
        let started = sys::spawn::spawn(&file, &arguments, Some(stderr.as_fd()));
        match started {
            Ok(pid) => Ok(Self { program, pid, messages: fs::File::from(std::os::fd::OwnedFd::from(messages)) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoHelper { program }),
            Err(error) => Err(failed(error)),
        }
    }

    fn finish(mut self, mappings: &[IdMapping], kind: &'static str) -> Result<(), Error> {
        let status = sys::clone::wait(self.pid).map_err(|error| Error::Setup(self.program, error))?;
        if status == 0 {
            return Ok(());
        }
        let mut message = String::new();
        let _ = self.messages.by_ref().take(4096).read_to_string(&mut message);
        let message = message.trim().trim_start_matches(self.program).trim_start_matches(": ").to_owned();
        Err(Error::HelperRefused {
            program: self.program,
            mapping: lines(mappings).trim().replace('\n', ", "),
            mend: mend(&message, self.program, kind),
            message,
        })
    }
}

/// What helps against a helper's refusal, by its message.
fn mend(message: &str, program: &str, kind: &str) -> Option<String> {
    if message.contains("not allowed") {
        super::SubIds::of_user().ok().map(|ids| super::subid::add_range(&ids.user, 65_536))
    } else if message.contains("Operation not permitted") {
        Some(format!("sudo setcap cap_set{kind}=ep /usr/bin/{program}"))
    } else {
        None
    }
}

/// Where newuidmap or newgidmap is. First where every distribution has it: a search of PATH is for the others.
pub fn find_program(name: &str) -> Option<PathBuf> {
    sys::program::find(name, &["/usr/bin".into()])
}
