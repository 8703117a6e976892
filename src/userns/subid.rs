//! The user's subordinate ID ranges, subuid(5) and subgid(5).

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Error;

const SUBUID: &str = "/etc/subuid";
const SUBGID: &str = "/etc/subgid";

/// Consecutive IDs of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub start: u32,
    pub size: u32,
}

/// What one user may map: the own IDs and the subordinate ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubIds {
    pub user: String,
    pub uid: u32,
    pub gid: u32,
    pub uids: Vec<Range>,
    pub gids: Vec<Range>,
    /// newuidmap or newgidmap is not installed, so that only one ID can be mapped.
    pub missing_helper: Option<&'static str>,
}

impl SubIds {
    /// The calling user's ranges. No range at all is not an error: only one ID can be mapped then.
    pub fn of_user() -> Result<Self, Error> {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let user = user_name(uid).ok_or(Error::NoUser(uid))?;
        if uid == 0 {
            return Ok(Self::of_root(user, gid));
        }
        let uids = ranges_of(Path::new(SUBUID), &user, uid, "-u");
        let gids = ranges_of(Path::new(SUBGID), &user, uid, "-g");
        Ok(Self { user, uid, gid, uids, gids, missing_helper: missing_helper() })
    }

    /// Root's, of this machine or of the container this runs in: its ranges where it has some, else what its own namespace has, which it
    /// may map without a helper.
    fn of_root(user: String, gid: u32) -> Self {
        let ranges = |file: &str, map: &str| {
            let own = fs::read_to_string(file).map_or_else(|_| Vec::new(), |text| parse(&text, &user, Some(0)));
            if own.is_empty() { fs::read_to_string(map).map_or_else(|_| Vec::new(), |text| own_namespace(&text)) } else { own }
        };
        let (uids, gids) = (ranges(SUBUID, "/proc/self/uid_map"), ranges(SUBGID, "/proc/self/gid_map"));
        Self { user, uid: 0, gid, uids, gids, missing_helper: None }
    }

    /// The ranges under other names (`--subuidname`, `--subgidname`); here a name without a range is an error.
    pub fn of_names(subuidname: &str, subgidname: &str) -> Result<Self, Error> {
        let mut ids = Self::of_user()?;
        ids.uids = parse(&read(SUBUID)?, subuidname, None);
        ids.gids = parse(&read(SUBGID)?, subgidname, None);
        for (ranges, name, file) in [(&ids.uids, subuidname, SUBUID), (&ids.gids, subgidname, SUBGID)] {
            if ranges.is_empty() {
                return Err(Error::NoSuchName(name.to_owned(), file));
            }
        }
        Ok(ids)
    }

    /// There is a range of both kinds and what it takes to map them, so that more than one ID can be mapped.
    pub fn can_map_ranges(&self) -> bool {
        !self.uids.is_empty() && !self.gids.is_empty() && self.missing_helper.is_none()
    }
}

/// The IDs above 0 of a namespace, by its uid_map: no more than a container needs.
fn own_namespace(map: &str) -> Vec<Range> {
    const MOST: u64 = 65_536;
    let mut left = MOST;
    let mut ranges = Vec::new();
    for line in map.lines() {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().unwrap_or(0));
        let (Some(first), Some(_), Some(size)) = (numbers.next(), numbers.next(), numbers.next()) else { continue };
        let (start, end) = (first.max(1), first + size);
        let taken = end.saturating_sub(start).min(left);
        if let (Ok(start), Ok(size @ 1..)) = (u32::try_from(start), u32::try_from(taken)) {
            ranges.push(Range { start, size });
            left -= taken;
        }
    }
    ranges
}

/// The command that gives `user` at least `needed` more subordinate IDs, which nobody has yet.
pub fn add_range(user: &str, needed: u64) -> String {
    let first = [SUBUID, SUBGID].map(|file| fs::read_to_string(file).map_or(0, |text| first_free(&text)));
    let first = first.into_iter().max().unwrap_or_default();
    let last = first + needed.next_multiple_of(65_536) - 1;
    format!("sudo usermod --add-subuids {first}-{last} --add-subgids {first}-{last} {user}")
}

/// The first ID above all ranges of a file, and not below SUB_UID_MIN of login.defs(5).
fn first_free(text: &str) -> u64 {
    const MINIMUM: u64 = 100_000;
    let ends = text.lines().filter_map(|line| {
        let mut fields = line.trim().splitn(3, ':').skip(1).map(|field| field.parse::<u32>().ok());
        Some(u64::from(fields.next()??) + u64::from(fields.next()??))
    });
    ends.max().unwrap_or(MINIMUM).max(MINIMUM)
}

