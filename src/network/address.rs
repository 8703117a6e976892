//! Which addresses a network namespace has, out of /proc: no need to be in it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of the network namespace of process `pid` that others can reach: no loopback and no link-local IPv6.
pub fn of_process(pid: i32) -> Vec<IpAddr> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
    let mut addresses: Vec<IpAddr> = ipv4(&read("fib_trie")).into_iter().map(Into::into).collect();
    addresses.extend(ipv6(&read("if_inet6")).into_iter().map(IpAddr::from));
    addresses
}

/// An address of this host itself, the first IPv4 one rather than IPv6, other than those in `exclude`.
pub fn of_host(exclude: &[IpAddr]) -> Option<IpAddr> {
    let interfaces = nix::ifaddrs::getifaddrs().ok()?;
    let addresses: Vec<IpAddr> = interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let ipv4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
            ipv4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
        })
        .filter(|address| is_reachable(*address) && !exclude.contains(address))
        .collect();
    addresses.iter().find(|address| address.is_ipv4()).or(addresses.first()).copied()
}

fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_multicast(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_multicast() && !ip.is_unicast_link_local(),
    }
}

/// Local addresses in /proc/net/fib_trie: a leaf (`|-- ADDRESS`) that is followed by `/32 host LOCAL`.
fn ipv4(text: &str) -> Vec<Ipv4Addr> {
    let mut addresses = Vec::new();
    let mut leaf = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL" {
            addresses.extend(leaf.filter(|address| is_reachable(IpAddr::V4(*address)) && !addresses.contains(address)));
        }
    }
    addresses
}

/// Addresses in /proc/net/if_inet6.
fn ipv6(text: &str) -> Vec<Ipv6Addr> {
    let first_field = |line: &str| line.split_whitespace().next().and_then(|field| u128::from_str_radix(field, 16).ok());
    text.lines().filter_map(first_field).map(Ipv6Addr::from).filter(|address| is_reachable(IpAddr::V6(*address))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_kernels_tables() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 127.0.0.0/8 2 0 2\n\
                    \x20          |-- 127.0.0.1\n              /32 host LOCAL\n        |-- 192.0.2.2\n           /32 host LOCAL\n\
                    \x20       |-- 192.0.2.255\n           /32 link BROADCAST\nLocal:\n        |-- 192.0.2.2\n           /32 host LOCAL\n";
        assert_eq!(ipv4(trie), [Ipv4Addr::new(192, 0, 2, 2)]);
        let table = "00000000000000000000000000000001 01 80 10 80       lo\nfd000000000000000000000000000002 02 40 00 82     eth0\n\
                     fe800000000000007c26b2fffe17f0cf 02 40 20 c0     eth0\n";
        assert_eq!(ipv6(table), ["fd00::2".parse::<Ipv6Addr>().unwrap()]);
    }

    #[test]
    fn this_process_has_no_loopback_among_its_addresses() {
        assert!(of_process(std::process::id() as i32).iter().all(|address| is_reachable(*address)));
        assert!(of_host(&[]).is_none_or(is_reachable));
    }
}
