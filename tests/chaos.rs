//! `kill -9` of anything at any moment: afterwards every command works, and what is left over can be removed.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for who runs it")]

mod env;

use std::time::Duration;

use env::{Layer, Registry, TestEnv, images, leaks};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Moments and victims, different in every run; the seed is printed where a test fails.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now.as_nanos() as u64 | 1);
        println!("CHAOS_SEED={seed}");
        Self(seed)
    }

    /// A number below `bound` (xorshift64).
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pause(&mut self, most: Duration) {
        std::thread::sleep(Duration::from_micros(self.below(most.as_micros() as u64)));
    }

    /// Kills one of the processes that belong to `env` (but the registry), if there is any.
    fn kill_one(&mut self, env: &TestEnv) {
        let mut processes = leaks::processes(env.root());
        processes.retain(|(_, command)| !command.contains("docker-registry"));
        if !processes.is_empty() {
            let (pid, _) = processes[self.below(processes.len() as u64) as usize];
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Every command works.
#[track_caller]
fn works(env: &TestEnv) {
    for line in ["ps -a", "images", "volume ls", "ps -a --format json", "run --rm --network none busybox true"] {
        env.dulse(line).ok();
    }
    for id in env.dulse("ps -aq").ok().lines() {
        env.dulse("inspect").arg(id).ok();
    }
}

/// Everything can be removed, and nothing stays.
#[track_caller]
fn can_be_cleaned(env: &TestEnv) {
    env.dulse("rm -f -a -t 0").ok();
    assert_eq!(env.dulse("ps -aq").ok(), "");
    env.dulse("system prune -a -f --volumes").ok();
    assert_eq!(env.dulse("images -aq").ok(), "");
    assert_eq!(env.dulse("volume ls -q").ok(), "");
    for directory in ["containers", "layers", "images", "volumes", "tmp"] {
        let mut left = Vec::new();
        leaks::files(&env.data().join(directory), &mut left);
        // A name's link under way lives for microseconds, and is swept when it is older than a minute.
        left.retain(|line| !line.contains("lock") && !line.contains("/tmp/tag-"));
        assert!(left.is_empty(), "{directory}: {left:?}");
    }
}

/// Starts `line` again and again and kills one of its processes at a random moment each time.
fn storm(env: &TestEnv, line: &str, rounds: u32, most: Duration) {
    let mut chance = Chance::new();
    for _ in 0..rounds {
        let mut command = env.dulse(line).spawn();
        chance.pause(most);
        if chance.below(2) == 0 {
            command.signal(Signal::SIGKILL);
        } else {
            chance.kill_one(env);
        }
        command.close_stdin();
        env::eventually("the command's end", || !command.is_running());
    }
    works(env);
    can_be_cleaned(env);
}

#[test]
fn run_may_be_killed_at_any_moment() {
    let env = TestEnv::with_busybox();
    storm(&env, "run --rm --network none -v vol:/data -v /anonymous busybox sh -c 'echo x >/data/x'", 60, Duration::from_millis(40));
}

#[test]
fn run_with_a_network_may_be_killed_at_any_moment() {
    let env = TestEnv::with_busybox();
    storm(&env, "run --rm busybox true", 30, Duration::from_millis(60));
}

#[test]
fn detached_containers_may_be_killed_at_any_moment() {
    let env = TestEnv::with_busybox();
    storm(&env, "run -d --network none busybox sleep 1000", 40, Duration::from_millis(40));
}

#[test]
fn create_and_start_may_be_killed_at_any_moment() {
    let env = TestEnv::with_busybox();
    let mut chance = Chance::new();
    for number in 0..30 {
        let create = env.dulse(&format!("create --name c{number} --network none busybox sleep 1000")).spawn();
        chance.pause(Duration::from_millis(15));
        create.signal(Signal::SIGKILL);
        drop(create);
        // Where it was too early, the name is free; where it was not, it starts.
        let start = env.dulse(&format!("start c{number}")).spawn();
        chance.pause(Duration::from_millis(30));
        start.signal(Signal::SIGKILL);
    }
    works(&env);
    can_be_cleaned(&env);
}

#[test]
fn removal_may_be_killed_at_any_moment() {
    let env = TestEnv::with_busybox();
    let mut chance = Chance::new();
    for _ in 0..25 {
        env.dulse("run -d --network none -v /anonymous busybox sleep 1000").ok();
        let remove = env.dulse("rm -f -a -t 0").spawn();
        chance.pause(Duration::from_millis(20));
        remove.signal(Signal::SIGKILL);
    }
    works(&env);
    can_be_cleaned(&env);
}

#[test]
fn pull_may_be_killed_at_any_moment() {
    let env = TestEnv::with_busybox();
    let Some(registry) = Registry::start(&env) else { return };
    let mut image = images::everything();
    for number in 0..4u8 {
        let contents: Vec<u8> = (0..2_000_000u32).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 13) as u8 ^ number).collect();
        image = image.layer(Layer::new().file(&format!("large-{number}"), contents));
    }
    registry.add(&image, "large", "latest");
    let reference = registry.reference("large:latest");
    let mut chance = Chance::new();
    for _ in 0..30 {
        let pull = env.dulse("pull -q").arg(&reference).spawn();
        chance.pause(Duration::from_millis(300));
        if chance.below(2) == 0 {
            pull.signal(Signal::SIGKILL);
        } else {
            chance.kill_one(&env);
        }
        drop(pull);
        if chance.below(3) == 0 {
            env.dulse("rmi --ignore").arg(&reference).ok();
        }
    }
    env.dulse("pull -q").arg(&reference).ok();
    let sums = env.dulse("run --rm --network none").arg(&reference).args(["sh", "-c", "cat /large-* | md5sum; cat /kinds/file"]).ok();
    assert!(sums.ends_with("contents\n"), "{sums}");
    works(&env);
    can_be_cleaned(&env);
}

