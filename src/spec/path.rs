//! Paths as options give them.

use std::path::{Component, Path, PathBuf};

use super::error::{Error, invalid};

/// An absolute path in the container, cleaned of `.`, `..` and double slashes.
pub fn container(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return invalid("container directory cannot be empty".into());
    }
    if !text.starts_with('/') {
        return invalid(format!("invalid container path {text:?}, must be an absolute path"));
    }
    Ok(clean(text))
}

/// Go's `filepath.Clean` of an absolute path.
pub fn clean(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// A host path made absolute against `directory`, `.` and `..` taken out by name.
pub fn absolute(text: &str, directory: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in directory.join(text).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_like_gos() {
        assert_eq!(clean("/a//b/../c/./"), "/a/c");
        assert_eq!(clean("/../.."), "/");
        assert_eq!(absolute("./x/../y", Path::new("/home/u")), Path::new("/home/u/y"));
    }
}
