//! `--mount` and `--tmpfs`: comma-separated `key=value` pairs, podman-run(1).

use super::error::{Error, invalid};
use super::path;
use crate::storage::{Mount, MountKind};

/// Parses one `--mount` value. The type is `volume` where none is given; `glob` gives a [`MountKind::Bind`] whose source is a
/// pattern, marked by the option `glob`, which [`super::resolve`] expands.
pub fn parse(text: &str) -> Result<Mount, Error> {
    let fields = comma_separated(text);
    let mut kind = "volume";
    for field in &fields {
        if let Some(value) = field.strip_prefix("type=") {
            kind = value;
        }
    }
    let (kind, glob) = match kind {
        "bind" => (MountKind::Bind, false),
        "glob" => (MountKind::Bind, true),
        "volume" => (MountKind::Volume, false),
        "tmpfs" => (MountKind::Tmpfs, false),
        "ramfs" => (MountKind::Ramfs, false),
        "devpts" => (MountKind::Devpts, false),
        "image" => (MountKind::Image, false),
        other => return invalid(format!("invalid filesystem type {other:?}")),
    };
    let mut mount = Mount { kind, ..Mount::default() };
    for field in fields.iter().filter(|field| !field.starts_with("type=")) {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        if !apply(&mut mount, key, value)? {
            return invalid(format!("{key}: invalid mount option"));
        }
    }
    finish(&mut mount, glob)?;
    Ok(mount)
}

/// Takes one pair into `mount`; false for a key that this type of mount does not have.
fn apply(mount: &mut Mount, key: &str, value: Option<&str>) -> Result<bool, Error> {
    use MountKind::{Bind, Devpts, Image, Ramfs, Tmpfs, Volume};
    let kind = mount.kind;
    let mut push = |option: String| {
        mount.options.push(option);
        Ok(true)
    };
    match key {
        "target" | "dst" | "destination" => {
            mount.destination = path::container(value.unwrap_or_default())?;
            Ok(true)
        }
        "src" | "source" => {
            if matches!(kind, Tmpfs | Ramfs | Devpts) {
                return invalid(format!("{:?} option not supported for {:?} mount types", key, type_name(kind)));
            }
            match value {
                None | Some("") => invalid("host directory cannot be empty".into()),
                Some(source) => {
                    mount.source = source.to_owned();
                    Ok(true)
                }
            }
        }
        "ro" | "readonly" => push(if boolean(key, value)? { "ro" } else { "rw" }.into()),
        "rw" | "readwrite" => push(if boolean(key, value)? { "rw" } else { "ro" }.into()),
        "subpath" | "volume-subpath" | "image-subpath" if matches!(kind, Volume | Image) => {
            let subpath = value.unwrap_or_default();
            if subpath.split('/').any(|part| part == "..") {
                return invalid(format!("subpath {subpath:?} must not contain \"..\""));
            }
            mount.subpath = subpath.trim_matches('/').to_owned();
            Ok(true)
        }
        "consistency" => Ok(true),
        "U" | "chown" if matches!(kind, Bind | Volume | Tmpfs) => {
            if boolean(key, value)? {
                push("U".into())?;
            }
            Ok(true)
        }
        "uid" | "gid" | "mode" | "ptmxmode" | "max" if kind == Devpts => push(format!("{key}={}", value.unwrap_or_default())),
        "newinstance" if kind == Devpts => push("newinstance".into()),
        "tmpfs-size" | "size" if matches!(kind, Tmpfs | Ramfs) => push(format!("size={}", value.unwrap_or_default())),
        "tmpfs-mode" | "mode" if matches!(kind, Tmpfs | Ramfs) => push(format!("mode={}", value.unwrap_or_default())),
        "tmpcopyup" | "notmpcopyup" | "noswap" if kind == Tmpfs => push(key.into()),
        "bind-propagation" if kind == Bind => match value {
            Some("shared" | "rshared" | "private" | "rprivate" | "slave" | "rslave" | "unbindable" | "runbindable") => {
                push(value.unwrap_or_default().into())
            }
            _ => invalid(format!("invalid bind propagation {:?}: invalid mount option", value.unwrap_or_default())),
        },
        "bind-nonrecursive" if kind == Bind => push(if boolean(key, value)? { "bind" } else { "rbind" }.into()),
        "relabel" if kind == Bind => match value {
            Some("shared") => push("z".into()),
            Some("private") => push("Z".into()),
            _ => invalid(format!("invalid relabel value {:?}: invalid mount option", value.unwrap_or_default())),
        },
        "shared" | "rshared" | "private" | "rprivate" | "slave" | "rslave" | "unbindable" | "runbindable" | "bind" | "rbind"
        | "no-dereference" | "z" | "Z"
            if kind == Bind =>
        {
            push(key.into())
        }
        "copy" | "nocopy" | "nocreate" if kind == Volume => push(key.into()),
        "idmap" if matches!(kind, Bind | Volume) => push(value.map_or_else(|| "idmap".into(), |value| format!("idmap={value}"))),
        "dev" | "nodev" | "exec" | "noexec" | "suid" | "nosuid" | "noatime" if !matches!(kind, Devpts | Image) => push(key.into()),
        _ => Ok(false),
    }
}

