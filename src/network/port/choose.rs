//! Which ports of the host are taken: defaults, free ports, conflicts.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use super::{Exposed, PortMapping};
use crate::network::Error;
use crate::network::error::invalid;

/// How often a run of free ports is looked for before giving up.
const ATTEMPTS: usize = 64;

/// Completes the mappings of `-p`: those without an address get `default_host_ips` (containers.conf), those without a host port get a free
/// one, with `-P` every port in `exposed` that is not published yet gets one as well, and what cannot stand together is refused.
pub fn choose(published: Vec<PortMapping>, exposed: &[Exposed], default_host_ips: &[String]) -> Result<Vec<PortMapping>, Error> {
    let mut mappings: Vec<PortMapping> = Vec::new();
    let wanted = published.into_iter().flat_map(|mapping| with_addresses(mapping, default_host_ips));
    for mapping in wanted {
        if !mappings.contains(&mapping) {
            mappings.push(mapping);
        }
    }
    for Exposed { port, protocol } in exposed {
        let is_published =
            |mapping: &PortMapping| mapping.protocol == *protocol && mapping.pairs().any(|(_, container)| container == *port);
        if !mappings.iter().any(is_published) {
            let mapping = PortMapping { container_port: *port, range: 1, protocol: protocol.clone(), ..PortMapping::default() };
            mappings.extend(with_addresses(mapping, default_host_ips));
        }
    }
    let mut taken = BTreeSet::new();
    for mapping in mappings.iter().filter(|mapping| mapping.host_port != 0) {
        take(mapping, &mut taken)?;
    }
    for mapping in mappings.iter_mut().filter(|mapping| mapping.host_port == 0) {
        mapping.host_port =
            free_port(mapping, &taken).ok_or_else(|| Error::NoFreePort(mapping.container_port, mapping.protocol.clone()))?;
        take(mapping, &mut taken)?;
    }
    // As podman lists them: by protocol, then by container port.
    mappings.sort_by(|a, b| (&a.protocol, a.container_port).cmp(&(&b.protocol, b.container_port)));
    Ok(mappings)
}

fn with_addresses(mapping: PortMapping, default_host_ips: &[String]) -> Vec<PortMapping> {
    if !mapping.host_ip.is_empty() || default_host_ips.is_empty() {
        return vec![mapping];
    }
    default_host_ips.iter().map(|ip| PortMapping { host_ip: ip.clone(), ..mapping.clone() }).collect()
}

fn take(mapping: &PortMapping, taken: &mut BTreeSet<(String, String, u16)>) -> Result<(), Error> {
    for (host, _) in mapping.pairs() {
        if !taken.insert((mapping.protocol.clone(), mapping.host_ip.clone(), host)) {
            return invalid(format!("conflicting port mappings for host port {host} (protocol {})", mapping.protocol));
        }
    }
    Ok(())
}

/// A port of the host that is free now and so are those after it, as many as the mapping needs.
fn free_port(mapping: &PortMapping, taken: &BTreeSet<(String, String, u16)>) -> Option<u16> {
    let address = address(mapping)?;
    (0..ATTEMPTS).find_map(|_| {
        let first = bind(&mapping.protocol, SocketAddr::new(address, 0)).ok()?;
        let last = first.checked_add(mapping.range.max(1) - 1)?;
        let is_free = |port: u16| {
            let is_taken = taken.iter().any(|(protocol, _, number)| *protocol == mapping.protocol && *number == port);
            !is_taken && (port == first || bind(&mapping.protocol, SocketAddr::new(address, port)).is_ok())
        };
        (first..=last).all(is_free).then_some(first)
    })
}

/// Whether the host's ports can be listened on: a plain answer before the helper is asked, which may take only half of them or none.
pub fn check(mappings: &[PortMapping]) -> Result<(), Error> {
    for mapping in mappings {
        let Some(address) = address(mapping) else {
            return invalid(format!("cannot parse {:?} as an IP address", mapping.host_ip));
        };
        for (host, _) in mapping.pairs() {
            bind(&mapping.protocol, SocketAddr::new(address, host)).map_err(|error| refused(mapping, host, &error))?;
        }
    }
    Ok(())
}

