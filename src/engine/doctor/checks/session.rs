//! The kernel, the user's session and its limits.

use super::{Check, Facts};
use crate::engine::doctor::distribution::Package;

/// Controllers that the resource options need.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];
/// Two keyrings a container are made at most.
const FEW_KEYS: u64 = 200;
/// The kernel's default, one instance for each container with a network.
const FEW_WATCHES: u64 = 128;

pub fn kernel(facts: &Facts) -> Check {
    Check::ok("kernel", format!("Linux {}", facts.kernel))
}

pub fn runtime_directory(facts: &Facts) -> Check {
    let name = "runtime-directory";
    let runtime = facts.runtime.display();
    if let Some(error) = &facts.runtime_error {
        return Check::fail(name, error.clone());
    }
    match &facts.xdg_runtime_dir {
        Some(given) if facts.runtime.starts_with(given) => Check::ok(name, format!("{runtime}")),
        Some(given) => {
            Check::warn(name, format!("XDG_RUNTIME_DIR ({}) is not the user's private directory: {runtime} is used", given.display()))
                .mend(format!("export XDG_RUNTIME_DIR=/run/user/{}", facts.uid))
        }
        None => Check::warn(name, format!("XDG_RUNTIME_DIR is not set: {runtime} is used"))
            .mend(format!("export XDG_RUNTIME_DIR=/run/user/{}", facts.uid)),
    }
}

pub fn cgroup(facts: &Facts) -> Check {
    let name = "cgroup";
    if facts.cgroup_version != 2 {
        let found = if facts.cgroup_version == 0 { "no cgroup file system is mounted" } else { "the host uses cgroup v1" };
        return Check::warn(name, format!("{found}: no resource limits"))
            .mend("add systemd.unified_cgroup_hierarchy=1 to the kernel's command line");
    }
    let missing: Vec<&str> = WANTED.into_iter().filter(|wanted| !facts.controllers.iter().any(|controller| controller == wanted)).collect();
    if missing.is_empty() {
        return Check::ok(name, format!("cgroup v2 with {}", facts.controllers.join(", ")));
    }
    let check = Check::warn(name, format!("the user has no {} controller: no limits of that kind", missing.join(", ")));
    if facts.systemd {
        check.mend(
            "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' \
             | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload",
        )
    } else {
        check
    }
}

pub fn systemd(facts: &Facts) -> Check {
    let name = "systemd-session";
    if !facts.systemd {
        return Check::ok(name, "systemd does not run here; it is not needed");
    }
    if !facts.user_bus {
        return Check::warn(name, "the user has no session of systemd: no resource limits through it").mend(format!(
            "{} && sudo loginctl enable-linger {}",
            facts.distribution.install(Package::UserBus),
            facts.user
        ));
    }
    if facts.linger == Some(false) {
        return Check::warn(name, "containers end with the user's last session")
            .mend(format!("sudo loginctl enable-linger {}", facts.user));
    }
    Check::ok(name, "the user's session outlives the log-out")
}

pub fn seccomp(facts: &Facts) -> Check {
    let name = "seccomp";
    if facts.seccomp {
        return Check::ok(name, "system calls can be filtered");
    }
    Check::fail(name, "the kernel has no seccomp filters").mend("dulse run --security-opt seccomp=unconfined …")
}

pub fn keyrings(facts: &Facts) -> Check {
    let name = "keyrings";
    match facts.max_keys {
        Some(keys) if keys < FEW_KEYS => Check::warn(name, format!("a user may have {keys} keys: each container takes one or two"))
            .mend("sudo sysctl -w kernel.keys.maxkeys=20000 kernel.keys.maxbytes=500000"),
        Some(keys) => Check::ok(name, format!("{keys} keys")),
        None => Check::ok(name, "not limited"),
    }
}

pub fn watches(facts: &Facts) -> Check {
    let name = "inotify";
    match facts.max_inotify_instances {
        Some(instances) if instances < FEW_WATCHES => {
            Check::warn(name, format!("a user may have {instances} inotify instances: each container with a network takes one"))
                .mend("sudo sysctl -w fs.inotify.max_user_instances=1024")
        }
        Some(instances) => Check::ok(name, format!("{instances} inotify instances")),
        None => Check::ok(name, "not limited"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::healthy;
    use super::*;

    #[test]
    fn a_missing_runtime_directory_has_a_substitute() {
        let facts = Facts { xdg_runtime_dir: None, runtime: "/tmp/dulse-1000/x".into(), ..healthy() };
        let check = runtime_directory(&facts);
        assert_eq!((check.status, check.mend.as_deref()), (Status::Warn, Some("export XDG_RUNTIME_DIR=/run/user/1000")));
        let foreign = Facts { xdg_runtime_dir: Some("/run/user/0".into()), ..facts };
        assert!(runtime_directory(&foreign).message.contains("/run/user/0"));
        let refused = Facts { runtime_error: Some("belongs to somebody else".into()), ..foreign };
        assert_eq!(runtime_directory(&refused).status, Status::Fail);
    }

    #[test]
    fn missing_controllers_are_named() {
        let check = cgroup(&Facts { controllers: vec!["memory".into(), "pids".into()], ..healthy() });
        assert_eq!(check.status, Status::Warn);
        assert!(check.message.contains("no cpu controller") && check.mend.is_some_and(|command| command.contains("Delegate=")));
        assert!(cgroup(&Facts { cgroup_version: 1, ..healthy() }).message.contains("v1"));
    }

    #[test]
    fn sessions_that_end_with_the_login_name_linger() {
        let check = systemd(&Facts { linger: Some(false), ..healthy() });
        assert_eq!(check.mend.as_deref(), Some("sudo loginctl enable-linger alice"));
        assert_eq!(systemd(&Facts { user_bus: false, ..healthy() }).status, Status::Warn);
        assert_eq!(systemd(&Facts { systemd: false, user_bus: false, ..healthy() }).status, Status::Ok);
    }

    #[test]
    fn limits_that_many_containers_reach_are_warned_of() {
        assert_eq!(keyrings(&Facts { max_keys: Some(50), ..healthy() }).status, Status::Warn);
        assert_eq!(watches(&Facts { max_inotify_instances: Some(64), ..healthy() }).status, Status::Warn);
        assert_eq!(seccomp(&Facts { seccomp: false, ..healthy() }).status, Status::Fail);
    }
}