#[test]
fn load_may_be_killed_at_any_moment() {
    let env = TestEnv::with_busybox();
    let archive = images::everything().docker_archive(&env.root().join("everything.tar"), &["localhost/everything:latest"]);
    let mut chance = Chance::new();
    for _ in 0..30 {
        let load = env.dulse("load -q -i").arg(&archive).spawn();
        chance.pause(Duration::from_millis(60));
        load.signal(Signal::SIGKILL);
        drop(load);
        env.dulse("rmi -f localhost/everything").run();
    }
    env.dulse("load -q -i").arg(&archive).ok();
    assert_eq!(env.dulse("run --rm --network none localhost/everything cat /kinds/file").ok(), "contents\n");
    works(&env);
    can_be_cleaned(&env);
}

#[test]
fn ps_tells_the_truth_when_the_monitor_is_killed() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --name c --network none busybox sleep 1000").ok();
    let pid: i32 = env.inspect("c", ".State.Pid").parse().unwrap();
    for (monitor, _) in leaks::processes(env.root()).into_iter().filter(|(other, _)| *other != pid) {
        let _ = kill(Pid::from_raw(monitor), Signal::SIGKILL);
    }
    assert_eq!(env.dulse("ps -q").ok(), "", "ps shows a container whose monitor is dead");
    env::eventually("the container's end with its monitor", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert_ne!(env.inspect("c", ".State.Status"), "running");
    env.dulse("start c").ok();
    assert_eq!(env.inspect("c", ".State.Status"), "running");
    env.dulse("rm -f -t 0 c").ok();
}

#[test]
fn the_container_survives_the_command_that_started_it() {
    let env = TestEnv::with_busybox();
    let mut run = env.dulse("run --name c --network none busybox sh -c 'echo started; sleep 1; echo still there'").spawn();
    run.read_until("started");
    run.signal(Signal::SIGKILL);
    drop(run);
    assert_eq!(env.dulse("wait c").ok(), "0\n");
    assert_eq!(env.dulse("logs c").ok(), "started\nstill there\n");
}

#[test]
fn a_killed_container_is_not_a_broken_one() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --name c --network none busybox sleep 1000").ok();
    let pid: i32 = env.inspect("c", ".State.Pid").parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert_eq!(env.dulse("wait c").ok(), "137\n");
    assert_eq!(env.inspect("c", ".State.Status"), "exited");
}

#[test]
fn many_commands_at_once_do_not_disturb_each_other() {
    let env = TestEnv::with_busybox();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let env = &env;
            scope.spawn(move || {
                for round in 0..4 {
                    let name = format!("c{number}-{round}");
                    let text = env.dulse(&format!("run --network none --name {name} -v shared:/data busybox echo {name}")).ok();
                    assert_eq!(text.trim(), name);
                    env.dulse("ps -a").ok();
                    env.dulse(&format!("rm {name}")).ok();
                }
            });
        }
    });
    assert_eq!(env.dulse("ps -aq").ok(), "");
}
