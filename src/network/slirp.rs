//! slirp4netns(1): its options in podman's words, its command line, its API socket.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::error::invalid;
use super::{Backend, Error, Plan, PortMapping};

/// The API socket's name. Its directory is named by a descriptor: the whole path may be longer than a socket's address.
pub(super) const SOCKET: &str = "slirp.sock";

/// Options after `slirp4netns:`, and in `network_cmd_options`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    allow_host_loopback: bool,
    network: Ipv4Addr,
    prefix: u8,
    ipv6: bool,
    mtu: u32,
    outbound: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { allow_host_loopback: false, network: Ipv4Addr::new(10, 0, 2, 0), prefix: 24, ipv6: true, mtu: 65520, outbound: Vec::new() }
    }
}

impl Options {
    pub fn of(plan: &Plan) -> Result<Self, Error> {
        let mut options = Self::default();
        for text in plan.settings.slirp_options.iter().chain(plan.options.iter().filter(|_| plan.backend == Backend::Slirp4netns)) {
            options.apply(text)?;
        }
        Ok(options)
    }

    fn apply(&mut self, text: &str) -> Result<(), Error> {
        let Some((key, value)) = text.split_once('=') else {
            return invalid(format!("unknown option for slirp4netns: {text:?}"));
        };
        let wrong = || Error::Invalid(format!("invalid value of {key} for slirp4netns: {value:?}"));
        let boolean = || match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong()),
        };
        match key {
            "allow_host_loopback" => self.allow_host_loopback = boolean()?,
            "enable_ipv6" => self.ipv6 = boolean()?,
            "mtu" => self.mtu = value.parse().map_err(|_| wrong())?,
            "cidr" => {
                let (network, prefix) = value.split_once('/').ok_or_else(wrong)?;
                self.network = network.parse().map_err(|_| wrong())?;
                self.prefix = prefix.parse().ok().filter(|prefix| (8..=25).contains(prefix)).ok_or_else(wrong)?;
            }
            "outbound_addr" | "outbound_addr6" => {
                let option = if key == "outbound_addr" { "--outbound-addr" } else { "--outbound-addr6" };
                self.outbound.push(format!("{option}={value}"));
            }
            // Ports are always slirp4netns's own work here.
            "port_handler" if matches!(value, "rootlesskit" | "slirp4netns") => {}
            "port_handler" => return invalid(format!("unknown port_handler for slirp4netns: {value:?}")),
            _ => return invalid(format!("unknown option for slirp4netns: {text:?}")),
        }
        Ok(())
    }

    /// The command line, without `--enable-sandbox`, which is for a caller that is root of a user namespace. For a process with these descriptors: 3 is written to when it is ready, 4 closed when it is to end, 5 is the
    /// user namespace, 6 the network namespace and 7 the directory of the API socket, which `api` asks for.
    pub fn arguments(&self, api: bool) -> Vec<String> {
        let mut arguments = vec!["--configure".to_owned(), format!("--mtu={}", self.mtu), "--enable-seccomp".into()];
        if !self.allow_host_loopback {
            arguments.push("--disable-host-loopback".into());
        }
        if self.ipv6 {
            arguments.push("--enable-ipv6".into());
        }
        if *self != Self::default() {
            arguments.push(format!("--cidr={}/{}", self.network, self.prefix));
        }
        arguments.extend(self.outbound.iter().cloned());
        arguments.extend(api.then(|| format!("--api-socket=/proc/self/fd/7/{SOCKET}")));
        arguments.extend(["--ready-fd=3", "--exit-fd=4", "--netns-type=path", "--userns-path=/proc/self/fd/5"].map(Into::into));
        arguments.extend(["/proc/self/fd/6", "tap0"].map(Into::into));
        arguments
    }

    /// The container's address.
    pub fn guest(&self) -> IpAddr {
        self.at(100)
    }

    /// Where its name server answers.
    pub fn dns(&self) -> IpAddr {
        self.at(3)
    }

    fn at(&self, offset: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(u32::from(self.network) + offset))
    }

    pub fn ipv6(&self) -> bool {
        self.ipv6
    }
}

