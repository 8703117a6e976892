//! Which distribution this is, os-release(5), and how its packages are installed.

/// What matters of os-release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// `debian`, `fedora` …
    pub id: String,
    pub version: String,
    pub codename: String,
    pub variant: String,
    /// Those it derives from.
    like: Vec<String>,
}

/// A package by what it is for; its name depends on the distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// newuidmap and newgidmap.
    IdHelpers,
    Pasta,
    Slirp4netns,
    /// User sessions of systemd, their D-Bus.
    UserBus,
}

impl Distribution {
    /// Of the text of /etc/os-release.
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.map(|value| value.trim().trim_matches(['"', '\'']).to_owned()).unwrap_or_default()
        };
        Self {
            id: value("ID"),
            version: value("VERSION_ID"),
            codename: value("VERSION_CODENAME"),
            variant: value("VARIANT_ID"),
            like: value("ID_LIKE").split_whitespace().map(Into::into).collect(),
        }
    }

    /// The command that installs `package`.
    pub fn install(&self, package: Package) -> String {
        let family = self.family();
        let name = match (package, family) {
            (Package::IdHelpers, Family::Debian) => "uidmap",
            (Package::IdHelpers, Family::Fedora) => "shadow-utils",
            (Package::IdHelpers, Family::Alpine) => "shadow-uidmap",
            (Package::IdHelpers, Family::Suse | Family::Arch) => "shadow",
            (Package::Pasta, _) => "passt",
            (Package::Slirp4netns, _) => "slirp4netns",
            (Package::UserBus, Family::Debian) => "dbus-user-session",
            (Package::UserBus, _) => "dbus",
        };
        let command = match family {
            Family::Debian => "apt-get install -y",
            Family::Fedora => "dnf install -y",
            Family::Suse => "zypper install -y",
            Family::Arch => "pacman -S --noconfirm",
            Family::Alpine => "apk add",
        };
        format!("sudo {command} {name}")
    }

    fn family(&self) -> Family {
        std::iter::once(&self.id)
            .chain(&self.like)
            .find_map(|id| {
                Some(match id.as_str() {
                    "debian" | "ubuntu" => Family::Debian,
                    "fedora" | "rhel" | "centos" | "rocky" | "almalinux" => Family::Fedora,
                    "suse" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" | "sles" => Family::Suse,
                    "arch" => Family::Arch,
                    "alpine" => Family::Alpine,
                    _ => return None,
                })
            })
            .unwrap_or(Family::Debian)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Debian,
    Fedora,
    Suse,
    Arch,
    Alpine,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_the_distributions_names() {
        let debian = Distribution::parse(
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
        );
        assert_eq!((debian.id.as_str(), debian.version.as_str(), debian.codename.as_str()), ("debian", "12", "bookworm"));
        let install = |text: &str, package| Distribution::parse(text).install(package);
        assert_eq!(debian.install(Package::IdHelpers), "sudo apt-get install -y uidmap");
        assert_eq!(install("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Package::Pasta), "sudo apt-get install -y passt");
        assert_eq!(install("ID=rocky\nID_LIKE=\"rhel centos fedora\"\n", Package::IdHelpers), "sudo dnf install -y shadow-utils");
        assert_eq!(install("ID=arch\n", Package::Slirp4netns), "sudo pacman -S --noconfirm slirp4netns");
        assert_eq!(install("ID=alpine\n", Package::IdHelpers), "sudo apk add shadow-uidmap");
        assert_eq!(install("", Package::Pasta), "sudo apt-get install -y passt");
    }
}
