//! `--security-opt`: `KEY=VALUE`, or `KEY:VALUE` as Docker once wrote it.

use std::path::PathBuf;

use super::error::{Error, invalid};
use crate::storage::{Seccomp, Security};

/// Applies one value to `security`. Files are not looked at here.
pub fn apply(text: &str, security: &mut Security) -> Result<(), Error> {
    let separator = text.find(['=', ':']);
    let (key, value) = match separator {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    match (key, value) {
        ("no-new-privileges", None) => security.no_new_privileges = true,
        ("no-new-privileges", Some(value)) => {
            security.no_new_privileges = match value {
                "1" | "t" | "true" | "TRUE" | "True" => true,
                "0" | "f" | "false" | "FALSE" | "False" => false,
                _ => return invalid(format!("invalid --security-opt 2: {text:?}")),
            };
        }
        (_, None) => return invalid(format!("invalid --security-opt 1: {text:?}")),
        ("apparmor", Some(value)) => security.apparmor = value.to_owned(),
        ("label", Some(value)) => {
            let known = matches!(value, "disable" | "nested")
                || ["user:", "role:", "type:", "level:", "filetype:"].iter().any(|prefix| value.starts_with(prefix));
            if !known {
                return invalid(format!("invalid --security-opt label: {value:?}"));
            }
            security.label.push(value.to_owned());
        }
        ("mask", Some(value)) => security.mask.extend(paths(text, value)?),
        ("unmask", Some(value)) if value.eq_ignore_ascii_case("all") => security.unmask.push("ALL".into()),
        ("unmask", Some(value)) => security.unmask.extend(paths(text, value)?),
        ("proc-opts", Some(value)) => security.proc_options.extend(value.split(',').map(Into::into)),
        ("seccomp", Some("unconfined")) => security.seccomp = Seccomp::Unconfined,
        ("seccomp", Some(value)) => security.seccomp = Seccomp::Profile(PathBuf::from(value)),
        (_, Some(_)) => return invalid(format!("invalid --security-opt 2: {text:?}")),
    }
    security.options.push(text.to_owned());
    Ok(())
}

/// Colon-separated absolute paths.
fn paths(text: &str, value: &str) -> Result<Vec<String>, Error> {
    let paths: Vec<String> = value.split(':').filter(|path| !path.is_empty()).map(Into::into).collect();
    if paths.iter().all(|path| path.starts_with('/')) { Ok(paths) } else { invalid(format!("invalid --security-opt 2: {text:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<Security, Error> {
        let mut security = Security::default();
        values.iter().try_for_each(|value| apply(value, &mut security)).map(|()| security)
    }

    #[test]
    fn every_key_is_read() {
        let security =
            read(&["no-new-privileges", "seccomp=unconfined", "mask=/a:/b", "unmask=ALL", "proc-opts=hidepid=2", "label=disable"]).unwrap();
        assert!(security.no_new_privileges);
        assert_eq!(security.seccomp, Seccomp::Unconfined);
        assert_eq!(security.mask, ["/a", "/b"]);
        assert_eq!(security.unmask, ["ALL"]);
        assert_eq!(security.proc_options, ["hidepid=2"]);
        assert_eq!(read(&["seccomp:/p.json"]).unwrap().seccomp, Seccomp::Profile("/p.json".into()));
    }

    #[test]
    fn unknown_keys_are_refused_in_podmans_words() {
        assert_eq!(read(&["foo"]).unwrap_err().to_string(), "invalid --security-opt 1: \"foo\"");
        assert_eq!(read(&["foo=1"]).unwrap_err().to_string(), "invalid --security-opt 2: \"foo=1\"");
    }
}
