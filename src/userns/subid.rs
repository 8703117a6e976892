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
}

impl SubIds {
    /// The calling user's ranges. No range at all is not an error: only one ID can be mapped then.
    pub fn of_user() -> Result<Self, Error> {
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let user = user_name(uid).ok_or(Error::NoUser(uid))?;
        let uids = ranges_of(Path::new(SUBUID), &user, uid, "-u");
        let gids = ranges_of(Path::new(SUBGID), &user, uid, "-g");
        Ok(Self { user, uid, gid, uids, gids })
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

    /// There is a range of both kinds, so that more than one ID can be mapped.
    pub fn has_ranges(&self) -> bool {
        !self.uids.is_empty() && !self.gids.is_empty()
    }
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
    from_file
        .or_else(|| users::get_user_by_uid(uid).map(|user| user.name().to_string_lossy().into_owned()))
        .or_else(|| Some(uid.to_string()))
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
    fn the_name_of_an_id_is_the_first_in_passwd() {
        let text = "root:x:0:0::/root:/bin/sh\nbroken\nalice:x:1001:1001::/home/alice:/bin/sh\nother:x:1001:1::/:/bin/sh\n";
        assert_eq!(name_in_passwd(text, 1001).as_deref(), Some("alice"));
        assert_eq!(name_in_passwd(text, 7), None);
    }
}
