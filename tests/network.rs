//! The network of containers, with the real pasta and slirp4netns of this machine.

mod env;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use env::{TestEnv, eventually, host};

/// A root file system with busybox, which needs no image.
fn rootfs(env: &TestEnv) -> String {
    let path = env.work().join("rootfs");
    if !path.exists() {
        fs::create_dir(&path).unwrap();
        let tar = env.file("rootfs.tar", env::images::busybox_layer().tar());
        env.program("tar").arg("-xf").arg(tar).arg("--no-same-owner").arg("-C").arg(&path).ok();
    }
    path.to_str().unwrap().to_owned()
}

/// `dulse run --rm OPTIONS --rootfs … sh -c SCRIPT`.
fn run<'env>(env: &'env TestEnv, options: &str, script: &str) -> env::Invocation<'env> {
    env.dulse(&format!("run --rm {options} --rootfs")).arg(rootfs(env)).args(["sh", "-c", script])
}

/// A port of the host that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Answers one connection with `hello` and gives the port.
fn serve_once() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        if let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"hello\n");
        }
    });
    port
}

/// What the server at this port of the host sends; it may need a moment to listen.
fn fetch(port: u16) -> String {
    let text = std::cell::RefCell::new(String::new());
    eventually("an answer", || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let came = !answer.is_empty();
        text.replace(answer);
        came
    });
    text.into_inner()
}

/// Processes that were told a path of this test on their command line.
fn helpers(env: &TestEnv) -> Vec<String> {
    let root = env.root().to_str().unwrap().to_owned();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
    let lines = processes.filter_map(|path| fs::read(path).ok()).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    lines.filter(|line| line.contains(&root) && (line.contains("pasta") || line.contains("slirp4netns"))).collect()
}

/// Whether this machine's pasta maps an address to the host (August 2024 and newer).
fn maps_the_host() -> bool {
    let Some(pasta) = host::need("pasta") else { return false };
    let known = fs::read(pasta).unwrap().windows(14).any(|bytes| bytes == b"map-guest-addr");
    if !known {
        env::skipped("this machine's pasta is older than August 2024");
    }
    known
}

#[test]
fn the_default_network_has_an_address_and_the_forwarder() {
    let env = TestEnv::new();
    let text = run(&env, "--name c", "ip -4 addr show; cat /etc/hosts /etc/resolv.conf").ok();
    let own = text.lines().rev().find(|line| line.ends_with(" c")).unwrap_or_default();
    let address = own.split('\t').next().unwrap();
    assert!(!address.is_empty() && text.contains(&format!("inet {address}/")), "{text}");
    assert!(text.contains("nameserver 169.254.1.1"), "{text}");
}

#[test]
fn the_host_is_reached_where_pasta_can_map_it() {
    if !maps_the_host() {
        return;
    }
    let env = TestEnv::new();
    let port = serve_once();
    assert_eq!(run(&env, "", &format!("nc host.containers.internal {port} </dev/null")).ok(), "hello\n");
}

#[test]
fn options_of_pasta_are_passed_on() {
    let env = TestEnv::new();
    let port = serve_once();
    assert_eq!(run(&env, &format!("--network pasta:-T,{port}"), &format!("nc 127.0.0.1 {port} </dev/null")).ok(), "hello\n");
    let failed = run(&env, "--network pasta:--no-such-option", "true").fails(126);
    assert!(failed.stderr.contains("pasta failed with exit code 1:\n"), "{failed}");
    assert!(failed.stderr.contains("unrecognized option '--no-such-option'") && !failed.stderr.contains("Usage"), "{failed}");
}

/// Tells each TCP client its address, and sends each datagram back.
const SERVER: &str = r#"
use IO::Socket::INET;
if (!fork) {
    my $socket = IO::Socket::INET->new(LocalPort => 53, Proto => "udp") or die;
    while (my $from = recv($socket, my $text, 100, 0)) { syswrite STDOUT, "got $text\n"; send($socket, $text, 0, $from) }
}
my $listener = IO::Socket::INET->new(LocalPort => 80, Listen => 5, ReuseAddr => 1) or die;
while (my $client = $listener->accept) { print $client $client->peerhost . "\n"; close $client }
"#;

