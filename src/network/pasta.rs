//! pasta(1), called as podman calls it.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::{DNS_FORWARD, Error, HOST_ADDRESS, Plan, PortMapping};

const MAP_GUEST: &str = "--map-guest-addr";
const DNS: &str = "--dns-forward";

/// pasta's command line, and what it makes of the addresses in the namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub arguments: Vec<String>,
    /// Where name servers answer.
    pub dns: Vec<IpAddr>,
    /// Where the host is.
    pub host: Vec<IpAddr>,
}

/// Options of the user and of containers.conf come first; what they leave open gets podman's defaults. pasta's standard
/// input is to be the network namespace, with `netns` a link to it, and its output the user namespace; `map_guest` says that this pasta
/// knows the option.
pub(super) fn command(plan: &Plan, netns: &str, pid_file: &str, map_guest: bool) -> Result<Command, Error> {
    let mut arguments = vec!["--config-net".to_owned()];
    arguments.extend(plan.settings.pasta_options.iter().chain(&plan.options).cloned());
    // Not an option of pasta's own: it undoes our `--no-map-gw`.
    let all = arguments.len();
    arguments.retain(|option| option != "--map-gw");
    let map_gateway = arguments.len() < all;
    let given = |names: &[&str]| arguments.iter().any(|option| names.contains(&option.split('=').next().unwrap_or(option)));
    let forwards = [["-t", "--tcp-ports"], ["-u", "--udp-ports"], ["-T", "--tcp-ns"], ["-U", "--udp-ns"]];
    let mut none: Vec<&str> = forwards.iter().filter(|names| !given(&names[..])).map(|names| names[0]).collect();
    let loud = given(&["-d", "--debug", "--trace"]);
    let mut dns = values(&arguments, DNS);
    let mut host = values(&arguments, MAP_GUEST);
    for mapping in &plan.ports {
        let option = match mapping.protocol.as_str() {
            "tcp" => "-t",
            "udp" => "-u",
            other => return Err(Error::Protocol(other.into())),
        };
        none.retain(|name| *name != option);
        arguments.extend([option.into(), specification(mapping)]);
    }
    let mut add = |options: &[&str]| arguments.extend(options.iter().map(|option| (*option).to_owned()));
    if dns.is_empty() {
        dns.push(DNS_FORWARD);
        add(&[DNS, &DNS_FORWARD.to_string()]);
    }
    none.into_iter().for_each(|option| add(&[option, "none"]));
    if !map_gateway {
        add(&["--no-map-gw"]);
    }
    if !loud {
        add(&["--quiet"]);
    }
    if host.is_empty() && map_guest {
        host.push(HOST_ADDRESS);
        add(&[MAP_GUEST, &HOST_ADDRESS.to_string()]);
    }
    add(&["--pid", pid_file, "--userns", "/proc/self/fd/1", "--netns", netns]);
    Ok(Command { arguments, dns, host })
}

/// The addresses given to an option that takes one, as `OPTION ADDRESS` or `OPTION=ADDRESS`.
fn values(arguments: &[String], option: &str) -> Vec<IpAddr> {
    let separate = arguments.windows(2).filter(|pair| pair[0] == option).map(|pair| pair[1].as_str());
    let joined = arguments.iter().filter_map(|argument| argument.strip_prefix(option)?.strip_prefix('='));
    separate.chain(joined).filter_map(|value| value.parse().ok()).collect()
}

/// `ADDRESS/FIRST-LAST:FIRST-LAST` of `-t` and `-u`.
fn specification(mapping: &PortMapping) -> String {
    let address = if mapping.host_ip.is_empty() { String::new() } else { format!("{}/", mapping.host_ip) };
    let last = |first: u16| first.saturating_add(mapping.range.max(1) - 1);
    let (host, container) = (mapping.host_port, mapping.container_port);
    format!("{address}{host}-{}:{container}-{}", last(host), last(container))
}

/// Makes the path under which pasta is told the network namespace: a link, in a directory of ours, to its standard input. pasta watches that
/// directory, costs nothing meanwhile, and ends once the link is removed, be it by a later command that finds the monitor killed. Nothing
/// else is in that directory: an older pasta looks at the first of several removals only. With
/// a path in /proc, it would look every second, and an older one would outlive the namespace.
pub(super) fn link_namespace(directory: &Path) -> Result<PathBuf, Error> {
    let own = directory.join("network");
    match fs::create_dir(&own) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Error::io("create", &own)(error)),
        _ => {}
    }
    let link = own.join("netns");
    match fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("remove", &link)(error)),
        _ => symlink("/proc/self/fd/0", &link).map_err(Error::io("create", &link))?,
    }
    Ok(link)
}

