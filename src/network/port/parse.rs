//! `-p [[IP:][HOST_PORT]:]PORT[/PROTOCOL]` and `--expose PORT[/PROTOCOL]`, with podman's messages.

use std::net::IpAddr;

use super::{Exposed, PortMapping};
use crate::network::Error;
use crate::network::error::invalid;

/// The mapping that one value of `-p` asks for; a host port that is left open is 0.
pub fn published(text: &str) -> Result<PortMapping, Error> {
    let (ports, protocol) = split_protocol(text)?;
    let (ip, ports) = match ports.strip_prefix('[') {
        Some(rest) => match rest.split_once("]:") {
            Some((ip, ports)) => (Some(ip), ports),
            None => return bad_format(),
        },
        None => (None, ports),
    };
    let parts: Vec<&str> = ports.split(':').collect();
    let (ip, host, container) = match (ip.as_ref(), parts.as_slice()) {
        (None, [container]) => (None, None, *container),
        (None, [host, container]) => (None, Some(*host), *container),
        (None, [ip, host, container]) | (Some(ip), [host, container]) => (Some(*ip), Some(*host), *container),
        (Some(ip), [container]) => (Some(*ip), None, *container),
        _ => return bad_format(),
    };
    let host_ip = match ip {
        None => String::new(),
        Some(ip) => match ip.parse::<IpAddr>() {
            Ok(ip) => ip.to_string(),
            Err(_) if ip.is_empty() => return invalid("must provide a non-empty container host IP to publish".into()),
            Err(_) => return invalid(format!("cannot parse {ip:?} as an IP address")),
        },
    };
    if container.is_empty() {
        return invalid("must provide a non-empty container port to publish".into());
    }
    let (container_port, range) = port_range(container).map_err(|error| in_context("container", error))?;
    let (host_port, host_range) = match host {
        None | Some("") => (0, range),
        Some(host) => port_range(host).map_err(|error| in_context("host", error))?,
    };
    if host_range != range {
        return invalid(format!("host and container port ranges have different lengths: {host_range} vs {range}"));
    }
    Ok(PortMapping { host_ip, host_port, container_port, range, protocol })
}

fn bad_format<T>() -> Result<T, Error> {
    invalid("invalid port format - format is [[hostIP:]hostPort:]containerPort".into())
}

fn in_context(side: &str, error: Error) -> Error {
    Error::Invalid(format!("parsing {side} port: {error}"))
}

fn split_protocol(text: &str) -> Result<(&str, String), Error> {
    let mut parts = text.split('/');
    let ports = parts.next().unwrap_or_default();
    let protocol = match (parts.next(), parts.next()) {
        (None, _) => "tcp".into(),
        (Some(""), None) => return invalid("must provide a non-empty protocol to publish".into()),
        (Some(protocol), None) => protocol.to_lowercase(),
        (Some(_), Some(_)) => return invalid("invalid port format - protocol can only be specified once".into()),
    };
    check_protocol(&protocol)?;
    Ok((ports, protocol))
}

fn check_protocol(protocol: &str) -> Result<(), Error> {
    match protocol {
        "tcp" | "udp" | "sctp" => Ok(()),
        _ => invalid(format!("unrecognized protocol {protocol:?} in port mapping")),
    }
}

/// `PORT` or `FIRST-LAST` as the first port and their number.
fn port_range(text: &str) -> Result<(u16, u16), Error> {
    let mut parts = text.split('-');
    let (first, last) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return invalid("invalid port format - port ranges are formatted as startPort-stopPort".into());
    }
    if first.is_empty() {
        return invalid("must provide starting number for port range".into());
    }
    let start = port(first)?;
    match last {
        None => Ok((start, 1)),
        Some("") => invalid("must provide ending number for port range".into()),
        Some(last) => match port(last)? {
            end if end > start => Ok((start, end - start + 1)),
            end => invalid(format!("the end port of a range must be higher than the start port - {end} is not higher than {start}")),
        },
    }
}

fn port(text: &str) -> Result<u16, Error> {
    match text.parse::<i64>() {
        Ok(number) => match u16::try_from(number) {
            Ok(port) if port > 0 => Ok(port),
            _ => invalid(format!("port numbers must be between 1 and 65535 (inclusive), got {number}")),
        },
        Err(_) => invalid(format!("invalid port number: strconv.Atoi: parsing {text:?}: invalid syntax")),
    }
}

