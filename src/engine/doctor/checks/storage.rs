//! Where images and containers are kept.

use super::{Access, Check, Facts};

/// Below this, little can be pulled.
const LITTLE: u64 = 1 << 30;

pub fn data_directory(facts: &Facts) -> Check {
    let name = "data-directory";
    let data = facts.data.display();
    match &facts.data_error {
        None => Check::ok(name, format!("{data}")),
        Some(error) => Check::fail(name, format!("{data} cannot be written to: {error}"))
            .mend("export XDG_DATA_HOME=/a/writable/directory (or use --root DIR)".to_owned()),
    }
}

pub fn file_system(facts: &Facts) -> Check {
    let name = "file-system";
    let kind = facts.file_system.as_str();
    match kind {
        "nfs" | "smb" | "smb2" | "cifs" | "fuseblk" | "fuse" | "v9fs" | "afs" | "lustre" | "gpfs" => {
            Check::warn(name, format!("the store is on {kind}, which has neither foreign owners nor overlay: images of one owner only"))
                .mend("export XDG_DATA_HOME=/a/local/directory (or use --root DIR)")
        }
        "overlayfs" => Check::warn(name, "the store is on an overlay itself, where no overlay can have its upper directory")
            .mend("export XDG_DATA_HOME=/a/volume (or use --root DIR)"),
        _ => Check::ok(name, format!("the store is on {kind}")),
    }
}

pub fn free_space(facts: &Facts) -> Check {
    let name = "free-space";
    let megabytes = facts.free >> 20;
    let data = facts.data.display();
    let mend = "dulse system prune --all";
    if facts.free_inodes == Some(0) {
        return Check::warn(name, format!("no inodes are left on the file system of {data}")).mend(mend);
    }
    if facts.free < LITTLE {
        return Check::warn(name, format!("{megabytes} MiB are left on the file system of {data}")).mend(mend);
    }
    Check::ok(name, format!("{} GiB of {} GiB are free", facts.free >> 30, facts.total >> 30))
}

pub fn overlay(facts: &Facts) -> Check {
    let name = "overlay";
    match &facts.overlay {
        None => Check::ok(name, "the kernel's overlay works on the store's file system"),
        Some(_) if facts.data_error.is_some() || facts.mapped.is_some() => {
            Check::fail(name, "cannot be tried without a data directory and a user namespace")
        }
        Some(error) => {
            let check = Check::fail(name, format!("an overlay cannot be mounted in a user namespace: {error}"));
            if before(&facts.kernel, (5, 11)) { check.mend("install Linux 5.11 or newer") } else { check.mend("sudo modprobe overlay") }
        }
    }
}

/// Whether a kernel release is older than a version.
fn before(release: &str, version: (u32, u32)) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) < version,
        _ => false,
    }
}

pub fn mapped_layers(facts: &Facts) -> Check {
    let name = "mapped-layers";
    if facts.data_only_layers {
        Check::ok(name, "images are seen through other ID maps without copies")
    } else {
        Check::warn(name, "--userns=keep-id and auto copy an image at their first use (that takes Linux 6.16 to avoid)")
    }
}

pub fn fuse(facts: &Facts) -> Check {
    let name = "fuse";
    match facts.fuse {
        Access::Usable => Check::ok(name, "/dev/fuse can be used"),
        Access::Missing => Check::warn(name, "/dev/fuse is missing: no FUSE file systems in containers").mend("sudo modprobe fuse"),
        Access::Forbidden => {
            Check::warn(name, "/dev/fuse is not accessible: no FUSE file systems in containers").mend("sudo chmod 666 /dev/fuse")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::healthy;
    use super::*;

    #[test]
    fn an_unwritable_store_is_a_failure_and_a_full_one_a_warning() {
        let check = data_directory(&Facts { data_error: Some("Read-only file system".into()), ..healthy() });
        assert_eq!(check.status, Status::Fail);
        assert!(check.message.contains("Read-only file system"));
        let check = free_space(&Facts { free: 5 << 20, ..healthy() });
        assert_eq!((check.status, check.message.contains("5 MiB")), (Status::Warn, true));
        assert_eq!(free_space(&Facts { free_inodes: Some(0), ..healthy() }).status, Status::Warn);
        assert_eq!(file_system(&Facts { file_system: "nfs".into(), ..healthy() }).status, Status::Warn);
    }

    #[test]
    fn overlay_needs_a_kernel_or_a_module() {
        let refused = |kernel: &str| overlay(&Facts { overlay: Some("No such device".into()), kernel: kernel.into(), ..healthy() });
        assert_eq!(refused("5.10.0-28-amd64").mend.as_deref(), Some("install Linux 5.11 or newer"));
        assert_eq!(refused("6.1.0").mend.as_deref(), Some("sudo modprobe overlay"));
        assert_eq!(refused("6.1.0").status, Status::Fail);
        assert!(!before("garbage", (5, 11)));
    }

    #[test]
    fn a_missing_fuse_device_costs_a_feature() {
        assert_eq!(fuse(&Facts { fuse: Access::Missing, ..healthy() }).mend.as_deref(), Some("sudo modprobe fuse"));
        assert_eq!(fuse(&Facts { fuse: Access::Forbidden, ..healthy() }).status, Status::Warn);
        assert_eq!(mapped_layers(&Facts { data_only_layers: false, ..healthy() }).status, Status::Warn);
    }
}