/// Forwards the ports, one request a port: the API knows no ranges.
pub(super) fn forward(directory: BorrowedFd<'_>, options: &Options, ports: &[PortMapping]) -> Result<(), Error> {
    let socket = format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd());
    let socket = Path::new(&socket);
    for mapping in ports {
        for (host, guest) in mapping.pairs() {
            let request = request(mapping, options.guest(), host, guest)?;
            let answer = call(socket, &request).map_err(Error::io("ask slirp4netns at", socket))?;
            if let Some(message) = refusal(&answer) {
                return Err(Error::Failed {
                    backend: Backend::Slirp4netns,
                    code: 1,
                    message: format!("cannot forward port {host}/{}: {message}", mapping.protocol),
                });
            }
        }
    }
    Ok(())
}

fn request(mapping: &PortMapping, guest_ip: IpAddr, host: u16, guest: u16) -> Result<String, Error> {
    let protocol = match mapping.protocol.as_str() {
        protocol @ ("tcp" | "udp") => protocol,
        other => return Err(Error::Protocol(other.into())),
    };
    let host_ip = if mapping.host_ip.is_empty() { "0.0.0.0" } else { &mapping.host_ip };
    let arguments = serde_json::json!({
        "proto": protocol, "host_addr": host_ip, "host_port": host, "guest_addr": guest_ip, "guest_port": guest
    });
    Ok(serde_json::json!({"execute": "add_hostfwd", "arguments": arguments}).to_string())
}

fn call(socket: &Path, request: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The error in an answer, `{"error": {"desc": …}}`.
fn refusal(answer: &str) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_str(answer).ok()?;
    let error = answer.get("error")?;
    Some(error.get("desc").and_then(|text| text.as_str()).map_or_else(|| error.to_string(), Into::into))
}

#[cfg(test)]
mod tests {
    use super::super::port::published;
    use super::*;

    fn options(texts: &[&str]) -> Result<Options, Error> {
        let plan = Plan { backend: Backend::Slirp4netns, options: texts.iter().map(|text| (*text).into()).collect(), ..Plan::default() };
        Options::of(&plan)
    }

    #[test]
    fn the_defaults_are_podmans() {
        assert_eq!(
            options(&[]).unwrap().arguments(false).join(" "),
            "--configure --mtu=65520 --enable-seccomp --disable-host-loopback --enable-ipv6 --ready-fd=3 --exit-fd=4 \
             --netns-type=path --userns-path=/proc/self/fd/5 /proc/self/fd/6 tap0"
        );
    }

    #[test]
    fn options_change_addresses_and_access() {
        let given = ["cidr=10.9.0.0/24", "mtu=1400", "enable_ipv6=false", "allow_host_loopback=true", "port_handler=rootlesskit"];
        let options = options(&given).unwrap();
        let text = options.arguments(true).join(" ");
        assert!(
            text.contains("--mtu=1400") && text.contains("--cidr=10.9.0.0/24") && text.contains("--api-socket=/proc/self/fd/7/"),
            "{text}"
        );
        assert!(!text.contains("ipv6") && !text.contains("loopback"), "{text}");
        assert_eq!(options.guest().to_string(), "10.9.0.100");
        assert_eq!(options.dns().to_string(), "10.9.0.3");
    }

    #[test]
    fn unknown_options_are_refused_in_podmans_words() {
        assert_eq!(options(&["foo=1"]).unwrap_err().to_string(), "unknown option for slirp4netns: \"foo=1\"");
        for bad in ["mtu=x", "cidr=10.0.0.0", "cidr=10.0.0.0/31", "enable_ipv6=maybe", "port_handler=x", "foo"] {
            assert!(options(&[bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn requests_and_refusals_are_json() {
        let mapping = published("127.0.0.1:8080:80/udp").unwrap();
        let text = request(&mapping, "10.0.2.100".parse().unwrap(), 8080, 80).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["arguments"]["host_addr"], "127.0.0.1");
        assert_eq!(value["arguments"]["proto"], "udp");
        assert_eq!(refusal("{\"return\": {\"id\": 1}}"), None);
        assert_eq!(refusal("{\"error\": {\"desc\": \"bad request\"}}").as_deref(), Some("bad request"));
    }
}
