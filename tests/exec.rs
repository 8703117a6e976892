//! `exec`: processes in a running container.

mod env;

use env::{TestEnv, eventually};

/// An environment with a container `c` that runs.
fn running(flags: &str) -> TestEnv {
    let env = TestEnv::with_busybox();
    env.dulse(&format!("run -d --name c --network none {flags} busybox sleep 1000")).ok();
    env
}

#[test]
fn it_sees_what_the_container_sees() {
    let env = running("-e FROM=container -w /tmp -h named");
    let shown =
        env.dulse("exec -e OWN=1 c sh -c").arg("hostname; pwd; echo $FROM$OWN; cat /proc/1/comm; grep CapEff /proc/self/status").ok();
    assert_eq!(shown, "named\n/tmp\ncontainer1\nsleep\nCapEff:\t00000000800405fb\n");
}

#[test]
fn exit_codes_are_the_commands_own_or_podmans() {
    let env = running("");
    env.dulse("exec c sh -c").arg("exit 7").fails(7);
    env.dulse("exec c nosuchcommand").fails(127);
    env.dulse("exec c /etc").fails(126);
    env.dulse("exec nosuchcontainer true").fails(125);
    env.dulse("exec c").fails(125);
    env.dulse("stop -t 0 c").ok();
    env.dulse("exec c true").fails(255);
}

#[test]
fn user_directory_and_privileges_can_be_others() {
    let env = running("");
    assert_eq!(env.dulse("exec -u 12:34 -w /etc c sh -c").arg("id -u; id -g; pwd").ok(), "12\n34\n/etc\n");
    let privileged = env.dulse("exec --privileged c grep CapEff /proc/self/status").ok();
    assert_eq!(privileged, "CapEff:\t000001ffffffffff\n");
}

#[test]
fn input_and_output_are_passed_and_no_descriptor_leaks() {
    let env = running("");
    assert_eq!(env.dulse("exec -i c cat").stdin("through").ok(), "through");
    let run = env.dulse("exec c sh -c").arg("echo out; echo err >&2").run();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("out\n", "err\n"));
    let fds = env.dulse("exec c sh -c").arg("echo /proc/$$/fd/*").ok();
    assert!(fds.split_whitespace().count() <= 4, "{fds}");
}

#[test]
fn a_detached_session_goes_on_by_itself() {
    let env = running("");
    let id = env.dulse("exec -d c sh -c").arg("sleep 0.2; touch /done").ok();
    assert_eq!(id.trim().len(), 64);
    eventually("the session's work", || env.dulse("exec c test -e /done").run().code == 0);
}

#[test]
fn a_terminal_is_the_containers_own() {
    let env = running("");
    let mut terminal = env.dulse("exec -it c sh").pty();
    terminal.read_until("#");
    terminal.write("tty; exit 4\r");
    terminal.read_until("/dev/pts/");
    assert_eq!(terminal.wait().code, 4);
}