/// The ports that one value of `--expose`, or of an image's ExposedPorts, names.
pub fn exposed(text: &str) -> Result<Vec<Exposed>, Error> {
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let bad_number = |part: &str| {
        Error::Invalid(format!("invalid range format for --expose: {range}: strconv.ParseUint: parsing {part:?}: invalid syntax"))
    };
    let (first, last) = match range.split('-').collect::<Vec<_>>()[..] {
        [port] => (port, port),
        [first, last] => (first, last),
        _ => return invalid("invalid port format - port ranges are formatted as startPort-stopPort".into()),
    };
    let number = |part: &str| part.parse::<u32>().map_err(|_| bad_number(part));
    let (start, end) = (number(first)?, number(last)?);
    for number in [start, end] {
        if !(1..=65535).contains(&number) {
            return invalid(format!("port numbers must be between 1 and 65535 (inclusive), got {number}"));
        }
    }
    if end < start {
        return invalid(format!("invalid range format for --expose: {range}: Invalid range specified for the Port: {range}"));
    }
    let protocol = protocol.to_lowercase();
    check_protocol(&protocol).map_err(|error| Error::Invalid(format!("validating protocols for exposed port {start}: {error}")))?;
    Ok((start..=end).map(|port| Exposed { port: port as u16, protocol: protocol.clone() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(host_ip: &str, host_port: u16, container_port: u16, range: u16, protocol: &str) -> PortMapping {
        PortMapping { host_ip: host_ip.into(), host_port, container_port, range, protocol: protocol.into() }
    }

    #[test]
    fn published_ports_are_read_in_every_form() {
        let cases = [
            ("80", mapping("", 0, 80, 1, "tcp")),
            (":80", mapping("", 0, 80, 1, "tcp")),
            ("8080:80", mapping("", 8080, 80, 1, "tcp")),
            ("8080:80/udp", mapping("", 8080, 80, 1, "udp")),
            ("8080:80/TCP", mapping("", 8080, 80, 1, "tcp")),
            ("8080:80/sctp", mapping("", 8080, 80, 1, "sctp")),
            ("127.0.0.1:8080:80", mapping("127.0.0.1", 8080, 80, 1, "tcp")),
            ("127.0.0.1::80", mapping("127.0.0.1", 0, 80, 1, "tcp")),
            ("[::1]:8080:80", mapping("::1", 8080, 80, 1, "tcp")),
            ("[::1]::80", mapping("::1", 0, 80, 1, "tcp")),
            ("8000-8002:80-82", mapping("", 8000, 80, 3, "tcp")),
            ("80-82", mapping("", 0, 80, 3, "tcp")),
            ("1-65535:1-65535", mapping("", 1, 1, 65535, "tcp")),
        ];
        for (text, expected) in cases {
            assert_eq!(published(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn bad_mappings_are_refused_in_podmans_words() {
        let cases = [
            ("99999:80", "parsing host port: port numbers must be between 1 and 65535 (inclusive), got 99999"),
            ("a:80", "parsing host port: invalid port number: strconv.Atoi: parsing \"a\": invalid syntax"),
            ("127.0.0.1:80", "parsing host port: invalid port number: strconv.Atoi: parsing \"127.0.0.1\": invalid syntax"),
            ("80:70000", "parsing container port: port numbers must be between 1 and 65535 (inclusive), got 70000"),
            ("8080:0", "parsing container port: port numbers must be between 1 and 65535 (inclusive), got 0"),
            ("1-3:5-9", "host and container port ranges have different lengths: 3 vs 5"),
            ("8000-8010:80", "host and container port ranges have different lengths: 11 vs 1"),
            ("80/foo", "unrecognized protocol \"foo\" in port mapping"),
            ("80/", "must provide a non-empty protocol to publish"),
            ("80/tcp/udp", "invalid port format - protocol can only be specified once"),
            ("1.2.3:80:80", "cannot parse \"1.2.3\" as an IP address"),
            ("localhost:80:80", "cannot parse \"localhost\" as an IP address"),
            ("8080:80:90:100", "invalid port format - format is [[hostIP:]hostPort:]containerPort"),
            ("[::1:80:80", "invalid port format - format is [[hostIP:]hostPort:]containerPort"),
            ("8080:", "must provide a non-empty container port to publish"),
            ("18-:80", "parsing host port: must provide ending number for port range"),
            ("9-5:9-5", "parsing container port: the end port of a range must be higher than the start port - 5 is not higher than 9"),
        ];
        for (text, message) in cases {
            assert_eq!(published(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn exposed_ports_may_be_ranges() {
        let expose = |port, protocol: &str| Exposed { port, protocol: protocol.into() };
        assert_eq!(exposed("80").unwrap(), [expose(80, "tcp")]);
        assert_eq!(exposed("80-81/UDP").unwrap(), [expose(80, "udp"), expose(81, "udp")]);
        let cases = [
            ("foo", "invalid range format for --expose: foo: strconv.ParseUint: parsing \"foo\": invalid syntax"),
            ("80/foo", "validating protocols for exposed port 80: unrecognized protocol \"foo\" in port mapping"),
            ("80-90-100", "invalid port format - port ranges are formatted as startPort-stopPort"),
            ("90-80", "invalid range format for --expose: 90-80: Invalid range specified for the Port: 90-80"),
            ("0", "port numbers must be between 1 and 65535 (inclusive), got 0"),
        ];
        for (text, message) in cases {
            assert_eq!(exposed(text).unwrap_err().to_string(), message, "{text}");
        }
    }
}
