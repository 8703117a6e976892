//! Hosts that lack something: what is missing costs one feature and one clear line, never the whole tool.
//!
//! Each condition is made in a private user and mount namespace, in which the user has the usual ID again. There newuidmap has no rights, so
//! ranges of IDs are out of reach: that is the first of the conditions, and common to all.

mod env;

use std::fs;
use std::path::Path;

use env::image::{Attributes, PLAIN};
use env::{Image, Layer, TestEnv, host};

/// A root file system with busybox alone.
fn rootfs(env: &TestEnv) -> String {
    let path = env.work().join("rootfs");
    if !path.exists() {
        for directory in ["bin", "dev", "etc", "proc", "run", "sys", "tmp"] {
            fs::create_dir_all(path.join(directory)).unwrap();
        }
        fs::copy("/bin/busybox", path.join("bin/busybox")).unwrap();
        for applet in ["sh", "id", "cat", "tty", "ip"] {
            std::os::unix::fs::symlink("busybox", path.join("bin").join(applet)).unwrap();
        }
    }
    path.to_str().unwrap().to_owned()
}

/// Runs dulse after `setup`, a shell script with rights over the mounts. `$DATA` and `$RUN` are the test's directories, `hide FILE` puts an
/// empty file in the place of another.
fn on_host<'env>(env: &'env TestEnv, setup: &str, line: &str) -> env::Invocation<'env> {
    let script = format!(
        "set -e; hide() {{ mount --bind \"$EMPTY\" \"$1\"; }}; {setup}\nuid=$1 gid=$2; shift 2\n\
         exec unshare -U --map-user=$uid --map-group=$gid -- \"$@\""
    );
    let words = shlex::split(line).unwrap();
    env.program("unshare")
        .args(["-Urm", "--propagation", "private", "sh", "-c", &script, "sh"])
        .args([nix::unistd::getuid().to_string(), nix::unistd::getgid().to_string()])
        .arg(env::DULSE)
        .args(words)
        .env("EMPTY", env.file("empty", ""))
        .env("DATA", env.root().join("data"))
        .env("RUN", env.root().join("run"))
}

/// No range: what the namespaces of these tests cannot use anyway.
const NO_RANGE: &str = "hide /etc/subuid; hide /etc/subgid";

fn run_line(env: &TestEnv, options: &str, command: &str) -> String {
    format!("run --rm {options} --rootfs {} {command}", rootfs(env))
}

/// The statuses of the doctor's checks that are not in order, by name, and whether it says that containers can be run.
fn doctor(env: &TestEnv, setup: &str) -> (Vec<(String, String)>, bool) {
    let run = on_host(env, setup, "doctor --format json").run();
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("no report: {run}"));
    let runs = report["ok"].as_bool().unwrap();
    assert_eq!(run.code == 0, runs, "{run}");
    let checks = report["checks"].as_array().unwrap().iter();
    let text = |check: &serde_json::Value, key: &str| check[key].as_str().unwrap().to_owned();
    let troubled = checks.filter(|check| check["status"] != "ok").map(|check| (text(check, "name"), text(check, "status"))).collect();
    (troubled, runs)
}

fn has(checks: &[(String, String)], name: &str, status: &str) -> bool {
    checks.iter().any(|(known, found)| known == name && found == status)
}

#[test]
fn without_a_range_a_single_id_does() {
    let env = TestEnv::new();
    let image =
        Image::new().layer(Layer::new().dir("bin").program("bin/busybox", fs::read("/bin/busybox").unwrap()).symlink("bin/id", "busybox"));
    let archive = image.docker_archive(&env.work().join("image.tar"), &["localhost/root-only:latest"]);
    on_host(&env, NO_RANGE, "load -q -i").arg(archive).ok();
    assert_eq!(on_host(&env, NO_RANGE, "run --rm --network none root-only /bin/id -u").ok(), "0\n");
    let (checks, runs) = doctor(&env, NO_RANGE);
    assert!(runs && has(&checks, "subordinate-ids", "warn"), "{checks:?}");
}

#[test]
fn with_a_single_id_all_files_are_its_own() {
    let env = TestEnv::new();
    let archive = env::images::busybox().docker_archive(&env.work().join("image.tar"), &["localhost/busybox:latest"]);
    on_host(&env, NO_RANGE, "load -q -i").arg(archive).ok();
    assert_eq!(on_host(&env, NO_RANGE, "run --rm --network none busybox stat -c %u:%g /home/user").ok(), "0:0\n");
}

