//! `-v`: `[SOURCE:]DESTINATION[:OPTIONS]`, podman-run(1).

use super::error::{Error, invalid};
use super::path;
use crate::storage::{Mount, MountKind};

/// Parses one `-v` value. A source that starts with `/` or `.` is a host path, anything else a volume's name; without a source
/// the volume is anonymous. Relative host paths are left to [`path::absolute`], which needs the working directory.
pub fn parse(text: &str) -> Result<Mount, Error> {
    let parts = split(text);
    let (source, destination, options) = match &parts[..] {
        [destination] => (None, destination, None),
        [source, destination] => (Some(source), destination, None),
        [source, destination, options] => (Some(source), destination, Some(options)),
        _ => return invalid(format!("{text}: incorrect volume format, should be [host-dir:]ctr-dir[:option]")),
    };
    let options = match options {
        Some(options) => validate_options(options.split(','))?,
        None => Vec::new(),
    };
    if source.is_some_and(String::is_empty) {
        return invalid("host directory cannot be empty".into());
    }
    let destination = path::container(destination)?;
    let source = source.cloned().unwrap_or_default();
    let overlay = options.iter().any(|option| option == "O");
    if overlay {
        let allowed = |option: &String| option == "O" || option == "U" || option.starts_with("upperdir=") || option.starts_with("workdir=");
        if !options.iter().all(allowed) {
            return invalid("can't use 'O' with other options".into());
        }
        let has = |prefix: &str| options.iter().any(|option| option.starts_with(prefix));
        if has("upperdir=") != has("workdir=") {
            return invalid("must specify both upperdir and workdir".into());
        }
    }
    let host_path = source.starts_with('/') || source.starts_with('.');
    let kind = match (host_path, overlay) {
        (true, true) => MountKind::Overlay,
        (true, false) => MountKind::Bind,
        (false, _) => MountKind::Volume,
    };
    if kind == MountKind::Volume && !source.is_empty() {
        super::name::volume(&source)?;
    }
    Ok(Mount { kind, anonymous: source.is_empty(), source, destination, options, subpath: String::new() })
}

/// Splits at colons that no backslash escapes.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&':') => {
                characters.next();
                if let Some(part) = parts.last_mut() {
                    part.push(':');
                }
            }
            ':' => parts.push(String::new()),
            _ => {
                if let Some(part) = parts.last_mut() {
                    part.push(character);
                }
            }
        }
    }
    parts
}

/// Which options exclude each other, and what the message calls the group.
const EXCLUSIVE: &[(&[&str], &str)] = &[
    (
        &["shared", "rshared", "private", "rprivate", "slave", "rslave", "unbindable", "runbindable"],
        "'[r]shared', '[r]private', '[r]slave' or '[r]unbindable' option",
    ),
    (&["ro", "rw"], "'rw' or 'ro' option"),
    (&["z", "Z", "O"], "'z', 'Z', or 'O' option"),
    (&["U"], "'U' option"),
    (&["copy", "nocopy"], "'copy' or 'nocopy' option"),
    (&["bind", "rbind"], "'[r]bind' option"),
    (&["dev", "nodev"], "'dev' or 'nodev' option"),
    (&["exec", "noexec"], "'exec' or 'noexec' option"),
    (&["suid", "nosuid"], "'suid' or 'nosuid' option"),
    (&["no-dereference"], "'no-dereference' option"),
    (&["nocreate"], "'nocreate' option"),
];

/// Checks the options of a volume or bind mount; Docker's macOS-only ones are dropped.
pub fn validate_options<'a>(options: impl Iterator<Item = &'a str>) -> Result<Vec<String>, Error> {
    let mut kept: Vec<String> = Vec::new();
    for option in options {
        if matches!(option, "" | "cached" | "delegated" | "consistent") {
            continue;
        }
        if let Some((group, label)) = EXCLUSIVE.iter().find(|(group, _)| group.contains(&option)) {
            if kept.iter().any(|earlier| group.contains(&earlier.as_str())) {
                return invalid(format!("invalid options {option:?}, can only specify 1 {label}"));
            }
        } else if let Some((key, _)) = option.split_once('=').filter(|(key, _)| matches!(*key, "upperdir" | "workdir")) {
            if kept.iter().any(|earlier| earlier.starts_with(&format!("{key}="))) {
                return invalid(format!("invalid options {option:?}, can only specify 1 {key} per overlay"));
            }
        } else if !matches!(option, "noatime" | "idmap") && !option.starts_with("idmap=") {
            return invalid(format!("invalid option type {option:?}"));
        }
        kept.push(option.to_owned());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).map_or_else(|error| error.to_string(), |mount| format!("accepted: {mount:?}"))
    }

    #[test]
    fn the_source_decides_between_bind_and_volume() {
        let kind = |text: &str| parse(text).map(|mount| (mount.kind, mount.source, mount.destination, mount.anonymous)).ok();
        assert_eq!(kind("/etc:/x"), Some((MountKind::Bind, "/etc".into(), "/x".into(), false)));
        assert_eq!(kind("./a:/x/../y/"), Some((MountKind::Bind, "./a".into(), "/y".into(), false)));
        assert_eq!(kind("data:/x:ro,z"), Some((MountKind::Volume, "data".into(), "/x".into(), false)));
        assert_eq!(kind("/x"), Some((MountKind::Volume, String::new(), "/x".into(), true)));
        assert_eq!(kind("/etc:/x:O"), Some((MountKind::Overlay, "/etc".into(), "/x".into(), false)));
        assert_eq!(kind("/a\\:b:/x"), Some((MountKind::Bind, "/a:b".into(), "/x".into(), false)));
    }

    #[test]
    fn bad_values_are_refused_in_podmans_words() {
        assert_eq!(message("/etc:x"), "invalid container path \"x\", must be an absolute path");
        assert_eq!(message("/etc:/x:foo"), "invalid option type \"foo\"");
        assert_eq!(message("a:b:c:d"), "a:b:c:d: incorrect volume format, should be [host-dir:]ctr-dir[:option]");
        assert_eq!(message(":/x"), "host directory cannot be empty");
        assert_eq!(message("/etc:/x:ro,O"), "can't use 'O' with other options");
        assert_eq!(message("/etc:/x:ro,rw"), "invalid options \"rw\", can only specify 1 'rw' or 'ro' option");
        assert_eq!(message("a/b:/x"), "running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument");
    }
}
