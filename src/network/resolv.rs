//! The text of a container's /etc/resolv.conf, resolv.conf(5), by podman's rules.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;

use super::Error;
use super::error::invalid;

/// The resolver's configuration of the host.
pub const HOST_FILE: &str = "/etc/resolv.conf";

/// What /etc/resolv.conf is made from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resolv<'a> {
    /// Text of the host's file: [`host_text`].
    pub host: &'a str,
    /// The container has a network of its own: the host's loopback addresses do not lead to the host in it.
    pub own_network: bool,
    /// That network has IPv6.
    pub ipv6: bool,
    /// Name servers of the helper, which come before the host's ones.
    pub forwarders: &'a [IpAddr],
    /// `--dns`, `--dns-search` and `--dns-option`, or what containers.conf has for them: each replaces what would be there otherwise.
    pub servers: &'a [String],
    pub search: &'a [String],
    pub options: &'a [String],
}

impl Resolv<'_> {
    /// The file's text.
    pub fn text(&self) -> String {
        let host = Parsed::of(self.host);
        let servers: Vec<String> = if self.servers.is_empty() {
            let forwarders = self.forwarders.iter().map(ToString::to_string);
            forwarders.chain(host.servers.iter().filter(|server| self.is_reachable(server)).map(|server| (*server).to_owned())).collect()
        } else {
            self.servers.to_vec()
        };
        let or = |given: &[String], from_host: Vec<&str>| -> Vec<String> {
            if given.is_empty() { from_host.into_iter().map(Into::into).collect() } else { given.to_vec() }
        };
        let mut search = or(self.search, host.search);
        // A lone dot asks for no search at all.
        if search.iter().any(|domain| domain == ".") {
            search.clear();
        }
        let options = or(self.options, host.options);
        let mut text = String::new();
        if !search.is_empty() {
            text.push_str(&format!("search {}\n", search.join(" ")));
        }
        servers.iter().for_each(|server| text.push_str(&format!("nameserver {server}\n")));
        if !options.is_empty() {
            text.push_str(&format!("options {}\n", options.join(" ")));
        }
        text
    }

    fn is_reachable(&self, server: &str) -> bool {
        if !self.own_network {
            return true;
        }
        // A zone (fe80::1%eth0) names an interface of the host.
        match server.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => !ip.is_loopback(),
            Ok(IpAddr::V6(ip)) => self.ipv6 && !ip.is_loopback(),
            Err(_) => false,
        }
    }
}

/// Checks the values of `--dns`.
pub fn check_servers(servers: &[String]) -> Result<(), Error> {
    for server in servers {
        if server == "none" {
            if servers.len() > 1 {
                return invalid("none is not allowed to be specified with other DNS ip addresses".into());
            }
        } else if server.parse::<IpAddr>().is_err() {
            return invalid(format!("{server} is not an ip address"));
        }
    }
    Ok(())
}

/// The host's file. For a container with a network of its own and a host whose only name server is a stub on loopback, the file in which
/// that stub (systemd-resolved, NetworkManager) keeps the real servers.
pub fn host_text(own_network: bool) -> Result<String, Error> {
    let text = read(HOST_FILE)?;
    if !own_network {
        return Ok(text);
    }
    let real = match Parsed::of(&text).servers.as_slice() {
        ["127.0.0.53"] => read("/run/systemd/resolve/resolv.conf")?,
        ["127.0.0.1"] => read("/run/NetworkManager/no-stub-resolv.conf")?,
        _ => String::new(),
    };
    Ok(if real.is_empty() { text } else { real })
}

/// A missing file is an empty one.
fn read(path: &str) -> Result<String, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

#[derive(Default)]
struct Parsed<'a> {
    servers: Vec<&'a str>,
    search: Vec<&'a str>,
    options: Vec<&'a str>,
}

impl<'a> Parsed<'a> {
    /// Of several `search` or `options` lines the last one counts.
    fn of(text: &'a str) -> Self {
        let mut parsed = Self::default();
        for line in text.lines() {
            let mut fields = line.split(['#', ';']).next().unwrap_or_default().split_whitespace();
            match fields.next() {
                Some("nameserver") => parsed.servers.extend(fields.next()),
                Some("search") => parsed.search = fields.collect(),
                Some("options") => parsed.options = fields.collect(),
                _ => {}
            }
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::super::DNS_FORWARD;
    use super::*;

    const HOST: &str = "# from DHCP\nsearch old.example\nsearch example.org lan\nnameserver 10.255.255.53\nnameserver 127.0.0.53\n\
                        nameserver fe80::1%eth0\nnameserver fd00::53\noptions edns0 trust-ad\n";

    #[test]
    fn the_forwarder_comes_before_the_hosts_reachable_servers() {
        let resolv = Resolv { host: HOST, own_network: true, forwarders: &[DNS_FORWARD], ..Resolv::default() };
        let expected = "search example.org lan\nnameserver 169.254.1.1\nnameserver 10.255.255.53\noptions edns0 trust-ad\n";
        assert_eq!(resolv.text(), expected);
        let with_ipv6 = Resolv { ipv6: true, ..resolv }.text();
        assert!(with_ipv6.contains("nameserver fd00::53\n") && !with_ipv6.contains("fe80"), "{with_ipv6}");
    }

    #[test]
    fn the_hosts_network_keeps_the_hosts_servers() {
        let text = Resolv { host: HOST, ..Resolv::default() }.text();
        assert!(text.contains("nameserver 127.0.0.53\nnameserver fe80::1%eth0\n"), "{text}");
    }

    #[test]
    fn options_of_the_user_replace_the_hosts() {
        let one = |text: &str| vec![text.to_owned()];
        let resolv = Resolv {
            host: HOST,
            own_network: true,
            ipv6: true,
            forwarders: &[DNS_FORWARD],
            servers: &one("1.1.1.1"),
            search: &one("x.y"),
            options: &one("ndots:2"),
        };
        assert_eq!(resolv.text(), "search x.y\nnameserver 1.1.1.1\noptions ndots:2\n");
        assert_eq!(Resolv { search: &one("."), options: &[], ..resolv }.text(), "nameserver 1.1.1.1\noptions edns0 trust-ad\n");
    }

    #[test]
    fn servers_must_be_addresses_or_none_alone() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        check_servers(&list(&["none"])).unwrap();
        check_servers(&list(&["1.1.1.1", "fd00::1"])).unwrap();
        assert_eq!(check_servers(&list(&["foo"])).unwrap_err().to_string(), "foo is not an ip address");
        assert_eq!(
            check_servers(&list(&["none", "1.1.1.1"])).unwrap_err().to_string(),
            "none is not allowed to be specified with other DNS ip addresses"
        );
    }
}
