//! `--device HOST[:CONTAINER][:PERMISSIONS]`.

use super::error::{Error, invalid};
use crate::storage::Device;

pub fn parse(text: &str) -> Result<Device, Error> {
    let parts: Vec<&str> = text.split(':').collect();
    let permissions_of = |text: &str| !text.is_empty() && text.chars().all(|character| "rwm".contains(character));
    let (host, container, permissions) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, second] if permissions_of(second) => (host, host, second),
        [host, second] => (host, second, "rwm"),
        [host, container, permissions] => {
            if !permissions_of(permissions) {
                return invalid(format!("invalid device mode {permissions:?} in device {text:?}"));
            }
            (host, container, permissions)
        }
        _ => return invalid(format!("invalid device specification: {text}")),
    };
    if host.is_empty() {
        return invalid(format!("invalid device specification: {text}"));
    }
    if !container.starts_with('/') {
        return invalid(format!("invalid container path {container:?}, must be an absolute path"));
    }
    Ok(Device { host: host.to_owned(), container: super::path::clean(container), permissions: permissions.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_and_destination_may_be_left_out() {
        let read = |text: &str| parse(text).map(|device| format!("{} {} {}", device.host, device.container, device.permissions)).unwrap();
        assert_eq!(read("/dev/fuse"), "/dev/fuse /dev/fuse rwm");
        assert_eq!(read("/dev/fuse:r"), "/dev/fuse /dev/fuse r");
        assert_eq!(read("/dev/fuse:/dev/x"), "/dev/fuse /dev/x rwm");
        assert_eq!(read("/dev/fuse:/dev/x:rw"), "/dev/fuse /dev/x rw");
        assert_eq!(parse("/dev/null:/dev/x:q").unwrap_err().to_string(), "invalid device mode \"q\" in device \"/dev/null:/dev/x:q\"");
    }
}
