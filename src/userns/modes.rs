//! `--userns`: from what the user asks for to an ID map.

use super::custom::additional;
use super::pieces::{Kind, Piece, fill, no_range, remaining, sort_and_merge};
use super::{Error, IdMap, IdMapping, SubIds};

/// `--userns` as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// `host`, `""` and `private` without mappings: the user is ID 0, the subordinate range follows.
    #[default]
    Default,
    KeepId(KeepId),
    Auto(Auto),
    NoMap,
    /// `container:ID`
    Container(String),
    /// `ns:PATH`
    Path(String),
}

/// Options of `keep-id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepId {
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u32>,
}

/// Options of `auto`. The mappings are as written: `CONTAINER_ID:[@]FROM_ID[:SIZE]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auto {
    pub size: Option<u32>,
    pub uid_mappings: Vec<String>,
    pub gid_mappings: Vec<String>,
}

impl std::str::FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (mode, options) = text.split_once(':').map_or((text, None), |(mode, options)| (mode, Some(options)));
        match (mode, options) {
            ("" | "host" | "private", None) => Ok(Self::Default),
            ("nomap", None) => Ok(Self::NoMap),
            ("keep-id", options) => KeepId::parse(options.unwrap_or_default()).map(Self::KeepId),
            ("auto", options) => Auto::parse(options.unwrap_or_default()).map(Self::Auto),
            ("container", Some(container)) if !container.is_empty() => Ok(Self::Container(container.to_owned())),
            ("ns", Some(path)) if !path.is_empty() => Ok(Self::Path(path.to_owned())),
            _ => Err(Error::UnknownMode(text.to_owned())),
        }
    }
}

impl KeepId {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut options = Self::default();
        for (key, value) in pairs(text)? {
            let number = || value.parse().map_err(|_| Error::BadOption(format!("{key}={value}")));
            match key {
                "uid" => options.uid = Some(number()?),
                "gid" => options.gid = Some(number()?),
                "size" => options.size = Some(number()?),
                _ => return Err(Error::UnknownOption(key.to_owned())),
            }
        }
        Ok(options)
    }
}

impl Auto {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut options = Self::default();
        for (key, value) in pairs(text)? {
            match key {
                "size" => options.size = Some(value.parse().map_err(|_| Error::BadOption(format!("{key}={value}")))?),
                "uidmapping" => options.uid_mappings.push(value.to_owned()),
                "gidmapping" => options.gid_mappings.push(value.to_owned()),
                _ => return Err(Error::UnknownOption(key.to_owned())),
            }
        }
        Ok(options)
    }
}

fn pairs(text: &str) -> Result<Vec<(&str, &str)>, Error> {
    let options = text.split(',').filter(|option| !option.is_empty());
    options.map(|option| option.split_once('=').ok_or_else(|| Error::BadOption(option.to_owned()))).collect()
}

/// podman's rootless default: the user is 0, the subordinate ranges follow from 1 on; one ID where there is no range.
pub fn default_map(ids: &SubIds) -> IdMap {
    let all = |kind: Kind| kind.to_host(ids, &[Piece { container: 0, from: 0, size: 1 + kind.available(ids) }]);
    match (all(Kind::Uid), all(Kind::Gid)) {
        (Ok(uids), Ok(gids)) if ids.can_map_ranges() => IdMap { uids, gids },
        _ => IdMap::single(0, 0, ids.uid, ids.gid),
    }
}

/// `keep-id`: the user has the same IDs inside (or `uid=`, `gid=`), and the subordinate IDs are around them.
pub fn keep_id(ids: &SubIds, options: &KeepId) -> Result<IdMap, Error> {
    let (uid, gid) = (options.uid.unwrap_or(ids.uid), options.gid.unwrap_or(ids.gid));
    if !ids.can_map_ranges() {
        return Ok(IdMap::single(uid, gid, ids.uid, ids.gid));
    }
    let side = |kind: Kind, own: u32| {
        let own = u64::from(own);
        let size = options.size.map_or(u64::MAX, |size| u64::from(size.saturating_sub(1)));
        let available = kind.available(ids).min(size);
        let below = Piece { container: 0, from: 1, size: own.min(available) };
        let user = Piece { container: own, from: 0, size: 1 };
        let above = Piece { container: own + 1, from: own + 1, size: available.saturating_sub(own) };
        let pieces: Vec<Piece> = [below, user, above].into_iter().filter(|piece| piece.size > 0).collect();
        kind.to_host(ids, &pieces)
    };
    Ok(IdMap { uids: side(Kind::Uid, uid)?, gids: side(Kind::Gid, gid)? })
}

/// `nomap`: only subordinate IDs, the user's own ID is not mapped.
pub fn nomap(ids: &SubIds) -> Result<IdMap, Error> {
    let side = |kind: Kind| match kind.available(ids) {
        0 => Err(no_range(ids, kind)),
        _ if !ids.can_map_ranges() => Err(no_range(ids, kind)),
        available => kind.to_host(ids, &[Piece { container: 0, from: 1, size: available }]),
    };
    Ok(IdMap { uids: side(Kind::Uid)?, gids: side(Kind::Gid)? })
}

/// The smallest namespace of `auto`, as containers/storage has it.
const AUTO_MINIMUM: u32 = 1024;