#[test]
fn an_id_outside_the_range_names_the_file_and_the_command() {
    if !host::has_subuids() {
        return;
    }
    let env = TestEnv::new();
    let attributes = Attributes { uid: 2_000_000_000, ..PLAIN };
    let image = Image::new().layer(Layer::new().file("plain", "").file_with("foreign", "", attributes));
    let archive = image.docker_archive(&env.work().join("image.tar"), &["localhost/foreign:latest"]);
    let failed = env.dulse("load -q -i").arg(archive).fails(125);
    assert!(failed.stderr.contains("foreign") && failed.stderr.contains("user ID 2000000000, which is outside the"), "{failed}");
    assert!(failed.stderr.contains("usermod --add-subuids"), "{failed}");
    assert_eq!(env.dulse("images -q").ok(), "");
}

#[test]
fn without_newuidmap_a_single_id_does() {
    let env = TestEnv::new();
    let setup = "hide /usr/bin/newuidmap; hide /usr/bin/newgidmap";
    assert_eq!(on_host(&env, setup, &run_line(&env, "--network none", "id -u")).ok(), "0\n");
    let (checks, runs) = doctor(&env, setup);
    assert!(runs && has(&checks, "id-helpers", "warn"), "{checks:?}");
}

#[test]
fn a_newuidmap_without_rights_names_the_command_that_gives_them() {
    if !host::has_subuids() {
        return;
    }
    let env = TestEnv::new();
    let failed = on_host(&env, "true", &run_line(&env, "--network none", "id")).fails(125);
    assert!(failed.stderr.starts_with("Error: newuidmap refused the mapping"), "{failed}");
    assert!(failed.stderr.contains("Hint: sudo setcap"), "{failed}");
}

#[test]
fn disabled_user_namespaces_name_the_sysctl() {
    let env = TestEnv::new();
    // The one that is left is for the way back to the user's ID.
    let setup = format!("{NO_RANGE}; echo 1 >/proc/sys/user/max_user_namespaces");
    let failed = on_host(&env, &setup, &run_line(&env, "--network none", "id")).fails(125);
    assert!(failed.stderr.contains("user namespaces are not available") && failed.stderr.contains("user.max_user_namespaces"), "{failed}");
    let (checks, runs) = doctor(&env, &setup);
    assert!(!runs && has(&checks, "user-namespaces", "fail"), "{checks:?}");
}

#[test]
fn a_missing_runtime_directory_has_a_private_substitute() {
    let env = TestEnv::new();
    // The substitute in /tmp is the user's own, not the test's: a /tmp for this test alone, with the test's files in it.
    let setup = format!("{NO_RANGE}; mount -t tmpfs none /run");
    let mark = format!("/tmp/dulse-{}", nix::unistd::getuid());
    let before = Path::new(&mark).exists();
    assert_eq!(on_host(&env, &setup, &run_line(&env, "--network none", "id -u")).env_remove("XDG_RUNTIME_DIR").ok(), "0\n");
    assert!(Path::new(&mark).is_dir());
    if !before {
        let _ = fs::remove_dir_all(mark);
    }
    let foreign = on_host(&env, &setup, "doctor --format json").env("XDG_RUNTIME_DIR", "/usr").run();
    assert!(foreign.stdout.contains("XDG_RUNTIME_DIR (/usr) is not the user's private directory"), "{foreign}");
}

#[test]
fn a_missing_fuse_device_is_not_needed() {
    let env = TestEnv::new();
    if !Path::new("/dev/fuse").exists() {
        return env::skipped("this machine has no /dev/fuse to take away");
    }
    let setup = format!("{NO_RANGE}; hide /dev/fuse");
    assert_eq!(on_host(&env, &setup, &run_line(&env, "--network none", "id -u")).ok(), "0\n");
    assert!(doctor(&env, &setup).1);
}

#[test]
fn a_missing_tun_device_names_the_module() {
    let env = TestEnv::new();
    let setup = format!("{NO_RANGE}; mount -t tmpfs none /dev/net");
    let failed = on_host(&env, &setup, &run_line(&env, "", "id")).fails(126);
    assert_eq!(failed.stderr, "Error: /dev/net/tun does not exist, the network namespace can't be configured\nHint: sudo modprobe tun\n");
    assert_eq!(on_host(&env, &setup, &run_line(&env, "--network none", "id -u")).ok(), "0\n");
    let (checks, runs) = doctor(&env, &setup);
    assert!(!runs && has(&checks, "tun", "fail"), "{checks:?}");
}

