//! `stop`, `kill`, `restart`, `rm`, `wait`, `rename`: how containers end, and what ending them says.

mod env;

use std::time::{Duration, Instant};

use env::TestEnv;

/// A shell that ends with 3 on SIGTERM, at once.
const POLITE: &str = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done";

fn start(env: &TestEnv, flags: &str, script: &str) {
    env.dulse(&format!("run -d --network none {flags} busybox sh -c")).arg(script).ok();
}

fn start_polite(env: &TestEnv, name: &str) {
    start(env, &format!("--name {name}"), POLITE);
    env.eventually("the trap is set", || env.dulse(&format!("logs {name}")).ok().contains("ready"));
}

#[test]
fn stop_sends_the_stop_signal_and_tells_the_status() {
    let env = TestEnv::with_busybox();
    start_polite(&env, "c");
    assert_eq!(env.dulse("stop c").ok(), "c\n");
    assert_eq!(env.inspect("c", ".State.Status"), "exited");
    assert_eq!(env.dulse("wait c").ok(), "3\n");
    // What does not run any more is no error.
    assert_eq!(env.dulse("stop c").ok(), "c\n");
}

#[test]
fn stop_kills_what_does_not_heed_the_signal_and_says_so() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name c busybox sleep 1000").ok();
    let began = Instant::now();
    let run = env.dulse("stop -t 1 c").run();
    assert!(run.code == 0 && began.elapsed() >= Duration::from_secs(1), "{run}");
    assert!(run.stderr.contains("StopSignal SIGTERM failed to stop container c in 1 seconds, resorting to SIGKILL"), "{run}");
    assert_eq!(env.inspect("c", ".State.ExitCode"), "137");
}

#[test]
fn kill_sends_any_signal_and_only_to_what_runs() {
    let env = TestEnv::with_busybox();
    start(&env, "--name c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.02; done");
    env.eventually("the trap is set", || env.dulse("logs c").ok().contains("ready"));
    env.dulse("kill -s FOO c").fails(125);
    assert_eq!(env.dulse("kill -s SIGUSR1 c").ok(), "c\n");
    assert_eq!(env.dulse("wait c").ok(), "9\n");
    let run = env.dulse("kill c").fails(125);
    assert!(run.stderr.contains("can only kill running containers") && run.stderr.contains("is in state exited"), "{run}");
}

#[test]
fn restart_gives_a_new_process_of_the_same_container() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name c busybox sleep 1000").ok();
    let pid = env.inspect("c", ".State.Pid");
    assert_eq!(env.dulse("restart -t 0 c").ok(), "c\n");
    assert_eq!(env.inspect("c", ".State.Status"), "running");
    assert_ne!(env.inspect("c", ".State.Pid"), pid);
}

#[test]
fn rm_has_podmans_exit_codes() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name c busybox sleep 1000").ok();
    assert_eq!(env.dulse("rm nope").fails(1).stderr, "Error: no container with ID or name \"nope\" found: no such container\n");
    let run = env.dulse("rm c").fails(2);
    assert!(run.stderr.contains("running or paused containers cannot be removed without force"), "{run}");
    env.dulse("rm").fails(125);
    env.dulse("rm -a c").fails(125);
    assert_eq!(env.dulse("rm -f nope").ok(), "");
    assert_eq!(env.dulse("rm -f -t 0 c").ok(), "c\n");
    assert_eq!(env.dulse("ps -aq").ok(), "");
}

#[test]
fn rm_minds_what_depends_on_a_container() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name a busybox sleep 1000").ok();
    env.dulse("run -d --network container:a --name b busybox sleep 1000").ok();
    let run = env.dulse("rm -f -t 0 a").fails(125);
    assert!(run.stderr.contains("has dependent containers which must be removed before it"), "{run}");
    env.dulse("rm -f -t 0 --depend a").ok();
    assert_eq!(env.dulse("ps -aq").ok(), "");
}

#[test]
fn rm_v_takes_the_anonymous_volumes_along() {
    let env = TestEnv::with_busybox();
    env.dulse("create --name c -v /anonymous -v named:/named busybox true").ok();
    env.dulse("rm -v c").ok();
    assert_eq!(env.dulse("volume ls -q").ok(), "named\n");
}

#[test]
fn removing_many_running_containers_takes_no_longer_than_one_timeout() {
    let env = TestEnv::with_busybox();
    for number in 0..6 {
        env.dulse(&format!("run -d --network none --name c{number} busybox sleep 1000")).ok();
    }
    let began = Instant::now();
    assert_eq!(env.dulse("rm -f -a -t 1").ok().lines().count(), 6);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(env.dulse("ps -aq").ok(), "");
}

#[test]
fn wait_gives_the_code_of_a_container_that_removes_itself() {
    let env = TestEnv::with_busybox();
    start(&env, "--rm --name c", "sleep 0.3; exit 7");
    assert_eq!(env.dulse("wait c").ok(), "7\n");
    env.dulse("wait c").fails(125);
    assert_eq!(env.dulse("wait --ignore c").ok(), "-1\n");
}

#[test]
fn wait_knows_other_conditions() {
    let env = TestEnv::with_busybox();
    env.dulse("create --network none --name c busybox sleep 1000").ok();
    let waiting = env.dulse("wait --condition running --interval 10ms c").spawn();
    env.dulse("start c").ok();
    let run = waiting.wait();
    assert!(run.code == 0 && run.stdout == "-1\n", "{run}");
    env.dulse("wait --condition no-such c").fails(125);
    env.dulse("wait").fails(125);
}

#[test]
fn a_stopped_container_of_a_restart_policy_stays_down() {
    let env = TestEnv::with_busybox();
    start(&env, "--name c --restart always", "exit 1");
    env.eventually("it was restarted", || env.inspect("c", ".RestartCount") != "0");
    env.dulse("stop -t 0 c").ok();
    let count = env.inspect("c", ".RestartCount");
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(env.inspect("c", ".RestartCount"), count);
    assert_eq!(env.dulse("rm c").ok(), "c\n");
}

#[test]
fn a_name_moves_and_is_free_again() {
    let env = TestEnv::with_busybox();
    env.dulse("create --name a busybox true").ok();
    env.dulse("create --name b busybox true").ok();
    env.dulse("rename a b").fails(125);
    env.dulse("rename a c").ok();
    env.dulse("rename b a").ok();
    env.dulse("rename c 'not a name'").fails(125);
    let names = env.dulse("ps -a --sort names --format '{{.Names}}'").ok();
    assert_eq!(names, "a\nc\n");
}

#[test]
fn the_latest_and_all_and_filters_choose_containers() {
    let env = TestEnv::with_busybox();
    for name in ["a", "b", "c"] {
        env.dulse(&format!("run -d --network none --label of={name} --name {name} busybox sleep 1000")).ok();
    }
    env.dulse("stop -t 0 -l").ok();
    assert_eq!(env.inspect("c", ".State.Status"), "exited");
    env.dulse("stop -t 0 --filter label=of=b").ok();
    assert_eq!(env.dulse("ps --format '{{.Names}}'").ok(), "a\n");
    env.dulse("stop -a a").fails(125);
    assert_eq!(env.dulse("stop -t 0 -a").ok().lines().count(), 3);
    assert_eq!(env.dulse("rm --filter status=exited").ok().lines().count(), 3);
}
