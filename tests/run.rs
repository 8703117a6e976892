//! `run`, `create` and `start`: what a container is given, and how it ends.

mod env;

use env::{TestEnv, eventually};

const RUN: &str = "run --rm --network none";

/// Output of `script` in a container with these flags.
fn sh(env: &TestEnv, flags: &str, script: &str) -> String {
    env.dulse(&format!("{RUN} {flags} busybox sh -c")).arg(script).ok()
}

#[test]
fn exit_codes_are_the_commands_own_or_podmans() {
    let env = TestEnv::with_busybox();
    env.dulse(&format!("{RUN} busybox sh -c")).arg("exit 7").fails(7);
    env.dulse(&format!("{RUN} busybox nosuchcommand")).fails(127);
    env.dulse(&format!("{RUN} busybox /etc")).fails(126);
    env.dulse(&format!("{RUN} --user nope busybox true")).fails(126);
    env.dulse(&format!("{RUN} -w /nope busybox true")).fails(126);
    env.dulse(&format!("{RUN} --pull never nosuchimage true")).fails(125);
    env.dulse("run --nosuchflag busybox").fails(125);
}

#[test]
fn run_rm_leaves_nothing() {
    let env = TestEnv::with_busybox();
    sh(&env, "--name gone -v /anonymous", "touch /x /anonymous/x");
    assert_eq!(env.dulse("ps -aq").ok(), "");
    assert_eq!(env.dulse("volume ls -q").ok(), "");
    // The name is free again at once.
    sh(&env, "--name gone", "true");
}

#[test]
fn a_failed_start_with_rm_leaves_nothing() {
    let env = TestEnv::with_busybox();
    env.dulse(&format!("{RUN} --name gone busybox nosuchcommand")).fails(127);
    assert_eq!(env.dulse("ps -aq").ok(), "");
}

#[test]
fn the_default_container_is_sandboxed_as_podmans() {
    let env = TestEnv::with_busybox();
    let status = sh(&env, "", "grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status; cat /proc/self/uid_map | wc -l; echo $$");
    assert!(status.contains("CapEff:\t00000000800405fb"), "{status}");
    assert!(status.contains("CapBnd:\t00000000800405fb"), "{status}");
    assert!(status.contains("Seccomp:\t2"), "{status}");
    assert!(status.trim_end().ends_with("\n1"), "{status}");
}

#[test]
fn no_descriptor_of_ours_leaks_into_the_container() {
    let env = TestEnv::with_busybox();
    // A shell executes a lone command in its own place: PID 1 would be `ls` with the directory open.
    let shown = sh(&env, "", "ls /proc/1/fd; true");
    assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[test]
fn the_environment_follows_its_order_of_precedence() {
    let mut env = TestEnv::with_busybox();
    env.set("FROM_HOST", "host");
    env.set("GLOB_ONE", "1");
    let file = env.file("env", "A=file\nB=file\n# comment\nFROM_HOST\n");
    let shown = sh(&env, &format!("--env-file {} -e A=flag -e GLOB_* -h named", file.display()), "env");
    for line in ["A=flag", "B=file", "FROM_HOST=host", "GLOB_ONE=1", "HOSTNAME=named", "HOME=/root", "container=podman"] {
        assert!(shown.lines().any(|other| other == line), "{line} in {shown}");
    }
}

#[test]
fn unknown_users_get_an_entry() {
    let env = TestEnv::with_busybox();
    let shown = sh(&env, "--user 4321:99", "id -u; id -g; tail -n 1 /etc/passwd");
    assert!(shown.starts_with("4321\n99\n4321:*:4321:99:container user:/:/bin/sh"), "{shown}");
}

#[test]
fn capabilities_privileges_and_limits_are_as_asked_for() {
    let env = TestEnv::with_busybox();
    let shown = sh(
        &env,
        "--cap-drop all --cap-add chown --security-opt no-new-privileges --ulimit nofile=64:128 --umask 0077",
        "grep -E '^(CapEff|NoNewPrivs):' /proc/self/status; ulimit -n; ulimit -Hn; umask",
    );
    assert_eq!(shown, "CapEff:\t0000000000000001\nNoNewPrivs:\t1\n64\n128\n0077\n");
}

#[test]
fn a_read_only_container_can_write_to_its_temporary_directories_only() {
    let env = TestEnv::with_busybox();
    assert_eq!(sh(&env, "--read-only", "touch /tmp/x /run/x && ! touch /x 2>/dev/null && echo right"), "right\n");
}

#[test]
fn mounts_of_every_kind_are_there() {
    let env = TestEnv::with_busybox();
    let file = env.file("shared/file", "from the host");
    let shared = file.parent().unwrap().display();
    let flags = format!("-v {shared}:/ro:ro -v {shared}:/over:O --tmpfs /small:size=1m --mount type=tmpfs,dst=/t -v data:/data");
    let script = "cat /ro/file; ! touch /ro/x 2>/dev/null && echo :ro; echo new >/over/file; mount | grep -c -e ' /small ' -e ' /t '; echo kept >/data/x";
    assert_eq!(sh(&env, &flags, script), "from the host:ro\n2\n");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "from the host");
    assert_eq!(sh(&env, "-v data:/data:ro", "cat /data/x"), "kept\n");
    env.dulse(&format!("{RUN} -v /no/such/directory:/x busybox true")).fails(125);
}

