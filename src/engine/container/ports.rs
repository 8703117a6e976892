//! Published ports as `ps` and `port` show them.

use crate::storage::PortMapping;

/// Ranges taken apart, ordered by protocol and port of the container.
pub fn single_ports(mappings: &[PortMapping]) -> Vec<PortMapping> {
    let mut single: Vec<PortMapping> = mappings
        .iter()
        .flat_map(|mapping| {
            (0..mapping.range.max(1)).map(|offset| PortMapping {
                host_port: mapping.host_port.saturating_add(offset),
                container_port: mapping.container_port.saturating_add(offset),
                range: 1,
                ..mapping.clone()
            })
        })
        .collect();
    single.sort_by(|one, other| {
        (&one.protocol, one.container_port, one.host_port).cmp(&(&other.protocol, other.container_port, other.host_port))
    });
    single
}

/// `0.0.0.0:8090-8092->90-92/tcp, 0.0.0.0:8082->81/udp, 77/tcp`: neighbouring ports in one, exposed ports that are not published last.
pub fn describe(mappings: &[PortMapping], exposed: &[String]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut groups: Vec<PortMapping> = Vec::new();
    for next in single_ports(mappings) {
        match groups.last_mut() {
            Some(last)
                if last.protocol == next.protocol
                    && last.host_ip == next.host_ip
                    && last.container_port.checked_add(last.range) == Some(next.container_port)
                    && last.host_port.checked_add(last.range) == Some(next.host_port) =>
            {
                last.range += 1;
            }
            _ => groups.push(next),
        }
    }
    let span =
        |first: u16, range: u16| if range > 1 { format!("{first}-{}", u32::from(first) + u32::from(range) - 1) } else { first.to_string() };
    for group in &groups {
        let ip = if group.host_ip.is_empty() { "0.0.0.0" } else { &group.host_ip };
        let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        let (host, container) = (span(group.host_port, group.range), span(group.container_port, group.range));
        parts.push(format!("{ip}:{host}->{container}/{}", group.protocol));
    }
    let published = |port: u16, protocol: &str| {
        single_ports(mappings).iter().any(|mapping| mapping.container_port == port && mapping.protocol == protocol)
    };
    let mut runs: Vec<(u16, u16, String)> = Vec::new();
    for (port, protocol) in exposed_ports(exposed) {
        if published(port, &protocol) {
            continue;
        }
        match runs.last_mut() {
            Some((first, range, last)) if *last == protocol && first.checked_add(*range) == Some(port) => *range += 1,
            _ => runs.push((port, 1, protocol)),
        }
    }
    parts.extend(runs.into_iter().map(|(first, range, protocol)| format!("{}/{protocol}", span(first, range))));
    parts.join(", ")
}

/// Ports of `EXPOSE` and `--expose`: `80`, `80/udp`, `7000-7003/tcp`; ordered, each once.
pub fn exposed_ports(exposed: &[String]) -> Vec<(u16, String)> {
    let mut ports: Vec<(u16, String)> = exposed
        .iter()
        .flat_map(|text| {
            let (span, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let (first, last) = span.split_once('-').unwrap_or((span, span));
            let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
            bounds.into_iter().flat_map(|(first, last)| first..=last).map(|port| (port, protocol.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    ports.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
    ports.dedup();
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(host_ip: &str, host_port: u16, container_port: u16, range: u16, protocol: &str) -> PortMapping {
        PortMapping { host_ip: host_ip.into(), host_port, container_port, range, protocol: protocol.into() }
    }

    #[test]
    fn ports_are_described_as_podman_does() {
        let ports = [mapping("127.0.0.1", 8081, 80, 1, "tcp"), mapping("", 8082, 81, 1, "udp"), mapping("", 8090, 90, 3, "tcp")];
        assert_eq!(describe(&ports, &[]), "127.0.0.1:8081->80/tcp, 0.0.0.0:8090-8092->90-92/tcp, 0.0.0.0:8082->81/udp");
        let exposed = ["80/tcp".to_owned(), "7000-7003".to_owned()];
        assert_eq!(describe(&[mapping("", 9999, 99, 1, "udp")], &exposed), "0.0.0.0:9999->99/udp, 80/tcp, 7000-7003/tcp");
        assert_eq!(describe(&[mapping("::1", 1, 80, 1, "tcp")], &exposed[..1]), "[::1]:1->80/tcp");
    }
}
