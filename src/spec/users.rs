//! Users and groups of a root file system, passwd(5) and group(5): who `--user` is, and the entries for whom the image does not know.

use super::error::Error;

/// One line of /etc/passwd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswdEntry<'a> {
    pub name: &'a str,
    pub uid: u32,
    pub gid: u32,
    pub gecos: &'a str,
    pub home: &'a str,
    pub shell: &'a str,
}

/// Whom a process runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedUser {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// From the entry, `/` where there is none.
    pub home: String,
    /// The entry's name; `None` where /etc/passwd has none for the ID.
    pub name: Option<String>,
}

/// The well-formed lines of a passwd file.
pub fn passwd(text: &str) -> impl Iterator<Item = PasswdEntry<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        fields.next()?;
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let [gecos, home, shell] = [(); 3].map(|()| fields.next().unwrap_or_default());
        Some(PasswdEntry { name, uid, gid, gecos, home, shell })
    })
}

/// Name, ID and members of the well-formed lines of a group file.
pub fn group(text: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        fields.next()?;
        let gid = fields.next()?.parse().ok()?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

/// Looks up `USER[:GROUP]` and the additional groups. Names must be in the files, numbers need not; a user that is not there has
/// group 0. A group that is named explicitly takes the place of those the user is a member of.
pub fn resolve(user: &str, additional: &[String], passwd_text: &str, group_text: &str) -> Result<ResolvedUser, Error> {
    let (user_part, group_part) = match user.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (user, None),
    };
    let number = if user_part.is_empty() { Some(0) } else { user_part.parse::<u32>().ok() };
    let entry = passwd(passwd_text)
        .find(|entry| entry.name == user_part)
        .or_else(|| number.and_then(|uid| passwd(passwd_text).find(|entry| entry.uid == uid)));
    let mut resolved = match (&entry, number) {
        (Some(entry), _) => ResolvedUser {
            uid: entry.uid,
            gid: entry.gid,
            groups: Vec::new(),
            home: if entry.home.is_empty() { "/".into() } else { entry.home.to_owned() },
            name: Some(entry.name.to_owned()),
        },
        (None, Some(uid)) => ResolvedUser { uid, home: "/".into(), ..ResolvedUser::default() },
        (None, None) => return Err(Error::UnknownUser(user_part.to_owned())),
    };
    match group_part {
        Some(name) => resolved.gid = find_group(name, group_text)?,
        None => {
            if let Some(entry) = &entry {
                let member = |members: &str| members.split(',').any(|member| member.trim() == entry.name);
                resolved.groups = group(group_text).filter(|(_, _, members)| member(members)).map(|(_, gid, _)| gid).collect();
            }
        }
    }
    for name in additional {
        let gid = find_group(name, group_text)?;
        if !resolved.groups.contains(&gid) {
            resolved.groups.push(gid);
        }
    }
    Ok(resolved)
}

fn find_group(name: &str, group_text: &str) -> Result<u32, Error> {
    group(group_text)
        .find(|(known, _, _)| *known == name)
        .map(|(_, gid, _)| gid)
        .or_else(|| name.parse().ok())
        .ok_or_else(|| Error::UnknownGroup(name.to_owned()))
}

/// Whom the image does not know and who gets an entry in its files.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    pub name: &'a str,
    pub uid: u32,
    pub gid: u32,
    pub gecos: &'a str,
    pub home: &'a str,
}

/// `passwd_text` with an entry for `user`; `template` is `--passwd-entry`, or empty.
pub fn add_passwd(passwd_text: &str, user: Newcomer<'_>, template: &str) -> String {
    let entry = if template.is_empty() {
        format!("{}:*:{}:{}:{}:{}:/bin/sh", user.name, user.uid, user.gid, user.gecos, user.home)
    } else {
        super::environment::expand(template, |variable| match variable {
            "USERNAME" => Some(user.name.to_owned()),
            "UID" => Some(user.uid.to_string()),
            "GID" => Some(user.gid.to_string()),
            "NAME" => Some(user.gecos.to_owned()),
            "HOME" => Some(user.home.to_owned()),
            _ => None,
        })
    };
    append_line(passwd_text, &entry)
}

/// `group_text` with an entry for a group that has no name there; `template` is `--group-entry`, or empty.
pub fn add_group(group_text: &str, name: &str, gid: u32, member: &str, template: &str) -> String {
    let entry = if template.is_empty() {
        format!("{name}:x:{gid}:{member}")
    } else {
        super::environment::expand(template, |variable| match variable {
            "GROUPNAME" => Some(name.to_owned()),
            "GID" => Some(gid.to_string()),
            "USERLIST" => Some(member.to_owned()),
            _ => None,
        })
    };
    append_line(group_text, &entry)
}

fn append_line(text: &str, line: &str) -> String {
    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{separator}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbin:x:2:3:bin:/bin:/bin/sh\nbroken\n1000:x:7:7::/seven:\n";
    const GROUP: &str = "root:x:0:\nwheel:x:10:root,bin\ngames:x:20:bin\n";

    fn ids(user: &str, additional: &[&str]) -> Result<(u32, u32, Vec<u32>), String> {
        let additional: Vec<String> = additional.iter().map(ToString::to_string).collect();
        resolve(user, &additional, PASSWD, GROUP).map(|user| (user.uid, user.gid, user.groups)).map_err(|error| error.to_string())
    }

    #[test]
    fn users_are_found_by_name_and_by_number() {
        assert_eq!(ids("", &[]), Ok((0, 0, vec![10])));
        assert_eq!(ids("bin", &[]), Ok((2, 3, vec![10, 20])));
        assert_eq!(ids("2", &[]), Ok((2, 3, vec![10, 20])));
        assert_eq!(ids("bin:games", &[]), Ok((2, 20, vec![])));
        assert_eq!(ids("1234:99", &["7", "wheel"]), Ok((1234, 99, vec![7, 10])));
        assert_eq!(ids("4321", &[]), Ok((4321, 0, vec![])));
        // A name that looks like a number is a name first.
        assert_eq!(ids("1000", &[]), Ok((7, 7, vec![])));
    }

    #[test]
    fn unknown_names_are_refused_in_podmans_words() {
        assert_eq!(ids("nope", &[]).unwrap_err(), "unable to find user nope: no matching entries in passwd file");
        assert_eq!(ids("root:nope", &[]).unwrap_err(), "unable to find group nope: no matching entries in group file");
        assert_eq!(ids("0", &["nope"]).unwrap_err(), "unable to find group nope: no matching entries in group file");
    }

    #[test]
    fn entries_for_newcomers_are_podmans() {
        let user = Newcomer { name: "1234", uid: 1234, gid: 99, gecos: "container user", home: "/" };
        assert!(add_passwd(PASSWD, user, "").ends_with("\n1234:*:1234:99:container user:/:/bin/sh\n"));
        let template = "foo:*:$UID:$GID::$HOME:/bin/x";
        assert!(add_passwd("", user, template).ends_with("foo:*:1234:99::/:/bin/x\n"));
        assert!(add_group("root:x:0:", "99", 99, "1234", "").ends_with("root:x:0:\n99:x:99:1234\n"));
    }
}
