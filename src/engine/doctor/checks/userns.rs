//! User namespaces and the user's IDs.

use super::{Check, Facts};
use crate::engine::doctor::distribution::Package;

/// What an image may need: IDs 0 to 65535.
const USUAL: u64 = 65_536;

pub fn user_namespaces(facts: &Facts) -> Check {
    let name = "user-namespaces";
    let Some(error) = &facts.namespace else {
        return Check::ok(name, "user namespaces can be made");
    };
    let sysctl =
        |key: &str, value: &str| format!("echo {key}={value} | sudo tee /etc/sysctl.d/99-user-namespaces.conf && sudo sysctl --system");
    if facts.max_user_namespaces == Some(0) {
        return Check::fail(name, "user namespaces are disabled: user.max_user_namespaces is 0")
            .mend(sysctl("user.max_user_namespaces", "28633"));
    }
    if facts.unprivileged_userns_clone == Some(0) {
        let message = "user namespaces are disabled for users: kernel.unprivileged_userns_clone is 0";
        return Check::fail(name, message).mend(sysctl("kernel.unprivileged_userns_clone", "1"));
    }
    if facts.apparmor_restricts {
        return Check::fail(name, "AppArmor lets only programs with a profile use user namespaces").mend(apparmor_profile(facts));
    }
    Check::fail(name, format!("user namespaces cannot be made: {error}"))
}

/// A profile that allows this program what the restriction takes from programs without one.
fn apparmor_profile(facts: &Facts) -> String {
    let program = facts.executable.display();
    format!(
        "printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile dulse {program} flags=(unconfined) {{\\n  userns,\\n}}\\n' \
         | sudo tee /etc/apparmor.d/dulse && sudo apparmor_parser -r /etc/apparmor.d/dulse"
    )
}

pub fn id_helpers(facts: &Facts) -> Check {
    let name = "id-helpers";
    if facts.uid == 0 {
        return Check::ok(name, "not needed by root");
    }
    let install = || facts.distribution.install(Package::IdHelpers);
    let (Some(users), Some(groups)) = (&facts.newuidmap, &facts.newgidmap) else {
        return Check::warn(name, "newuidmap and newgidmap are not installed: only one ID can be mapped, images that need more do not run")
            .mend(install());
    };
    for (program, capability) in [(users, "cap_setuid"), (groups, "cap_setgid")] {
        if !program.privileged {
            let path = program.path.display();
            return Check::warn(name, format!("{path} has neither the set-user-ID bit nor capabilities: only one ID can be mapped"))
                .mend(format!("sudo setcap {capability}+ep {path}"));
        }
    }
    Check::ok(name, format!("{} and {}", users.path.display(), groups.path.display()))
}

pub fn subordinate_ids(facts: &Facts) -> Check {
    let name = "subordinate-ids";
    let Facts { user, subuids, subgids, .. } = facts;
    if let Some(error) = &facts.subids_error {
        return Check::warn(name, format!("the ranges of subordinate IDs are not known: {error}"));
    }
    let add = || facts.add_subids.clone();
    if *subuids == 0 || *subgids == 0 {
        return Check::warn(name, format!("user {user} has no range in /etc/subuid and /etc/subgid: only one ID can be mapped"))
            .mend(add());
    }
    if *subuids < USUAL || *subgids < USUAL {
        let message = format!("user {user} has {subuids} subordinate user IDs and {subgids} group IDs, images may need {USUAL}");
        return Check::warn(name, message).mend(add());
    }
    Check::ok(name, format!("{subuids} user IDs and {subgids} group IDs"))
}

pub fn mapping(facts: &Facts) -> Check {
    let name = "id-mapping";
    let ranges = facts.newuidmap.is_some() && facts.newgidmap.is_some() && facts.subuids > 0 && facts.subgids > 0;
    match &facts.mapped {
        None if ranges || facts.uid == 0 => Check::ok(name, "the ranges can be mapped"),
        None => Check::ok(name, "a single ID can be mapped"),
        // The cause stands in another line.
        Some(_) if facts.namespace.is_some() => Check::fail(name, "no ID can be mapped without a user namespace"),
        Some(error) => Check::fail(name, format!("the IDs cannot be mapped: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Program, Status};
    use super::super::healthy;
    use super::*;

    #[test]
    fn disabled_user_namespaces_name_the_switch() {
        let broken = |facts: Facts| user_namespaces(&Facts { namespace: Some("Operation not permitted".into()), ..facts });
        let cases = [
            (broken(Facts { max_user_namespaces: Some(0), ..healthy() }), "user.max_user_namespaces=28633"),
            (broken(Facts { unprivileged_userns_clone: Some(0), ..healthy() }), "kernel.unprivileged_userns_clone=1"),
            (broken(Facts { apparmor_restricts: true, ..healthy() }), "profile dulse /usr/local/bin/dulse flags=(unconfined)"),
        ];
        for (check, mend) in cases {
            assert_eq!(check.status, Status::Fail);
            assert!(check.mend.as_ref().is_some_and(|command| command.contains(mend)), "{check:?}");
        }
        assert!(broken(healthy()).message.contains("Operation not permitted"));
    }

    #[test]
    fn missing_helpers_and_ranges_cost_ids_only() {
        let check = id_helpers(&Facts { newuidmap: None, ..healthy() });
        assert_eq!((check.status, check.mend.as_deref()), (Status::Warn, Some("sudo apt-get install -y uidmap")));
        let plain = Some(Program { path: "/usr/bin/newgidmap".into(), ..Program::default() });
        let check = id_helpers(&Facts { newgidmap: plain, ..healthy() });
        assert_eq!(check.mend.as_deref(), Some("sudo setcap cap_setgid+ep /usr/bin/newgidmap"));
        let check = subordinate_ids(&Facts { subuids: 0, ..healthy() });
        assert_eq!(check.status, Status::Warn);
        assert_eq!(check.mend.as_deref(), Some("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 alice"));
        assert!(subordinate_ids(&Facts { subgids: 1000, ..healthy() }).message.contains("1000 group IDs"));
    }

    #[test]
    fn a_refused_mapping_is_a_failure() {
        assert_eq!(mapping(&Facts { mapped: Some("refused".into()), ..healthy() }).status, Status::Fail);
        assert!(mapping(&Facts { subuids: 0, ..healthy() }).message.contains("single"));
    }
}
