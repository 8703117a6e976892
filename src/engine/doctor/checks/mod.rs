//! The checks: one function each, of the facts alone.

mod network;
mod session;
mod storage;
mod userns;

use super::{Access, Check, Facts};

/// In the order in which they are shown.
pub const ALL: &[fn(&Facts) -> Check] = &[
    session::kernel,
    userns::user_namespaces,
    userns::id_helpers,
    userns::subordinate_ids,
    userns::mapping,
    storage::data_directory,
    storage::file_system,
    storage::free_space,
    storage::overlay,
    storage::mapped_layers,
    storage::fuse,
    session::runtime_directory,
    network::helper,
    network::tun,
    network::route,
    network::ping,
    network::ports,
    session::cgroup,
    session::systemd,
    session::seccomp,
    session::keyrings,
    session::watches,
];

/// A host on which all is well.
#[cfg(test)]
fn healthy() -> Facts {
    use super::Program;
    let program = |path: &str, version: &str| Some(Program { path: path.into(), version: version.into(), privileged: true });
    Facts {
        distribution: super::Distribution::parse("ID=debian\n"),
        user: "alice".into(),
        uid: 1000,
        gid: 1000,
        executable: "/usr/local/bin/dulse".into(),
        kernel: "6.18.44".into(),
        max_user_namespaces: Some(95_000),
        unprivileged_userns_clone: Some(1),
        newuidmap: program("/usr/bin/newuidmap", ""),
        newgidmap: program("/usr/bin/newgidmap", ""),
        subuids: 65_536,
        subgids: 65_536,
        add_subids: "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 alice".into(),
        data: "/home/alice/.local/share/dulse".into(),
        file_system: "ext4".into(),
        free: 50 << 30,
        total: 100 << 30,
        free_inodes: Some(1_000_000),
        data_only_layers: true,
        xdg_runtime_dir: Some("/run/user/1000".into()),
        runtime: "/run/user/1000/dulse".into(),
        pasta: program("/usr/bin/pasta", "pasta 0.0~git20260101"),
        slirp4netns: program("/usr/bin/slirp4netns", "slirp4netns version 1.2.0"),
        default_route: true,
        ping_group_range: Some((0, 2_147_483_647)),
        unprivileged_port_start: Some(80),
        cgroup_version: 2,
        controllers: ["cpu", "memory", "pids"].map(Into::into).to_vec(),
        systemd: true,
        user_bus: true,
        linger: Some(true),
        seccomp: true,
        max_keys: Some(2000),
        max_inotify_instances: Some(1024),
        ..Facts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Status, can_run, examine};
    use super::*;

    #[test]
    fn a_healthy_host_passes_every_check() {
        for check in examine(&healthy()) {
            assert_eq!(check.status, Status::Ok, "{check:?}");
            assert_eq!(check.mend, None, "{check:?}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = examine(&healthy()).into_iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn what_costs_a_feature_only_does_not_stop_a_run() {
        let poor = Facts {
            newuidmap: None,
            newgidmap: None,
            subuids: 0,
            subgids: 0,
            fuse: Access::Missing,
            xdg_runtime_dir: None,
            cgroup_version: 1,
            controllers: Vec::new(),
            systemd: false,
            user_bus: false,
            linger: None,
            data_only_layers: false,
            pasta: None,
            ..healthy()
        };
        assert!(can_run(&examine(&poor)));
    }
}