#[test]
fn keep_id_runs_as_the_user() {
    let env = TestEnv::with_busybox();
    if !env::host::has_subuids() {
        return env::host::skipped("no subordinate IDs");
    }
    let uid = nix::unistd::getuid().to_string();
    assert_eq!(sh(&env, "--userns keep-id", "id -u").trim(), uid);
    assert_eq!(sh(&env, "--userns keep-id:uid=5,gid=6", "id -u; id -g"), "5\n6\n");
}

#[test]
fn names_are_unique_until_replaced() {
    let env = TestEnv::with_busybox();
    env.dulse("create --name c busybox true").ok();
    let refused = env.dulse("create --name c busybox true").fails(125);
    assert!(refused.stderr.contains("already in use"), "{}", refused.stderr);
    env.dulse("create --name c --replace busybox true").ok();
    assert_eq!(env.dulse("ps -aq").ok().lines().count(), 1);
}

#[test]
fn a_container_can_be_started_again_and_keeps_its_files() {
    let env = TestEnv::with_busybox();
    env.dulse("create --name c --network none busybox sh -c").arg("cat /count 2>/dev/null; echo x >>/count").ok();
    assert_eq!(env.dulse("start -a c").ok(), "");
    assert_eq!(env.dulse("start -a c").ok(), "x\n");
    assert_eq!(env.dulse("start c").ok(), "c\n");
}

#[test]
fn restart_on_failure_gives_up_after_its_retries() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --name c --network none --restart on-failure:2 busybox false").ok();
    eventually("the last failure", || env.inspect("c", ".State.Status") == "exited" && env.inspect("c", ".RestartCount") == "2");
    assert_eq!(env.inspect("c", ".State.ExitCode"), "1");
}

#[test]
fn files_tell_of_the_container() {
    let env = TestEnv::with_busybox();
    let [id, pid] = ["id", "pid"].map(|name| env.work().join(name));
    let flags = format!("-d --name c --network none --cidfile {} --pidfile {}", id.display(), pid.display());
    let printed = env.dulse(&format!("run {flags} busybox sleep 100")).ok();
    assert_eq!(std::fs::read_to_string(id).unwrap(), printed.trim());
    assert_eq!(std::fs::read_to_string(pid).unwrap().trim(), env.inspect("c", ".State.Pid"));
}

#[test]
fn switches_take_values_and_the_command_keeps_its_own_flags() {
    let env = TestEnv::with_busybox();
    assert_eq!(env.dulse("run --network=none --rm=true -it=false busybox echo -n --rm -it").ok(), "--rm -it");
    assert_eq!(env.dulse("run --network none --network none --rm busybox echo once").ok(), "once\n");
}

#[test]
fn a_working_directory_that_the_image_lacks_is_made_for_its_user() {
    let env = TestEnv::new();
    let image = env::images::busybox().with("WorkingDir", "/etc/new/deep").with("User", "12:34");
    env.load(&image, "localhost/lacking:1");
    let shown = env.dulse(&format!("{RUN} localhost/lacking:1 sh -c")).arg("pwd; stat -c '%u %g' . ..; touch x && echo mine").ok();
    assert_eq!(shown, "/etc/new/deep\n12 34\n12 34\nmine\n");
}

#[test]
fn rmi_removes_the_image_unless_it_is_used() {
    let env = TestEnv::with_busybox();
    env.dulse("create --name other busybox true").ok();
    env.dulse("run --rmi --network none busybox true").ok();
    assert_eq!(env.dulse("images -q").ok().lines().count(), 1);
    env.dulse("rm other").ok();
    env.dulse("run --rmi --network none busybox true").ok();
    assert_eq!(env.dulse("images -q").ok(), "");
    assert_eq!(env.dulse("ps -aq").ok(), "");
}
