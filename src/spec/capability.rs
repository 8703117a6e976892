//! The capability sets of a container, capabilities(7).

use super::error::Error;

/// Every capability of Linux 5.9 and later, by its number.
pub const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What a container gets when nothing is said.
pub const DEFAULT: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// The full upper-case name of `text` (`chown`, `CAP_CHOWN`), or `ALL`.
pub fn normalise(text: &str) -> Result<String, Error> {
    let upper = text.to_ascii_uppercase();
    if upper == "ALL" {
        return Ok(upper);
    }
    let name = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    if ALL.contains(&name.as_str()) { Ok(name) } else { Err(Error::UnknownCapability(name)) }
}

/// The set that `--cap-add` and `--cap-drop` (both normalised) leave of `base`, sorted. `--cap-add all` starts from everything,
/// `--cap-drop all` from nothing; a capability that is both added and dropped is an error, as for podman.
pub fn merge(base: &[&str], add: &[String], drop: &[String]) -> Result<Vec<String>, Error> {
    let has_all = |list: &[String]| list.iter().any(|name| name == "ALL");
    if has_all(add) && has_all(drop) {
        return Err(Error::Invalid("adding all caps and removing all caps not allowed".into()));
    }
    if let Some(both) = add.iter().find(|name| drop.contains(name)) {
        return Err(Error::Invalid(format!("capability {both:?} cannot be dropped and added")));
    }
    let mut set: Vec<String> = match (has_all(add), has_all(drop)) {
        (true, _) => ALL.iter().map(ToString::to_string).collect(),
        (_, true) => Vec::new(),
        _ => base.iter().map(ToString::to_string).collect(),
    };
    set.extend(add.iter().filter(|name| *name != "ALL").cloned());
    set.retain(|name| !drop.contains(name));
    set.sort();
    set.dedup();
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| normalise(name).unwrap()).collect()
    }

    #[test]
    fn names_are_accepted_in_any_spelling() {
        assert_eq!(normalise("net_admin").unwrap(), "CAP_NET_ADMIN");
        assert_eq!(normalise("CAP_chown").unwrap(), "CAP_CHOWN");
        assert_eq!(normalise("foo").unwrap_err().to_string(), "\"CAP_FOO\": unknown capability");
    }

    #[test]
    fn add_and_drop_are_applied_to_the_default() {
        assert_eq!(merge(&DEFAULT, &[], &[]).unwrap(), DEFAULT);
        assert_eq!(merge(&DEFAULT, &list(&["chown"]), &list(&["all"])).unwrap(), ["CAP_CHOWN"]);
        assert_eq!(merge(&DEFAULT, &list(&["all"]), &[]).unwrap().len(), ALL.len());
        assert!(!merge(&DEFAULT, &list(&["all"]), &list(&["sys_admin"])).unwrap().contains(&"CAP_SYS_ADMIN".into()));
        assert!(merge(&DEFAULT, &list(&["chown"]), &list(&["chown"])).is_err());
    }
}
