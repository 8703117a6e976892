//! `--pid`, `--ipc`, `--uts`, `--cgroupns`, `--network`, `--restart`: the modes.

use std::path::PathBuf;

use super::error::{Error, invalid};
use crate::storage::{Namespace, NetworkMode, RestartPolicy};

/// Which namespace a mode is for: not all modes exist for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Pid,
    Ipc,
    Uts,
    Cgroup,
}

/// A mode other than the network's and the user namespace's.
pub fn parse(kind: Kind, text: &str) -> Result<Namespace, Error> {
    match (text, kind) {
        ("" | "private", _) => Ok(Namespace::Private),
        ("host", _) => Ok(Namespace::Host),
        ("shareable", Kind::Ipc) => Ok(Namespace::Shareable),
        ("none", Kind::Ipc) => Ok(Namespace::None),
        _ => match text.split_once(':') {
            Some(("container", name)) if !name.is_empty() => Ok(Namespace::Container(name.to_owned())),
            Some(("ns", path)) if path.starts_with('/') => Ok(Namespace::Path(PathBuf::from(path))),
            _ => invalid(format!("unrecognized namespace mode {text} passed")),
        },
    }
}

/// `--network`: the mode and the options of pasta or slirp4netns. Names of networks are not known here.
pub fn network(text: &str) -> Result<(NetworkMode, Vec<String>), Error> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let options = || rest.split(',').filter(|option| !option.is_empty()).map(Into::into).collect();
    match name {
        "" | "private" | "pasta" => Ok((NetworkMode::Pasta, options())),
        "slirp4netns" => Ok((NetworkMode::Slirp4netns, options())),
        "host" if rest.is_empty() => Ok((NetworkMode::Host, Vec::new())),
        "none" if rest.is_empty() => Ok((NetworkMode::None, Vec::new())),
        "container" if !rest.is_empty() => Ok((NetworkMode::Container(rest.to_owned()), Vec::new())),
        "ns" if rest.starts_with('/') => Ok((NetworkMode::Path(PathBuf::from(rest)), Vec::new())),
        _ => invalid(format!("unable to find network with name or ID {name}: network not found")),
    }
}

/// `--restart`.
pub fn restart(text: &str) -> Result<RestartPolicy, Error> {
    let (policy, retries) = match text.split_once(':') {
        Some((policy, retries)) => (policy, Some(retries)),
        None => (text, None),
    };
    if retries.is_some() && policy != "on-failure" {
        return invalid("restart policy retries can only be specified with on-failure restart policy".into());
    }
    match policy {
        "" | "no" | "never" => Ok(RestartPolicy::No),
        "always" => Ok(RestartPolicy::Always),
        "unless-stopped" => Ok(RestartPolicy::UnlessStopped),
        "on-failure" => match retries.unwrap_or("0").parse::<u32>() {
            Ok(retries) => Ok(RestartPolicy::OnFailure(retries)),
            Err(_) => invalid(format!(
                "parsing restart policy retry count: strconv.Atoi: parsing {:?}: invalid syntax",
                retries.unwrap_or_default()
            )),
        },
        _ => invalid(format!("invalid restart policy {policy:?}: invalid argument")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read() {
        assert_eq!(parse(Kind::Pid, "host").unwrap(), Namespace::Host);
        assert_eq!(parse(Kind::Pid, "container:a").unwrap(), Namespace::Container("a".into()));
        assert_eq!(parse(Kind::Ipc, "shareable").unwrap(), Namespace::Shareable);
        assert_eq!(parse(Kind::Uts, "ns:/proc/1/ns/uts").unwrap(), Namespace::Path("/proc/1/ns/uts".into()));
        assert_eq!(parse(Kind::Pid, "shareable").unwrap_err().to_string(), "unrecognized namespace mode shareable passed");
    }

    #[test]
    fn network_modes_are_read() {
        assert_eq!(network("pasta:-T,5432").unwrap(), (NetworkMode::Pasta, vec!["-T".into(), "5432".into()]));
        assert_eq!(network("container:a").unwrap().0, NetworkMode::Container("a".into()));
        assert_eq!(network("foo").unwrap_err().to_string(), "unable to find network with name or ID foo: network not found");
    }

    #[test]
    fn restart_policies_are_read() {
        assert_eq!(restart("on-failure:3").unwrap(), RestartPolicy::OnFailure(3));
        assert!(restart("always:3").is_err());
        assert_eq!(
            restart("on-failure:x").unwrap_err().to_string(),
            "parsing restart policy retry count: strconv.Atoi: parsing \"x\": invalid syntax"
        );
    }
}