/// `auto`: a range of its own, disjoint from those in `used`. `size` is what the image needs, where the options name none.
pub fn auto(ids: &SubIds, options: &Auto, size: u32, used: &[IdMap]) -> Result<IdMap, Error> {
    let size = options.size.unwrap_or(size.max(AUTO_MINIMUM));
    let side = |kind: Kind, given: &[String], used: fn(&IdMap) -> &[IdMapping], maps: &[IdMap]| {
        if !ids.can_map_ranges() {
            return Err(no_range(ids, kind));
        }
        let mut taken = Vec::new();
        for mapping in maps.iter().flat_map(used) {
            // What is not the user's any more needs no consideration.
            let pieces = kind.intermediate_of(ids, 0, mapping.host.into(), mapping.size.into()).unwrap_or_default();
            taken.extend(pieces.iter().map(|piece| (piece.from, piece.size)));
        }
        let mut fixed = Vec::new();
        for text in given {
            for mapping in additional(ids, kind, text)? {
                let pieces = kind.intermediate_of(ids, mapping.container.into(), mapping.host.into(), mapping.size.into());
                fixed.extend(pieces.unwrap_or_default());
            }
        }
        taken.extend(fixed.iter().map(|piece: &Piece| (piece.from, piece.size)));
        let free = remaining([(1, kind.available(ids))], taken);
        let pieces = sort_and_merge(fill(&fixed, free, Some(size.into())));
        if !remaining([(0, size.into())], pieces.iter().map(|piece| (piece.container, piece.size))).is_empty() {
            return Err(Error::NotEnoughUnused { user: ids.user.clone(), kind: kind.name(), needed: size });
        }
        kind.to_host(ids, &pieces)
    };
    Ok(IdMap {
        uids: side(Kind::Uid, &options.uid_mappings, |map| &map.uids, used)?,
        gids: side(Kind::Gid, &options.gid_mappings, |map| &map.gids, used)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Range;
    use super::*;

    fn alice() -> SubIds {
        let ranges = vec![Range { start: 100_000, size: 65_536 }];
        SubIds { user: "alice".into(), uid: 1001, gid: 1001, uids: ranges.clone(), gids: ranges, missing_helper: None }
    }

    fn poor() -> SubIds {
        SubIds { uids: Vec::new(), gids: Vec::new(), ..alice() }
    }

    fn text(mappings: &[IdMapping]) -> String {
        mappings.iter().map(|m| format!("{}:{}:{}", m.container, m.host, m.size)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_default_maps_the_user_to_root_and_the_range_behind() {
        assert_eq!(text(&default_map(&alice()).uids), "0:1001:1 1:100000:65536");
        assert!(default_map(&poor()).is_single());
        assert!(default_map(&SubIds { missing_helper: Some("newuidmap"), ..alice() }).is_single());
    }

    // These results were compared with podman 5.8's.
    #[test]
    fn keep_id_puts_the_user_among_the_subordinate_ids() {
        let map = |options: &str| text(&keep_id(&alice(), &KeepId::parse(options).unwrap()).unwrap().uids);
        assert_eq!(map(""), "0:100000:1001 1001:1001:1 1002:101001:64535");
        assert_eq!(map("size=5000"), "0:100000:1001 1001:1001:1 1002:101001:3998");
        assert_eq!(map("size=1002"), "0:100000:1001 1001:1001:1");
        assert_eq!(map("uid=200,gid=210"), "0:100000:200 200:1001:1 201:100200:65336");
        assert_eq!(map("uid=70000"), "0:100000:65536 70000:1001:1");
        assert_eq!(map("uid=0"), "0:1001:1 1:100000:65536");
        assert_eq!(text(&keep_id(&poor(), &KeepId::default()).unwrap().uids), "1001:1001:1");
    }

    #[test]
    fn nomap_leaves_the_user_out() {
        assert_eq!(text(&nomap(&alice()).unwrap().gids), "0:100000:65536");
        assert!(matches!(nomap(&poor()), Err(Error::NoRange { .. })));
    }

    #[test]
    fn auto_takes_what_nobody_uses() {
        let options = Auto::parse("size=30000").unwrap();
        let first = auto(&alice(), &options, 0, &[]).unwrap();
        assert_eq!(text(&first.uids), "0:100000:30000");
        let second = auto(&alice(), &options, 0, std::slice::from_ref(&first)).unwrap();
        assert_eq!(text(&second.uids), "0:130000:30000");
        assert!(matches!(auto(&alice(), &options, 0, &[first, second]), Err(Error::NotEnoughUnused { needed: 30_000, .. })));
        assert_eq!(text(&auto(&alice(), &Auto::default(), 100, &[]).unwrap().uids), "0:100000:1024");
    }

    #[test]
    fn auto_keeps_the_mappings_it_is_given() {
        let options = Auto::parse("size=100,uidmapping=5:@1001:1").unwrap();
        assert_eq!(text(&auto(&alice(), &options, 0, &[]).unwrap().uids), "0:100000:5 5:1001:1 6:100005:94");
    }

    #[test]
    fn modes_are_parsed_as_podman_does() {
        let parse = |text: &str| text.parse::<Mode>();
        assert_eq!(parse("").unwrap(), Mode::Default);
        assert_eq!(parse("keep-id:uid=5").unwrap(), Mode::KeepId(KeepId { uid: Some(5), ..KeepId::default() }));
        assert_eq!(parse("ns:/proc/1/ns/user").unwrap(), Mode::Path("/proc/1/ns/user".into()));
        assert_eq!(parse("keep-id:bad=1").unwrap_err().to_string(), "unknown option specified: \"bad\"");
        assert_eq!(parse("bogus").unwrap_err().to_string(), "unrecognized namespace mode bogus passed");
        for text in ["keep-id:uid", "keep-id:uid=x", "keep-id:uid=-1", "auto:size=", "container:", "ns:", "nomap:x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
