//! What a container's monitor does for its users: terminals, attach, logs, and their lives independent of each other.

mod env;

use std::time::{Duration, Instant};

use env::{TestEnv, eventually};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const RUN: &str = "run --network none busybox sh -c";

/// Starts `script` detached under the name `c`.
fn start(env: &TestEnv, flags: &str, script: &str) {
    env.dulse(&format!("run -d --name c --network none {flags} busybox sh -c")).arg(script).ok();
}

fn pid(env: &TestEnv, field: &str) -> Pid {
    Pid::from_raw(env.inspect("c", field).parse().unwrap())
}

#[test]
fn a_terminal_has_the_users_size_and_the_containers_name() {
    let env = TestEnv::with_busybox();
    let mut terminal = env.dulse("run --rm -it --network none busybox sh").pty();
    terminal.read_until("#");
    terminal.resize(37, 101);
    terminal.write("stty size; tty\r");
    let shown = terminal.read_until("/dev/pts/0");
    assert!(shown.contains("37 101"), "{shown}");
    terminal.write("exit 5\r");
    assert_eq!(terminal.wait().code, 5);
}

#[test]
fn detach_keys_leave_the_container_running_and_attach_comes_back() {
    let env = TestEnv::with_busybox();
    let mut terminal = env.dulse("run -it --name c --network none busybox sh").pty();
    terminal.read_until("#");
    terminal.write("\x10\x11");
    assert_eq!(terminal.wait().code, 0);
    assert_eq!(env.inspect("c", ".State.Status"), "running");
    let mut terminal = env.dulse("attach --detach-keys ctrl-x c").pty();
    terminal.write("echo o''k\r");
    terminal.read_until("ok");
    terminal.write("\x18");
    assert_eq!(terminal.wait().code, 0);
    let mut terminal = env.dulse("attach c").pty();
    terminal.write("exit 3\r");
    assert_eq!(terminal.wait().code, 0);
    eventually("the exit", || env.inspect("c", ".State.Status") == "exited");
    assert_eq!(env.inspect("c", ".State.ExitCode"), "3");
}

#[test]
fn signals_reach_the_container_through_the_command_that_runs_it() {
    let env = TestEnv::with_busybox();
    let client = env.dulse(RUN).arg("trap 'echo got it; exit 9' TERM; echo up; while :; do sleep 0.1; done").spawn();
    eventually("the start", || env.dulse("logs -l").run().stdout.contains("up"));
    client.signal(Signal::SIGTERM);
    let ended = client.wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (9, "up\ngot it\n"));
}

#[test]
fn a_killed_client_leaves_container_and_logs_alone() {
    let env = TestEnv::with_busybox();
    let client = env.dulse("run --name c --network none busybox sh -c").arg("echo one; sleep 1; echo two; exit 4").spawn();
    eventually("the start", || env.dulse("logs c").run().stdout == "one\n");
    client.signal(Signal::SIGKILL);
    client.wait();
    assert_eq!(env.dulse("wait c").ok(), "4\n");
    assert_eq!(env.dulse("logs c").ok(), "one\ntwo\n");
}

#[test]
fn a_killed_monitor_takes_its_container_along_and_ps_knows() {
    let env = TestEnv::with_busybox();
    start(&env, "", "sleep 60");
    let (process, monitor) = (pid(&env, ".State.Pid"), pid(&env, ".State.ConmonPid"));
    kill(monitor, Signal::SIGKILL).unwrap();
    eventually("the truth in ps", || env.dulse("ps -a --format {{.Status}}").ok().starts_with("Exited"));
    eventually("the container's end", || {
        // It may stay as a zombie until whoever inherited it has reaped it.
        let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        status.is_empty() || status.contains(") Z ")
    });
    env.dulse("start c").ok();
    assert_eq!(env.inspect("c", ".State.Status"), "running");
    env.dulse("rm -f -t 0 c").ok();
}