#[test]
fn published_ports_lead_into_the_container() {
    let env = TestEnv::new();
    let (tcp, udp) = (free_port(), free_port());
    let publish = format!("-p 127.0.0.1:{tcp}:80 -p 127.0.0.1:{udp}:53/udp");
    // The host's own userland: every Debian and Ubuntu has perl, and busybox has no server for datagrams.
    env.dulse(&format!("run -d --name c {publish} --rootfs /:O perl -e")).arg(SERVER).ok();
    assert_eq!(fetch(tcp), "127.0.0.1\n", "the client's own address is seen inside");
    assert_eq!(env.dulse("port c 80").ok(), format!("127.0.0.1:{tcp}\n"));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    // A pasta as old as Debian 12's takes datagrams in but loses the answers.
    let answers = maps_the_host();
    eventually("the datagram", || {
        let mut answer = [0; 16];
        let _ = socket.send_to(b"datagram", ("127.0.0.1", udp));
        let answered = socket.recv(&mut answer).is_ok_and(|length| &answer[..length] == b"datagram");
        answered || !answers && env.dulse("logs c").ok().contains("got datagram")
    });
    let taken = run(&env, &format!("-p 127.0.0.1:{tcp}:80"), "true").fails(126);
    assert!(taken.stderr.contains(&format!("listen tcp 127.0.0.1:{tcp}: bind: address already in use")), "{taken}");
    env.dulse("rm -f -t 0 c").ok();
    eventually("the end of the helper", || helpers(&env).is_empty());
    eventually("the port to be free", || TcpListener::bind(("127.0.0.1", tcp)).is_ok());
}

#[test]
fn open_host_ports_are_chosen() {
    let env = TestEnv::new();
    env.dulse("run -d --name c -p 127.0.0.1::80 -P --expose 90-91/udp --rootfs").arg(rootfs(&env)).args(["sleep", "1000"]).ok();
    let ports = env.dulse("port c").ok();
    let lines: Vec<_> = ports.lines().map(|line| line.split(" -> ").next().unwrap()).collect();
    assert_eq!(lines, ["80/tcp", "90/udp", "91/udp"], "{ports}");
    assert!(ports.lines().all(|line| line.rsplit(':').next().unwrap().parse::<u16>().is_ok_and(|port| port > 1023)), "{ports}");
    env.dulse("rm -f -t 0 c").ok();
}

#[test]
fn privileged_ports_name_the_sysctl() {
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if start.trim().parse::<u16>().unwrap_or(0) <= 81 {
        return env::skipped("port 81 is not privileged on this machine");
    }
    let failed = run(&TestEnv::new(), "-p 81:80", "true").fails(126);
    assert!(failed.stderr.contains("net.ipv4.ip_unprivileged_port_start"), "{failed}");
    assert!(failed.stderr.contains("Hint: sudo sysctl net.ipv4.ip_unprivileged_port_start=81"), "{failed}");
}

#[test]
fn bad_ports_and_names_are_refused() {
    let env = TestEnv::new();
    let cases = [
        ("-p 99999:80", "parsing host port: port numbers must be between 1 and 65535 (inclusive), got 99999", 125),
        ("-p 18081-18083:80-82 -p 18082:90", "conflicting port mappings for host port 18082 (protocol tcp)", 125),
        ("-p 18081:80/sctp", "can't forward protocol: sctp", 126),
        ("--dns foo", "foo is not an ip address", 125),
        ("--add-host a", "bad format for add-host: \"a\"", 125),
        ("--network none --dns 1.1.1.1", "conflicting options: dns and the network mode: none", 125),
        ("--network nope", "unable to find network with name or ID nope: network not found", 125),
    ];
    for (options, message, code) in cases {
        let failed = run(&env, options, "true").fails(code);
        assert_eq!(failed.stderr.trim_end(), format!("Error: {message}"), "{options}");
    }
}

#[test]
fn names_and_servers_of_the_user_are_in_the_files() {
    let env = TestEnv::new();
    let options = "--name n --hostname h --hosts-file none --add-host 'a;b:1.2.3.4' --dns 1.1.1.1 --dns-search x.y --dns-option ndots:2";
    let text = run(&env, options, "cat /etc/hosts; echo --; cat /etc/resolv.conf").ok();
    let (hosts, resolv) = text.split_once("--\n").unwrap();
    assert!(hosts.starts_with("1.2.3.4\ta b\n127.0.0.1\tlocalhost\n::1\tlocalhost\n"), "{text}");
    assert!(hosts.ends_with("\th n\n"), "{text}");
    assert_eq!(resolv, "search x.y\nnameserver 1.1.1.1\noptions ndots:2\n");
    assert!(!run(&env, "--no-hosts", "cat /etc/hosts").run().stdout.contains("localhost"));
}