fn refused(mapping: &PortMapping, port: u16, error: &io::Error) -> Error {
    let ip = if mapping.host_ip.is_empty() { "0.0.0.0" } else { &mapping.host_ip };
    let address = if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") };
    let (reason, hint) = match error.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            let which = if mapping.protocol == "udp" { "u" } else { "t" };
            ("address already in use".to_owned(), Some(format!("ss -l{which}np 'sport = :{port}' shows what uses port {port}")))
        }
        Some(libc::EACCES) => (
            format!("permission denied: port {port} is below net.ipv4.ip_unprivileged_port_start"),
            Some(format!("sudo sysctl net.ipv4.ip_unprivileged_port_start={port}")),
        ),
        Some(libc::EADDRNOTAVAIL) => ("cannot assign requested address".to_owned(), None),
        _ => (error.to_string(), None),
    };
    Error::Listen { protocol: mapping.protocol.clone(), address, reason, hint }
}

/// The address to listen on; all of IPv6 includes IPv4.
fn address(mapping: &PortMapping) -> Option<IpAddr> {
    match mapping.host_ip.as_str() {
        "" => Some(Ipv6Addr::UNSPECIFIED.into()),
        ip => ip.parse().ok(),
    }
}

/// Listens for an instant; gives the port.
fn bind(protocol: &str, address: SocketAddr) -> io::Result<u16> {
    let bound = match protocol {
        "udp" => UdpSocket::bind(address).and_then(|socket| socket.local_addr()),
        // Port numbers of SCTP are a space of their own, and the helpers do not forward it.
        "sctp" => Ok(address),
        _ => TcpListener::bind(address).and_then(|socket| socket.local_addr()),
    };
    match bound {
        Ok(local) => Ok(local.port()),
        // A host without IPv6.
        Err(error)
            if address.ip() == Ipv6Addr::UNSPECIFIED && matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) =>
        {
            bind(protocol, SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{exposed, published};
    use super::*;

    fn chosen(texts: &[&str], expose: &[&str], ips: &[&str]) -> Result<Vec<PortMapping>, Error> {
        let mappings = texts.iter().map(|text| published(text).unwrap()).collect();
        let expose: Vec<_> = expose.iter().flat_map(|text| exposed(text).unwrap()).collect();
        choose(mappings, &expose, &ips.iter().map(|ip| (*ip).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn open_host_ports_get_free_ones() {
        let mappings = chosen(&["80-81", "83/udp"], &["84", "80"], &["127.0.0.1"]).unwrap();
        let ports: Vec<_> = mappings.iter().map(|mapping| (mapping.container_port, mapping.range)).collect();
        assert_eq!(ports, [(80, 2), (84, 1), (83, 1)]);
        assert!(mappings.iter().all(|mapping| mapping.host_port > 0 && mapping.host_ip == "127.0.0.1"));
        check(&mappings).unwrap();
    }

    #[test]
    fn conflicts_are_refused_and_repetitions_are_not() {
        assert_eq!(chosen(&["18081:80", "18081:80"], &[], &[]).unwrap().len(), 1);
        let message = chosen(&["18081-18083:80-82", "18082:90"], &[], &[]).unwrap_err().to_string();
        assert_eq!(message, "conflicting port mappings for host port 18082 (protocol tcp)");
        assert_eq!(chosen(&["18081:80", "18081:80/udp", "127.0.0.2:18081:81"], &[], &[]).unwrap().len(), 3);
    }

    #[test]
    fn a_port_in_use_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mapping = published(&format!("127.0.0.1:{port}:80")).unwrap();
        let error = check(&[mapping]).unwrap_err();
        assert_eq!(error.to_string(), format!("listen tcp 127.0.0.1:{port}: bind: address already in use"));
        assert!(error.hint().unwrap().contains("ss -ltnp"));
    }

    #[test]
    fn privileged_ports_name_the_sysctl() {
        let error = refused(&published("80:80").unwrap(), 80, &io::Error::from_raw_os_error(libc::EACCES));
        assert_eq!(
            error.to_string(),
            "listen tcp 0.0.0.0:80: bind: permission denied: port 80 is below net.ipv4.ip_unprivileged_port_start"
        );
        assert_eq!(error.hint().unwrap(), "sudo sysctl net.ipv4.ip_unprivileged_port_start=80");
    }
}