/// Checks what must be there once all pairs are read, and fills in what follows from the rest.
fn finish(mount: &mut Mount, glob: bool) -> Result<(), Error> {
    if mount.kind == MountKind::Image && (mount.source.is_empty() || mount.destination.is_empty()) {
        return invalid("must set source and destination for image volume".into());
    }
    if glob {
        if mount.source.is_empty() {
            return invalid("must set source for glob mount".into());
        }
        mount.options.push("glob".into());
        return Ok(());
    }
    if mount.destination.is_empty() {
        return invalid("must set volume destination".into());
    }
    match mount.kind {
        MountKind::Bind if mount.source.is_empty() => mount.source.clone_from(&mount.destination),
        MountKind::Volume if mount.source.is_empty() => mount.anonymous = true,
        MountKind::Volume => super::name::volume(&mount.source)?,
        _ => {}
    }
    Ok(())
}

/// `--tmpfs DESTINATION[:OPTIONS]`.
pub fn parse_tmpfs(text: &str) -> Result<Mount, Error> {
    let (destination, options) = text.split_once(':').unwrap_or((text, ""));
    let destination = path::container(destination)?;
    let options: Vec<String> = options.split(',').filter(|option| !option.is_empty()).map(Into::into).collect();
    for option in &options {
        let known = matches!(
            option.as_str(),
            "ro" | "rw"
                | "exec"
                | "noexec"
                | "suid"
                | "nosuid"
                | "dev"
                | "nodev"
                | "noatime"
                | "noswap"
                | "tmpcopyup"
                | "notmpcopyup"
                | "U"
        ) || matches!(option.split_once('='), Some(("size" | "mode" | "nr_inodes" | "nr_blocks", _)));
        if !known {
            return invalid(format!("unknown mount option {option:?}: invalid mount option"));
        }
    }
    Ok(Mount { kind: MountKind::Tmpfs, destination, options, ..Mount::default() })
}

/// `--volumes-from CONTAINER[:OPTIONS]`: the container and its options.
pub fn parse_volumes_from(text: &str) -> Result<(String, Vec<String>), Error> {
    let (container, options) = text.split_once(':').unwrap_or((text, ""));
    let options: Vec<String> = options.split(',').filter(|option| !option.is_empty()).map(Into::into).collect();
    for option in &options {
        if !matches!(option.as_str(), "ro" | "rw" | "z") {
            return invalid(format!("invalid options {option:?}, can only specify 'ro', 'rw', and 'z'"));
        }
    }
    if container.is_empty() {
        return invalid(format!("invalid source volume {text:?}: no container given"));
    }
    Ok((container.to_owned(), options))
}

fn type_name(kind: MountKind) -> &'static str {
    match kind {
        MountKind::Bind => "bind",
        MountKind::Volume => "volume",
        MountKind::Tmpfs => "tmpfs",
        MountKind::Ramfs => "ramfs",
        MountKind::Devpts => "devpts",
        MountKind::Image => "image",
        MountKind::Overlay => "overlay",
    }
}

fn boolean(key: &str, value: Option<&str>) -> Result<bool, Error> {
    match value {
        None | Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(other) => invalid(format!("{key}={other}: invalid mount option")),
    }
}

/// The fields of one CSV record: commas inside double quotes do not separate, a doubled quote is one.
fn comma_separated(text: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).map_or_else(|error| error.to_string(), |mount| format!("accepted: {mount:?}"))
    }

    #[test]
    fn every_type_is_read() {
        let read = |text: &str| parse(text).map(|mount| (mount.kind, mount.source, mount.destination, mount.options)).unwrap();
        let owned = |options: &[&str]| options.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            read("type=bind,src=/etc,dst=/e,ro,bind-propagation=rslave"),
            (MountKind::Bind, "/etc".into(), "/e".into(), owned(&["ro", "rslave"]))
        );
        assert_eq!(read("type=bind,dst=/etc"), (MountKind::Bind, "/etc".into(), "/etc".into(), vec![]));
        assert_eq!(
            read("type=tmpfs,dst=/t,tmpfs-size=10m,tmpfs-mode=700"),
            (MountKind::Tmpfs, String::new(), "/t".into(), owned(&["size=10m", "mode=700"]))
        );
        assert_eq!(read("src=v,target=/v,readonly=false"), (MountKind::Volume, "v".into(), "/v".into(), owned(&["rw"])));
        assert_eq!(read("type=image,source=busybox,destination=/i,rw"), (MountKind::Image, "busybox".into(), "/i".into(), owned(&["rw"])));
        assert_eq!(read("type=devpts,dst=/p,gid=5"), (MountKind::Devpts, String::new(), "/p".into(), owned(&["gid=5"])));
        assert_eq!(read("type=bind,\"src=/a,b\",dst=/x"), (MountKind::Bind, "/a,b".into(), "/x".into(), vec![]));
        assert!(parse("dst=/x").unwrap().anonymous);
    }

    #[test]
    fn bad_values_are_refused_in_podmans_words() {
        assert_eq!(message("type=foo,dst=/x"), "invalid filesystem type \"foo\"");
        assert_eq!(message("dst=x"), "invalid container path \"x\", must be an absolute path");
        assert_eq!(message("type=bind,src=/etc"), "must set volume destination");
        assert_eq!(message("type=tmpfs,dst=/x,foo=1"), "foo: invalid mount option");
        assert_eq!(message("type=image,dst=/x"), "must set source and destination for image volume");
        assert_eq!(parse_tmpfs("/x:foo").unwrap_err().to_string(), "unknown mount option \"foo\": invalid mount option");
        assert!(parse_volumes_from("c:exec").is_err());
    }
}
