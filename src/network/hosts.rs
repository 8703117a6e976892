//! The text of a container's /etc/hosts, hosts(5), by podman's rules.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Error;
use super::error::invalid;

/// The file that containers start from unless `base_hosts_file` or `--hosts-file` says otherwise.
pub const HOST_FILE: &str = "/etc/hosts";

/// The address that stands for the host itself.
pub const GATEWAY: &str = "host-gateway";

/// What /etc/hosts is made from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hosts<'a> {
    /// Text of the file to start from; empty for none.
    pub base: &'a str,
    /// `--add-host` values, checked by [`parse_addition`].
    pub add: &'a [String],
    /// Where the container reaches the host: `host.containers.internal` and `host-gateway`.
    pub host: Option<IpAddr>,
    /// The container's own address.
    pub own: Option<IpAddr>,
    /// Names for that: hostname, container name.
    pub names: &'a [&'a str],
}

impl Hosts<'_> {
    /// The file's text: additions, then the base, then what of localhost, the host and the container itself has no entry yet.
    pub fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        let mut known = BTreeSet::new();
        for addition in self.add {
            let (names, address) = parse_addition(addition)?;
            let address = match (address, self.host) {
                (Address::Ip(ip), _) | (Address::Gateway, Some(ip)) => ip,
                (Address::Gateway, None) => {
                    return invalid(format!(
                        "unable to replace {GATEWAY:?} of host entry {addition:?}: host containers internal IP address is empty"
                    ));
                }
            };
            text.push_str(&line(&address.to_string(), &names));
            known.extend(names);
        }
        for (ip, names) in self.base.lines().filter_map(entry) {
            text.push_str(&line(ip, &names));
            known.extend(names);
        }
        let mut append = |ip: &str, names: &[&str]| {
            let missing: Vec<_> = names.iter().copied().filter(|name| !known.contains(name)).collect();
            if !missing.is_empty() {
                text.push_str(&line(ip, &missing));
            }
        };
        append("127.0.0.1", &["localhost"]);
        append("::1", &["localhost"]);
        if let Some(ip) = self.host {
            append(&ip.to_string(), &["host.containers.internal", "host.docker.internal"]);
        }
        if let Some(ip) = self.own {
            append(&ip.to_string(), self.names);
        }
        Ok(text)
    }
}

/// What a name of `--add-host` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    Ip(IpAddr),
    Gateway,
}

/// One value of `--add-host`: `NAME[;NAME]:IP` or `NAME:host-gateway`.
pub fn parse_addition(text: &str) -> Result<(Vec<&str>, Address), Error> {
    let bad_format = || Error::Invalid(format!("bad format for add-host: {text:?}"));
    let (names, address) = text.split_once(':').ok_or_else(bad_format)?;
    let names: Vec<_> = names.split(';').collect();
    if names.iter().any(|name| name.is_empty()) {
        return Err(bad_format());
    }
    if names.iter().any(|name| name.contains(char::is_whitespace)) {
        return invalid(format!("bad format for add-host: {text:?}: a name has a blank in it"));
    }
    if address == GATEWAY {
        return Ok((names, Address::Gateway));
    }
    match address.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(ip) => Ok((names, Address::Ip(ip))),
        Err(_) => invalid(format!("invalid IP address in add-host: {address:?}")),
    }
}

/// Address and names of a line; `None` for what is not an entry.
fn entry(line: &str) -> Option<(&str, Vec<&str>)> {
    let line = line.split('#').next().unwrap_or_default();
    let mut fields = line.split_whitespace();
    let ip = fields.next()?;
    let names: Vec<_> = fields.collect();
    (!names.is_empty()).then_some((ip, names))
}

fn line(ip: &str, names: &[&str]) -> String {
    format!("{ip}\t{}\n", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::HOST_ADDRESS;
    use super::*;

    const BASE: &str = "# a comment\n127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback # another\n127.0.1.1\n";

    fn own() -> Option<IpAddr> {
        "192.0.2.2".parse().ok()
    }

    #[test]
    fn the_container_and_the_host_are_added_to_the_base() {
        let hosts = Hosts { base: BASE, host: Some(HOST_ADDRESS), own: own(), names: &["11672abc0c73", "nn"], ..Hosts::default() };
        assert_eq!(
            hosts.text().unwrap(),
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             169.254.1.2\thost.containers.internal host.docker.internal\n192.0.2.2\t11672abc0c73 nn\n"
        );
    }

    #[test]
    fn additions_come_first_and_names_are_not_repeated() {
        let add = ["a:1.2.3.4".to_owned(), "b;nn:host-gateway".to_owned(), "six:fd00::1".to_owned()];
        let hosts = Hosts { add: &add, host: Some(HOST_ADDRESS), own: own(), names: &["hh", "nn"], ..Hosts::default() };
        assert_eq!(
            hosts.text().unwrap(),
            "1.2.3.4\ta\n169.254.1.2\tb nn\nfd00::1\tsix\n127.0.0.1\tlocalhost\n::1\tlocalhost\n\
             169.254.1.2\thost.containers.internal host.docker.internal\n192.0.2.2\thh\n"
        );
    }

    #[test]
    fn bad_additions_are_refused_in_podmans_words() {
        let cases = [
            ("a", "bad format for add-host: \"a\""),
            (":1.2.3.4", "bad format for add-host: \":1.2.3.4\""),
            ("a:", "invalid IP address in add-host: \"\""),
            ("a:zz", "invalid IP address in add-host: \"zz\""),
        ];
        for (text, message) in cases {
            assert_eq!(parse_addition(text).unwrap_err().to_string(), message);
        }
        let add = ["a:host-gateway".to_owned()];
        assert!(Hosts { add: &add, ..Hosts::default() }.text().is_err());
    }
}
