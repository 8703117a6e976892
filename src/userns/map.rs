//! ID maps as data.

use serde::{Deserialize, Serialize};

use super::Error;

/// One line of uid_map or gid_map, user_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    pub container: u32,
    pub host: u32,
    pub size: u32,
}

/// The mappings of a user namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMap {
    pub uids: Vec<IdMapping>,
    pub gids: Vec<IdMapping>,
}

impl IdMap {
    /// A map of one user ID and one group ID.
    pub fn single(container_uid: u32, container_gid: u32, uid: u32, gid: u32) -> Self {
        Self {
            uids: vec![IdMapping { container: container_uid, host: uid, size: 1 }],
            gids: vec![IdMapping { container: container_gid, host: gid, size: 1 }],
        }
    }

    /// One user ID and one group ID only: such a map needs no newuidmap, and setgroups is denied in it.
    pub fn is_single(&self) -> bool {
        let single = |mappings: &[IdMapping]| matches!(mappings, [IdMapping { size: 1, .. }]);
        single(&self.uids) && single(&self.gids)
    }

    /// Whether a process can be this user and group.
    pub fn check(&self, uid: u32, gid: u32) -> Result<(), Error> {
        let text = |mappings: &[IdMapping]| {
            mappings.iter().map(|m| format!("{}:{}:{}", m.container, m.host, m.size)).collect::<Vec<_>>().join(" ")
        };
        match (self.host_uid(uid), self.host_gid(gid)) {
            (None, _) => Err(Error::ProcessNotMapped { kind: "UID", id: uid, map: text(&self.uids) }),
            (_, None) => Err(Error::ProcessNotMapped { kind: "GID", id: gid, map: text(&self.gids) }),
            _ => Ok(()),
        }
    }

    /// The host's ID for the container's user ID.
    pub fn host_uid(&self, container: u32) -> Option<u32> {
        to_host(&self.uids, container)
    }

    /// The host's ID for the container's group ID.
    pub fn host_gid(&self, container: u32) -> Option<u32> {
        to_host(&self.gids, container)
    }

    /// The container's ID for the host's user ID.
    pub fn container_uid(&self, host: u32) -> Option<u32> {
        to_container(&self.uids, host)
    }

    /// The container's ID for the host's group ID.
    pub fn container_gid(&self, host: u32) -> Option<u32> {
        to_container(&self.gids, host)
    }
}

fn to_host(mappings: &[IdMapping], container: u32) -> Option<u32> {
    mappings
        .iter()
        .find_map(|m| container.checked_sub(m.container).filter(|offset| *offset < m.size).and_then(|offset| m.host.checked_add(offset)))
}

fn to_container(mappings: &[IdMapping], host: u32) -> Option<u32> {
    mappings
        .iter()
        .find_map(|m| host.checked_sub(m.host).filter(|offset| *offset < m.size).and_then(|offset| m.container.checked_add(offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_translate_both_ways_and_not_outside_the_map() {
        let mappings = vec![IdMapping { container: 0, host: 1000, size: 1 }, IdMapping { container: 1, host: 100_000, size: 65_536 }];
        let map = IdMap { uids: mappings.clone(), gids: mappings };
        assert_eq!(map.host_uid(0), Some(1000));
        assert_eq!(map.host_uid(33), Some(100_032));
        assert_eq!(map.host_uid(65_537), None);
        assert_eq!(map.container_gid(100_032), Some(33));
        assert_eq!(map.container_gid(999), None);
        assert_eq!(map.host_uid(u32::MAX), None);
    }

    #[test]
    fn a_map_of_one_user_and_one_group_is_single() {
        assert!(IdMap::single(0, 0, 1000, 1000).is_single());
        assert!(!IdMap::default().is_single());
    }
}