/// Whether the message says that this pasta, of before August 2024, cannot map an address to the host.
pub(super) fn lacks_map_guest(message: &str) -> bool {
    message.contains("unrecognized option") && message.contains(MAP_GUEST)
}

/// Whether the message says that the host has no default route, which pasta takes its addresses from.
pub(super) fn found_no_route(message: &str) -> bool {
    message.contains("routable interface") || message.contains("external interface")
}

/// What is remembered of a pasta that lacks the option: a call that fails would cost all the time that was won by starting it early.
pub(super) struct Memory {
    file: PathBuf,
}

impl Memory {
    pub fn new(cache: &Path) -> Self {
        Self { file: cache.join("pasta-without-map-guest-addr") }
    }

    pub fn says_map_guest(&self, program: &Path) -> bool {
        match fs::read_to_string(&self.file) {
            Ok(known) => identity(program).is_none_or(|identity| identity != known),
            Err(_) => true,
        }
    }

    /// A cache that cannot be written costs time only.
    pub fn note(&self, program: &Path) {
        if let (Some(identity), Some(directory)) = (identity(program), self.file.parent()) {
            let _ = fs::create_dir_all(directory).and_then(|()| fs::write(&self.file, identity));
        }
    }
}

fn identity(program: &Path) -> Option<String> {
    let metadata = program.metadata().ok()?;
    Some(format!("{} {} {} {}", program.display(), metadata.ino(), metadata.size(), metadata.mtime()))
}

#[cfg(test)]
mod tests {
    use super::super::port::published;
    use super::super::{Backend, Settings};
    use super::*;

    fn arguments(plan: &Plan, map_guest: bool) -> String {
        command(plan, "N", "P", map_guest).unwrap().arguments.join(" ")
    }

    #[test]
    fn the_defaults_are_podmans() {
        let plan = Plan { backend: Backend::Pasta, ..Plan::default() };
        let expected = "--config-net --dns-forward 169.254.1.1 -t none -u none -T none -U none --no-map-gw --quiet \
                        --map-guest-addr 169.254.1.2 --pid P --userns /proc/self/fd/1 --netns N";
        assert_eq!(arguments(&plan, true), expected);
        let command = command(&plan, "N", "P", false).unwrap();
        assert!(!command.arguments.contains(&MAP_GUEST.to_owned()) && command.host.is_empty());
        assert_eq!(command.dns, [DNS_FORWARD]);
    }

    #[test]
    fn options_of_the_user_take_the_place_of_ours() {
        let options = ["--map-gw", "-T", "5432", "--dns-forward", "10.0.0.1", "--map-guest-addr=10.0.0.2", "-u=53", "--debug"];
        let plan = Plan {
            options: options.map(Into::into).to_vec(),
            settings: Settings { pasta_options: vec!["--ipv4-only".into()], ..Settings::default() },
            ..Plan::default()
        };
        let command = command(&plan, "N", "P", true).unwrap();
        let expected = "--config-net --ipv4-only -T 5432 --dns-forward 10.0.0.1 --map-guest-addr=10.0.0.2 -u=53 --debug \
                        -t none -U none --pid P --userns /proc/self/fd/1 --netns N";
        assert_eq!(command.arguments.join(" "), expected);
        assert_eq!(command.dns, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(command.host, ["10.0.0.2".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn published_ports_become_forwards() {
        let ports = ["8000-8002:80-82", "127.0.0.1:8053:53/udp", "[::1]:8443:443"].map(|text| published(text).unwrap()).to_vec();
        let text = arguments(&Plan { ports, ..Plan::default() }, true);
        assert!(text.contains("-t 8000-8002:80-82 -u 127.0.0.1/8053-8053:53-53 -t ::1/8443-8443:443-443 --dns-forward"), "{text}");
        assert!(!text.contains("-t none") && !text.contains("-u none") && text.contains("-T none -U none"), "{text}");
        let plan = Plan { ports: vec![published("1:1/sctp").unwrap()], ..Plan::default() };
        assert_eq!(command(&plan, "N", "P", true).unwrap_err().to_string(), "can't forward protocol: sctp");
    }

    #[test]
    fn an_old_pasta_is_remembered_until_it_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("pasta");
        fs::write(&program, "old").unwrap();
        let memory = Memory::new(&directory.path().join("cache"));
        assert!(memory.says_map_guest(&program));
        memory.note(&program);
        assert!(!memory.says_map_guest(&program));
        fs::write(&program, "newer").unwrap();
        assert!(memory.says_map_guest(&program));
        assert!(lacks_map_guest("pasta: unrecognized option '--map-guest-addr'\nUsage"));
    }
}
