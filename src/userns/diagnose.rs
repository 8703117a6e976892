//! Why the kernel refuses a user namespace, and what mends it.

use std::fs;
use std::io;

use super::Error;

/// The error for a clone into a new user namespace that failed with `error`.
pub fn diagnose(error: io::Error) -> Error {
    let setting = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok().map(|text| text.trim().to_owned());
    let unavailable =
        |reason: &str, mend: &str| Error::NoUserNamespaces { reason: reason.to_owned(), mend: (!mend.is_empty()).then(|| mend.to_owned()) };
    if setting("user/max_user_namespaces").as_deref() == Some("0") {
        return unavailable("the sysctl user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=28633");
    }
    if setting("kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return unavailable("the sysctl kernel.unprivileged_userns_clone is 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    }
    if let Some(error) = apparmor_restriction() {
        return error;
    }
    match error.raw_os_error() {
        Some(libc::ENOSPC) => unavailable(
            "the limit of user.max_user_namespaces is reached, or they are nested too deeply",
            "sudo sysctl -w user.max_user_namespaces=28633",
        ),
        Some(libc::EINVAL) => unavailable("the kernel was built without them (CONFIG_USER_NS)", ""),
        Some(libc::EPERM) => unavailable("the kernel or a system call filter forbids them here", ""),
        _ => Error::Clone(error),
    }
}

/// The error for AppArmor's restriction (Ubuntu 24.04 on), under which a user namespace can be made but has no capabilities.
pub fn apparmor_restriction() -> Option<Error> {
    let restricted = fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").ok()?;
    (restricted.trim() == "1").then(|| Error::NoUserNamespaces {
        reason: "AppArmor restricts them (kernel.apparmor_restrict_unprivileged_userns is 1)".to_owned(),
        mend: Some("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".to_owned()),
    })
}
