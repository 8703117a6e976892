//! Whether a container could ever write to this program's own file.

use std::os::unix::fs::MetadataExt;

use crate::userns::IdMap;

/// Whether the container's processes may be, or become, someone who can write to this program's file: then no process of a container may
/// ever have been this program (see [`crate::sys::trampoline`]). `map` is the container's; without one it is the caller's own namespace.
pub fn needs_guard(map: Option<&IdMap>) -> bool {
    let (Ok(status), Some(map)) = (std::fs::metadata("/proc/self/exe"), map) else { return true };
    let (group_writes, others_write) = (status.mode() & 0o020 != 0, status.mode() & 0o002 != 0);
    map.container_uid(status.uid()).is_some() || others_write || group_writes && map.container_gid(status.gid()).is_some()
}