#[test]
fn several_clients_see_the_same_output() {
    let env = TestEnv::with_busybox();
    start(&env, "-i", "while read line; do echo got $line; done; echo over");
    let watcher = env.dulse("attach --no-stdin c").spawn();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(env.dulse("attach c").stdin("one\ntwo\n").ok(), "got one\ngot two\nover\n\n");
    assert_eq!(watcher.wait().stdout, "got one\ngot two\nover\n\n");
    let refused = env.dulse("attach c").fails(125);
    assert!(refused.stderr.contains("you can only attach to running containers"), "{refused}");
}

#[test]
fn logs_tell_streams_apart_and_know_tail_times_and_names() {
    let env = TestEnv::with_busybox();
    env.dulse("run --name c --network none busybox sh -c")
        .arg("echo one; sleep 0.1; echo bad >&2; sleep 0.1; printf tw; sleep 0.1; echo o")
        .run();
    env.dulse("run --name d --network none busybox echo three").ok();
    let logs = env.dulse("logs c").run();
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("one\ntwo\n", "bad\n"));
    assert_eq!(env.dulse("logs --tail 1 c").ok(), "two\n");
    assert_eq!(env.dulse("logs --tail 0 c").ok(), "");
    assert_eq!(env.dulse("logs --until 2020-01-01 c").ok(), "");
    assert_eq!(env.dulse("logs --since 1h --until 1m c").ok(), "one\ntwo\n");
    assert_eq!(env.dulse("logs --since 2020-01-01 c").ok(), "one\ntwo\n");
    let timed = env.dulse("logs -t d").ok();
    let (time, text) = timed.split_once(' ').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok() && text == "three\n", "{timed}");
    assert_eq!(env.dulse("logs -n c d").ok(), "c one\nc twc o\nd three\n");
    assert!(env.dulse("logs --since soon c").fails(125).stderr.contains("unable to interpret time value"));
    assert!(env.dulse("logs nobody").fails(125).stderr.contains("no such container"));
}

#[test]
fn following_ends_with_the_container_and_lasts_through_restarts() {
    let env = TestEnv::with_busybox();
    start(&env, "", "for i in 1 2 3; do echo $i; sleep 0.2; done");
    let begin = Instant::now();
    assert_eq!(env.dulse("logs -f c").ok(), "1\n2\n3\n");
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(env.dulse("logs -f c").ok(), "1\n2\n3\n");
    env.dulse("rm c").ok();
    start(&env, "--restart on-failure:2", "echo hi; sleep 0.3; exit 1");
    assert_eq!(env.dulse("logs -f c").ok(), "hi\nhi\nhi\n");
}

#[test]
fn a_log_keeps_to_its_size_and_a_driver_without_one_says_so() {
    let env = TestEnv::with_busybox();
    env.dulse("run --name c --network none --log-opt max-size=1k busybox seq 200").ok();
    let kept = env.dulse("logs c").ok();
    assert!(kept.len() < 1000 && kept.ends_with("200\n"), "{kept}");
    for driver in ["none", "passthrough"] {
        assert_eq!(env.dulse("run --replace --name c --network none --log-driver").args([driver, "busybox", "echo", "hi"]).ok(), "hi\n");
        let refused = env.dulse("logs c").fails(125);
        assert!(refused.stderr.contains("cannot read logs"), "{refused}");
    }
}

#[test]
fn a_container_over_its_time_is_killed() {
    let env = TestEnv::with_busybox();
    env.dulse("run --name c --network none --timeout 1 busybox sleep 60").fails(255);
    assert_eq!(env.inspect("c", ".State.Status"), "exited");
}

#[test]
fn the_monitor_of_a_detached_container_is_small() {
    let env = TestEnv::with_busybox();
    start(&env, "", "sleep 60");
    let monitor = pid(&env, ".State.ConmonPid");
    let private = || {
        let rollup = std::fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).unwrap();
        let lines = rollup.lines().filter(|line| line.starts_with("Private_Clean") || line.starts_with("Private_Dirty"));
        lines.map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()).sum::<u64>()
    };
    eventually("at most 512 KiB", || private() <= 512);
    env.dulse("rm -f -t 0 c").ok();
}
