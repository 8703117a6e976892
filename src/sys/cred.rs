//! Users, groups and capabilities of the calling process.

use std::io;

use super::check;

/// The highest capability this program knows (CAP_CHECKPOINT_RESTORE).
pub const LAST_CAPABILITY: u32 = 40;

/// A set of capabilities: bit n is capability number n.
pub type CapabilitySet = u64;

/// CAP_SYS_ADMIN's number.
pub const CAP_SYS_ADMIN: u32 = 21;

/// The capabilities' names without `CAP_`, by number: include/uapi/linux/capability.h.
const NAMES: [&str; LAST_CAPABILITY as usize + 1] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The number of a capability by its name, `CAP_CHOWN` or `CHOWN`.
pub fn capability_number(name: &str) -> Option<u32> {
    let name = name.strip_prefix("CAP_").unwrap_or(name);
    NAMES.iter().position(|known| *known == name).map(|number| number as u32)
}

/// Sets real, effective and saved user ID. By the system call, since there is one thread and glibc's would signal all.
pub fn set_user(uid: u32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) }).map(drop)
}

/// Sets real, effective and saved group ID.
pub fn set_group(gid: u32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) }).map(drop)
}

/// Sets the supplementary groups.
pub fn set_groups(gids: &[u32]) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of the slice.
    check(unsafe { libc::syscall(libc::SYS_setgroups, gids.len(), gids.as_ptr()) }).map(drop)
}

/// Whether permitted capabilities stay when the user ID changes from 0.
pub fn keep_capabilities(keep: bool) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(keep), 0, 0, 0) }.into()).map(drop)
}

/// Takes every capability that is not in `keep` out of the bounding set.
pub fn limit_bounding_set(keep: CapabilitySet) -> io::Result<()> {
    for capability in 0..64 {
        if keep >> capability & 1 == 1 {
            continue;
        }
        // SAFETY: no memory is involved.
        match check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability as u32), 0, 0, 0) }.into()) {
            Ok(_) => {}
            // The kernel's last capability has been passed.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sets the effective, permitted and inheritable sets, capset(2).
pub fn set_capabilities(effective: CapabilitySet, permitted: CapabilitySet, inheritable: CapabilitySet) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    /// _LINUX_CAPABILITY_VERSION_3
    const VERSION: u32 = 0x2008_0522;
    let header = Header { version: VERSION, pid: 0 };
    let half = |shift: u32| Data {
        effective: (effective >> shift) as u32,
        permitted: (permitted >> shift) as u32,
        inheritable: (inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: header and data have the layout of version 3, which has two data elements.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// Raises the ambient capabilities of `set`; they must be permitted and inheritable.
pub fn raise_ambient(set: CapabilitySet) -> io::Result<()> {
    for capability in (0..=LAST_CAPABILITY).filter(|capability| set >> capability & 1 == 1) {
        let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
        // SAFETY: no memory is involved.
        check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, libc::c_ulong::from(capability), 0, 0) }.into())?;
    }
    Ok(())
}
