//! The network helper and what it needs.

use super::{Access, Check, Facts};
use crate::engine::doctor::distribution::Package;

pub fn helper(facts: &Facts) -> Check {
    let name = "network-helper";
    let mend = || facts.distribution.install(Package::Pasta);
    match (&facts.pasta, &facts.slirp4netns) {
        (Some(pasta), _) if pasta.version.is_empty() => Check::ok(name, pasta.path.display().to_string()),
        (Some(pasta), _) => Check::ok(name, format!("{} ({})", pasta.path.display(), pasta.version)),
        (None, Some(_)) => {
            Check::warn(name, "pasta is not installed: slirp4netns takes its place, slower and without the clients' addresses").mend(mend())
        }
        (None, None) => Check::fail(name, "neither pasta nor slirp4netns is installed: only --network none and host work").mend(mend()),
    }
}

pub fn tun(facts: &Facts) -> Check {
    let name = "tun";
    match facts.tun {
        Access::Usable => Check::ok(name, "/dev/net/tun can be used"),
        Access::Missing => Check::fail(name, "/dev/net/tun is missing: only --network none and host work").mend("sudo modprobe tun"),
        Access::Forbidden => {
            Check::fail(name, "/dev/net/tun is not accessible: only --network none and host work").mend("sudo chmod 666 /dev/net/tun")
        }
    }
}

pub fn route(facts: &Facts) -> Check {
    let name = "default-route";
    if facts.default_route {
        return Check::ok(name, "there is one");
    }
    Check::warn(name, "the host has no default route: containers reach nothing, and an old pasta does not start without one")
}

pub fn ping(facts: &Facts) -> Check {
    let name = "ping";
    match facts.ping_group_range {
        Some((first, last)) if first <= u64::from(facts.gid) && u64::from(facts.gid) <= last => Check::ok(name, "ping works"),
        Some(_) => Check::warn(name, "ping gets no answers from containers: the user's group is not in net.ipv4.ping_group_range")
            .mend("sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'"),
        None => Check::ok(name, "not restricted"),
    }
}

pub fn ports(facts: &Facts) -> Check {
    let name = "low-ports";
    match facts.unprivileged_port_start {
        // The usual default is no defect; it is told all the same, for port 80 is what most servers are published on.
        Some(start) => Check::ok(name, format!("ports from {start} on can be published (net.ipv4.ip_unprivileged_port_start)")),
        None => Check::ok(name, "not restricted"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Status;
    use super::super::healthy;
    use super::*;

    #[test]
    fn one_of_the_helpers_is_enough() {
        assert_eq!(helper(&Facts { pasta: None, ..healthy() }).status, Status::Warn);
        let check = helper(&Facts { pasta: None, slirp4netns: None, ..healthy() });
        assert_eq!((check.status, check.mend.as_deref()), (Status::Fail, Some("sudo apt-get install -y passt")));
    }

    #[test]
    fn the_device_is_needed() {
        assert_eq!(tun(&Facts { tun: Access::Missing, ..healthy() }).mend.as_deref(), Some("sudo modprobe tun"));
        assert_eq!(tun(&Facts { tun: Access::Forbidden, ..healthy() }).status, Status::Fail);
    }

    #[test]
    fn ping_depends_on_the_users_group() {
        let check = ping(&Facts { ping_group_range: Some((1, 0)), ..healthy() });
        assert_eq!(check.status, Status::Warn);
        assert!(check.mend.is_some());
        assert_eq!(route(&Facts { default_route: false, ..healthy() }).status, Status::Warn);
    }
}
