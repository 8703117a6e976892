//! `--sysctl KEY=VALUE`: only what a namespace of the container's own holds.

use super::error::{Error, invalid};
use crate::storage::{Namespace, Namespaces};

/// The IPC namespace's keys.
const IPC: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Splits a value and checks that its key belongs to a namespace that can be the container's.
pub fn parse(text: &str) -> Result<(String, String), Error> {
    let Some((key, value)) = text.split_once('=') else {
        return invalid(format!("{text} is invalid, sysctl values must be in the form of KEY=VALUE"));
    };
    let key = key.trim().replace('/', ".");
    let known = IPC.contains(&key.as_str())
        || matches!(key.as_str(), "kernel.domainname" | "kernel.hostname")
        || ["fs.mqueue.", "net.", "user."].iter().any(|prefix| key.starts_with(prefix));
    if !known || key.split('.').any(str::is_empty) {
        return invalid(format!("sysctl '{key}' is not allowed"));
    }
    Ok((key, value.trim().to_owned()))
}

/// Refuses a key whose namespace is the host's.
pub fn check(key: &str, value: &str, namespaces: &Namespaces, host_network: bool) -> Result<(), Error> {
    let refuse = |name: &str| invalid(format!("sysctl {key}={value} can't be set since {name} Namespace set to host: invalid argument"));
    if key.starts_with("net.") && host_network {
        return refuse("Network");
    }
    if (IPC.contains(&key) || key.starts_with("fs.mqueue.")) && namespaces.ipc == Namespace::Host {
        return refuse("IPC");
    }
    if matches!(key, "kernel.domainname" | "kernel.hostname") && namespaces.uts == Namespace::Host {
        return refuse("UTS");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaced_keys_are_taken() {
        assert_eq!(parse("net.ipv4.ip_forward = 1").unwrap(), ("net.ipv4.ip_forward".into(), "1".into()));
        assert_eq!(parse("foo").unwrap_err().to_string(), "foo is invalid, sysctl values must be in the form of KEY=VALUE");
        assert_eq!(parse("foo.bar=1").unwrap_err().to_string(), "sysctl 'foo.bar' is not allowed");
        assert!(parse("net.../../x=1").is_err());
        let message = check("net.ipv4.ip_forward", "1", &Namespaces::default(), true).unwrap_err().to_string();
        assert_eq!(message, "sysctl net.ipv4.ip_forward=1 can't be set since Network Namespace set to host: invalid argument");
    }
}