#[test]
fn without_network_there_is_loopback_alone() {
    let env = TestEnv::new();
    let text = run(&env, "--network none --name n", "ls /sys/class/net; ip addr show lo | grep -c 'inet 127.0.0.1'; cat /etc/hosts").ok();
    assert!(text.starts_with("lo\n1\n"), "{text}");
    assert!(text.trim_end().ends_with(" n") && text.contains("\n127.0.0.1\t"), "{text}");
    assert_eq!(helpers(&env), Vec::<String>::new());
}

#[test]
fn the_hosts_network_is_the_hosts() {
    let env = TestEnv::new();
    let namespace = fs::metadata("/proc/self/ns/net").unwrap().ino();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(run(&env, "--network host", "readlink /proc/self/ns/net; hostname").ok(), format!("net:[{namespace}]\n{name}"));
}

#[test]
fn a_container_can_share_anothers_network() {
    let env = TestEnv::new();
    env.dulse("run -d --name one --add-host q:1.1.1.1 --rootfs").arg(rootfs(&env)).args(["sleep", "1000"]).ok();
    let namespace = env.dulse("exec one readlink /proc/self/ns/net").ok();
    let text = run(&env, "--network container:one --name two", "readlink /proc/self/ns/net; cat /etc/hosts").ok();
    assert!(text.starts_with(&namespace), "{text}");
    assert!(text.contains("1.1.1.1\tq\n") && text.contains(" one\n") && text.trim_end().ends_with(" two"), "{text}");
    // Joined by another namespace than the network's, with a network of its own: its helper gets there as well.
    let other = run(&env, "--pid container:one", "readlink /proc/self/ns/net; ip -4 addr | grep -c 'scope global'").ok();
    assert!(!other.starts_with(&namespace) && other.ends_with("\n1\n"), "{other}");
    env.dulse("rm -f -t 0 one").ok();
}

#[test]
fn slirp4netns_is_there_by_name_and_in_place_of_pasta() {
    if host::need("slirp4netns").is_none() {
        return;
    }
    let mut env = TestEnv::new();
    let port = free_port();
    let options = format!("--name s --network slirp4netns:cidr=10.9.0.0/24,mtu=1400 -p 127.0.0.1:{port}:80");
    let script = "while :; do { cat /etc/resolv.conf; ip -4 addr show tap0; } | nc -l -p 80; done";
    env.dulse(&format!("run -d {options} --rootfs")).arg(rootfs(&env)).args(["sh", "-c", script]).ok();
    let text = fetch(port);
    assert!(text.contains("nameserver 10.9.0.3") && text.contains("inet 10.9.0.100/24") && text.contains("mtu 1400"), "{text}");
    env.dulse("rm -f -t 0 s").ok();
    let failed = run(&env, "--network slirp4netns:foo=1", "true").fails(125);
    assert!(failed.stderr.contains("unknown option for slirp4netns: \"foo=1\""), "{failed}");
    // Without a pasta anywhere; the usual directories are looked at, too, so that this shows only on a machine whose PATH decides.
    env.configure("containers.conf", "[network]\ndefault_rootless_network_cmd = \"slirp4netns\"\n");
    env.set("SHELL", "/bin/sh");
    assert!(run(&env, "", "ip -4 addr show tap0").ok().contains("10.0.2.100"));
}

#[test]
fn ping_needs_no_capability() {
    let env = TestEnv::new();
    assert_eq!(run(&env, "", "cat /proc/sys/net/ipv4/ping_group_range").ok().split_whitespace().collect::<Vec<_>>(), ["0", "0"]);
}

#[test]
fn the_helper_outlives_no_monitor_for_long() {
    let env = TestEnv::new();
    env.dulse("run -d --name c --rootfs").arg(rootfs(&env)).args(["sleep", "1000"]).ok();
    assert_eq!(helpers(&env).len(), 1);
    let pid: i32 = env.inspect("c", ".State.ConmonPid").parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    env.dulse("rm -f -t 0 c").ok();
    eventually("the end of the helper", || helpers(&env).is_empty());
    assert!(!Path::new(&env.runtime().join("containers/c")).exists());
}
