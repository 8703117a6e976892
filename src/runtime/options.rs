//! Mount options in mount(8)'s words, as the runtime specification lists them.

use crate::sys::mount::Attributes;

/// A mount's options, sorted by what they mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A bind mount, and whether with the mounts below it.
    pub bind: Option<Bind>,
    /// Attributes of the mount itself.
    pub attributes: Attributes,
    /// Attributes of the mount and all below it (`rro` …).
    pub recursive: Attributes,
    /// `MS_PRIVATE` … and whether recursively.
    pub propagation: Option<(u64, bool)>,
    /// Flags of the file system, for fsconfig(2).
    pub flags: Vec<&'static str>,
    /// Parameters of the file system: `size=…`, or a name alone.
    pub parameters: Vec<(String, Option<String>)>,
    /// Copy what the image has at the destination into the new tmpfs.
    pub copy_up: bool,
    /// Do not follow a symbolic link that the source is.
    pub source_nofollow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    Single,
    Recursive,
}

impl Options {
    /// Sorts options; of two that contradict each other the later wins.
    pub fn parse<S: AsRef<str>>(options: &[S]) -> Self {
        let mut parsed = Self::default();
        for option in options {
            parsed.add(option.as_ref());
        }
        parsed
    }

    fn add(&mut self, option: &str) {
        if let Some((set, bits)) = attribute(option) {
            change(&mut self.attributes, set, bits);
            return;
        }
        if let Some((set, bits)) = option.strip_prefix('r').and_then(attribute).filter(|_| !matches!(option, "relatime")) {
            change(&mut self.recursive, set, bits);
            return;
        }
        match option {
            "bind" => self.bind = self.bind.or(Some(Bind::Single)),
            "rbind" => self.bind = Some(Bind::Recursive),
            "private" => self.propagation = Some((libc::MS_PRIVATE, false)),
            "rprivate" => self.propagation = Some((libc::MS_PRIVATE, true)),
            "slave" => self.propagation = Some((libc::MS_SLAVE, false)),
            "rslave" => self.propagation = Some((libc::MS_SLAVE, true)),
            "shared" => self.propagation = Some((libc::MS_SHARED, false)),
            "rshared" => self.propagation = Some((libc::MS_SHARED, true)),
            "unbindable" => self.propagation = Some((libc::MS_UNBINDABLE, false)),
            "runbindable" => self.propagation = Some((libc::MS_UNBINDABLE, true)),
            "sync" => self.flags.push("sync"),
            "dirsync" => self.flags.push("dirsync"),
            "lazytime" => self.flags.push("lazytime"),
            "mand" => self.flags.push("mand"),
            "tmpcopyup" => self.copy_up = true,
            "notmpcopyup" => self.copy_up = false,
            "src-nofollow" | "copy-symlink" => self.source_nofollow = true,
            // Defaults, and words of the tools above that mean nothing to the kernel.
            "" | "defaults" | "async" | "nolazytime" | "silent" | "loud" | "nomand" | "remount" | "dest-nofollow" => {}
            _ => {
                let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value.to_owned())));
                self.parameters.push((name.to_owned(), value));
            }
        }
    }
}

fn change(attributes: &mut Attributes, set: bool, bits: u64) {
    const ATIME: u64 = libc::MOUNT_ATTR__ATIME;
    if bits & ATIME != 0 || bits == 0 {
        // The access time modes are values of one field: mount_setattr(2) wants the whole field cleared.
        attributes.set = attributes.set & !ATIME | if set { bits & ATIME } else { 0 };
        attributes.clear |= ATIME;
        return;
    }
    let (on, off) = if set { (&mut attributes.set, &mut attributes.clear) } else { (&mut attributes.clear, &mut attributes.set) };
    *on |= bits;
    *off &= !bits;
}

/// Whether an option sets or clears attributes of the mount, and which.
fn attribute(option: &str) -> Option<(bool, u64)> {
    Some(match option {
        "ro" => (true, libc::MOUNT_ATTR_RDONLY),
        "rw" => (false, libc::MOUNT_ATTR_RDONLY),
        "nosuid" => (true, libc::MOUNT_ATTR_NOSUID),
        "suid" => (false, libc::MOUNT_ATTR_NOSUID),
        "nodev" => (true, libc::MOUNT_ATTR_NODEV),
        "dev" => (false, libc::MOUNT_ATTR_NODEV),
        "noexec" => (true, libc::MOUNT_ATTR_NOEXEC),
        "exec" => (false, libc::MOUNT_ATTR_NOEXEC),
        "nodiratime" => (true, libc::MOUNT_ATTR_NODIRATIME),
        "diratime" => (false, libc::MOUNT_ATTR_NODIRATIME),
        "nosymfollow" => (true, libc::MOUNT_ATTR_NOSYMFOLLOW),
        "symfollow" => (false, libc::MOUNT_ATTR_NOSYMFOLLOW),
        "relatime" | "atime" | "nostrictatime" => (true, libc::MOUNT_ATTR_RELATIME),
        "noatime" => (true, libc::MOUNT_ATTR_NOATIME),
        "strictatime" | "norelatime" => (true, libc::MOUNT_ATTR_STRICTATIME),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_of_two_opposites_wins() {
        let options = Options::parse(&["ro", "nosuid", "rw", "suid", "nosuid"]);
        assert_eq!(options.attributes.set, libc::MOUNT_ATTR_NOSUID);
        assert_eq!(options.attributes.clear, libc::MOUNT_ATTR_RDONLY);
    }

    #[test]
    fn recursive_attributes_are_kept_apart() {
        let options = Options::parse(&["rbind", "rro", "rprivate", "relatime"]);
        assert_eq!(options.recursive.set, libc::MOUNT_ATTR_RDONLY);
        assert_eq!(options.attributes, Attributes { clear: libc::MOUNT_ATTR__ATIME, ..Attributes::default() });
        assert_eq!((options.bind, options.propagation), (Some(Bind::Recursive), Some((libc::MS_PRIVATE, true))));
    }

    #[test]
    fn what_is_no_mount_flag_goes_to_the_file_system() {
        let options = Options::parse(&["mode=1777", "size=65536k", "newinstance", "tmpcopyup"]);
        let expected = [("mode", Some("1777")), ("size", Some("65536k")), ("newinstance", None)];
        assert_eq!(options.parameters, expected.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))));
        assert!(options.copy_up);
    }

    #[test]
    fn access_time_modes_replace_each_other() {
        let options = Options::parse(&["noatime", "strictatime"]);
        assert_eq!(options.attributes.set, libc::MOUNT_ATTR_STRICTATIME);
    }
}
