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

/// The existing paths that match `pattern`, sorted. Only the last component may hold wildcards.
pub fn glob(pattern: &str) -> Result<Vec<PathBuf>, std::io::Error> {
    let path = Path::new(pattern);
    let invalid = |error: String| std::io::Error::new(std::io::ErrorKind::InvalidInput, error);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let matcher = globset::Glob::new(&name).map_err(|error| invalid(error.to_string()))?.compile_matcher();
    let mut matches = Vec::new();
    for entry in std::fs::read_dir(path.parent().unwrap_or(Path::new("/")))? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().first() == Some(&b'.') && !name.starts_with('.');
        if !hidden && matcher.is_match(entry.file_name()) {
            matches.push(entry.path());
        }
    }
    matches.sort();
    Ok(matches)
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