fn missing_helper() -> Option<&'static str> {
    ["newuidmap", "newgidmap"].into_iter().find(|program| super::write::find_program(program).is_none())
}

/// The ranges of a user, by name or number, in a file of lines `name:start:count`. Lines that are none are skipped, as newuidmap does.
fn parse(text: &str, name: &str, uid: Option<u32>) -> Vec<Range> {
    let uid = uid.map(|uid| uid.to_string());
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().splitn(3, ':');
            let owner = fields.next()?;
            if owner != name && Some(owner) != uid.as_deref() {
                return None;
            }
            let range = Range { start: fields.next()?.parse().ok()?, size: fields.next()?.parse().ok()? };
            (range.size > 0 && range.start.checked_add(range.size - 1).is_some()).then_some(range)
        })
        .collect()
}

fn ranges_of(file: &Path, user: &str, uid: u32, program_option: &str) -> Vec<Range> {
    let ranges = fs::read_to_string(file).map_or_else(|_| Vec::new(), |text| parse(&text, user, Some(uid)));
    // shadow-utils can take the ranges from a name service (nsswitch.conf `subid:`); getsubids asks it.
    if ranges.is_empty() { from_program(user, program_option) } else { ranges }
}

fn from_program(user: &str, option: &str) -> Vec<Range> {
    let mut command = Command::new("getsubids");
    if option == "-g" {
        command.arg(option);
    }
    let Ok(output) = command.arg(user).output() else { return Vec::new() };
    // `0: alice 100000 65536`
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().rev();
            let (size, start) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(Range { start, size })
        })
        .collect()
}

fn read(file: &'static str) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|error| Error::Read(file.into(), error))
}

/// The user's name: from /etc/passwd, which costs one read; else from the name service, which costs loading its libraries.
fn user_name(uid: u32) -> Option<String> {
    let from_file = fs::read_to_string("/etc/passwd").ok().and_then(|text| name_in_passwd(&text, uid));
    from_file.or_else(|| name_by_getent(uid)).or_else(|| Some(uid.to_string()))
}

/// Users of a directory service. The C library's own lookup would load NSS modules, and a statically linked program crashes in them.
fn name_by_getent(uid: u32) -> Option<String> {
    let output =
        std::process::Command::new("getent").arg("passwd").arg(uid.to_string()).stderr(std::process::Stdio::null()).output().ok()?;
    name_in_passwd(&String::from_utf8_lossy(&output.stdout), uid)
}

fn name_in_passwd(text: &str, uid: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "bob:1:2\nalice:100000:65536\n1001:300000:10\n# alice:5:5\n";
        let found = parse(text, "alice", Some(1001));
        assert_eq!(found, [Range { start: 100_000, size: 65_536 }, Range { start: 300_000, size: 10 }]);
    }

    #[test]
    fn lines_that_are_no_ranges_are_skipped() {
        for text in ["alice", "alice:", "alice:1", "alice:1:", "alice:x:1", "alice:1:0", "alice:4294967295:2", "alice:1:-1", ":1:1"] {
            assert_eq!(parse(text, "alice", None), [], "{text}");
        }
    }

    #[test]
    fn a_new_range_is_above_everybodys() {
        assert_eq!(first_free("alice:100000:65536\nbob:165536:65536\nbroken"), 231_072);
        assert_eq!(first_free(""), 100_000);
    }

    #[test]
    fn root_in_a_container_may_map_what_its_namespace_has() {
        let map = "         0       1001          1\n         1     100000      65536\n";
        assert_eq!(own_namespace(map), [Range { start: 1, size: 65_536 }]);
        assert_eq!(own_namespace("0 0 4294967295"), [Range { start: 1, size: 65_536 }]);
        assert_eq!(own_namespace("0 1000 1"), []);
    }

    #[test]
    fn the_name_of_an_id_is_the_first_in_passwd() {
        let text = "root:x:0:0::/root:/bin/sh\nbroken\nalice:x:1001:1001::/home/alice:/bin/sh\nother:x:1001:1::/:/bin/sh\n";
        assert_eq!(name_in_passwd(text, 1001).as_deref(), Some("alice"));
        assert_eq!(name_in_passwd(text, 7), None);
    }
}