#[test]
fn without_pasta_slirp4netns_takes_its_place() {
    let (Some(pasta), Some(slirp)) = (host::need("pasta"), host::need("slirp4netns")) else { return };
    let env = TestEnv::new();
    let real = |path: &Path| path.canonicalize().unwrap().display().to_string();
    let setup = format!("{NO_RANGE}; hide {}", real(&pasta));
    assert!(on_host(&env, &setup, &run_line(&env, "", "ip addr show tap0")).ok().contains("10.0.2.100"));
    let asked = on_host(&env, &setup, &run_line(&env, "--network pasta", "id")).fails(126);
    assert!(asked.stderr.starts_with("Error: could not find pasta, the network namespace can't be configured\nHint: sudo "), "{asked}");
    let (checks, runs) = doctor(&env, &setup);
    assert!(runs && has(&checks, "network-helper", "warn"), "{checks:?}");
    let neither = format!("{setup}; hide {}", real(&slirp));
    let failed = on_host(&env, &neither, &run_line(&env, "", "id")).fails(126);
    assert!(failed.stderr.starts_with("Error: could not find pasta, the network namespace can't be configured\nHint: sudo "), "{failed}");
    assert!(has(&doctor(&env, &neither).0, "network-helper", "fail"));
}

#[test]
fn a_full_disk_is_named_and_leaves_a_working_store() {
    let env = TestEnv::new();
    let full =
        format!("{NO_RANGE}; mount -t tmpfs -o size=64k,mode=777 none \"$DATA\"; cat /dev/zero >\"$DATA/filler\" 2>/dev/null || true");
    let failed = on_host(&env, &full, &run_line(&env, "--network none", "id")).fails(125);
    assert!(failed.stderr.to_lowercase().contains("no space left"), "{failed}");
    assert_eq!(failed.stderr.lines().filter(|line| line.starts_with("Error")).count(), 1, "{failed}");
    let (checks, _) = doctor(&env, &full);
    assert!(has(&checks, "free-space", "warn"), "{checks:?}");
}

#[test]
fn a_read_only_home_is_named() {
    let env = TestEnv::new();
    let setup = format!("{NO_RANGE}; mount -t tmpfs -o ro none \"$DATA\"");
    let failed = on_host(&env, &setup, &run_line(&env, "--network none", "id")).fails(125);
    assert!(failed.stderr.contains("Read-only file system") && failed.stderr.contains("data"), "{failed}");
    let (checks, runs) = doctor(&env, &setup);
    assert!(!runs && has(&checks, "data-directory", "fail"), "{checks:?}");
}

#[test]
fn a_store_elsewhere_needs_no_home() {
    let env = TestEnv::new();
    let setup = format!("{NO_RANGE}; mount -t tmpfs -o ro none \"$DATA\"; mount -t tmpfs -o mode=777 none \"$RUN\"");
    let elsewhere = env.work().join("store");
    let line = format!("--root {} {}", elsewhere.display(), run_line(&env, "--network none", "id -u"));
    assert_eq!(on_host(&env, &setup, &line).ok(), "0\n");
    fs::remove_dir_all(elsewhere).unwrap();
}

#[test]
fn no_controlling_terminal_is_needed() {
    let env = TestEnv::new();
    let rootfs = rootfs(&env);
    let run = |options: &str, command: &str| {
        let line = format!("run --rm --network none {options} --rootfs {rootfs} {command}");
        env.program("setsid").arg("--wait").arg(env::DULSE).args(shlex::split(&line).unwrap()).ok()
    };
    assert_eq!(run("", "id -u"), "0\n");
    assert_eq!(run("-t", "tty").trim_end(), "/dev/pts/0");
}

#[test]
fn doctor_passes_on_this_machine_and_prints_a_line_for_each_check() {
    let env = TestEnv::new();
    let text = env.dulse("doctor").ok();
    assert!(text.lines().any(|line| line.starts_with("ok    kernel")), "{text}");
    assert!(text.lines().last().unwrap().starts_with("Containers run on this host"), "{text}");
    let quiet = env.dulse("doctor --quiet").ok();
    assert!(!quiet.contains("\nok ") && !quiet.starts_with("ok "), "{quiet}");
    env.dulse("doctor --format xml").fails(125);
}
