//! What a container's process is, and what it cannot reach: seen from inside, with root file systems made to attack.

mod env;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use env::TestEnv;

/// A root file system in a directory of the test's: busybox and what links to it.
fn rootfs(env: &TestEnv) -> PathBuf {
    let root = env.work().join("rootfs");
    for directory in ["bin", "dev", "etc", "proc", "sys", "tmp", "run"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for applet in ["sh", "cat", "grep", "id", "ls", "readlink", "tty", "true", "sleep", "ip", "hostname", "touch", "pwd", "echo"] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    root
}

/// The output of `script` in a container of that root file system.
fn sh(env: &TestEnv, flags: &str, script: &str) -> String {
    let root = env.work().join("rootfs");
    env.dulse(&format!("run --rm --network none {flags} --rootfs {} sh -c", root.display())).arg(script).ok()
}

fn fails(env: &TestEnv, code: i32, flags: &str, command: &str) -> String {
    let root = env.work().join("rootfs");
    env.dulse(&format!("run --rm --network none {flags} --rootfs {} {command}", root.display())).fails(code).stderr
}

#[test]
fn the_process_has_the_default_capabilities_filter_and_signals() {
    let env = TestEnv::new();
    let root = rootfs(&env);
    // Without a shell, which ignores SIGQUIT.
    let status = env.dulse(&format!("run --rm --network none --rootfs {} cat /proc/self/status", root.display())).ok();
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000800405fb",
        "CapEff:\t00000000800405fb",
        "CapBnd:\t00000000800405fb",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t0",
        "Seccomp:\t2",
        "SigBlk:\t0000000000000000",
        "SigIgn:\t0000000000000000",
        "Umask:\t0022",
    ] {
        assert!(status.contains(line), "{line} is missing in {status}");
    }
    let status = sh(&env, "--user 33 --security-opt no-new-privileges", "cat /proc/self/status");
    for line in ["Uid:\t33\t33\t33\t33", "CapEff:\t0000000000000000", "CapBnd:\t00000000800405fb", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line} is missing in {status}");
    }
}

#[test]
fn no_descriptor_is_passed_on_but_the_streams_and_what_was_asked_for() {
    let env = TestEnv::new();
    rootfs(&env);
    // A glob is expanded by the shell, which opens the directory itself as 3.
    assert_eq!(sh(&env, "", "echo /proc/self/fd/*").trim(), "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3");
    let exec = "cd /proc/self/fd; for fd in *; do readlink $fd; done | grep -v -e null -e pipe -e /tmp/ -e /proc";
    assert_eq!(sh(&env, "", &format!("{exec}; true")), "");
}

#[test]
fn every_namespace_is_its_own() {
    let env = TestEnv::new();
    rootfs(&env);
    let inside = sh(&env, "", "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done");
    for line in inside.lines() {
        let kind = line.split(':').next().unwrap();
        let ours = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(line, ours.to_str().unwrap());
    }
    assert_eq!(inside.lines().count(), 7);
    assert!(sh(&env, "", "ip addr show lo").contains("inet 127.0.0.1/8"));
}

#[test]
fn masked_paths_are_empty_and_readonly_paths_cannot_be_written() {
    let env = TestEnv::new();
    rootfs(&env);
    assert_eq!(sh(&env, "", "cat /proc/keys /proc/timer_list; ls /sys/firmware /proc/acpi 2>/dev/null | grep -v :; true").trim(), "");
    for path in ["/proc/sys/kernel/domainname", "/proc/sysrq-trigger", "/sys/x"] {
        assert_eq!(sh(&env, "", &format!("echo x 2>/dev/null >{path} || echo denied")).trim(), "denied", "{path}");
    }
}

#[test]
fn a_mount_target_cannot_lead_out_of_the_root() {
    let env = TestEnv::new();
    let root = rootfs(&env);
    let outside = env.work().join("outside");
    fs::create_dir(&outside).unwrap();
    let source = env.file("source", "content\n");
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("../../../../../../../../../../..", root.join("relative")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("/missing/deep/file", root.join("dangling")).unwrap();
    let bind = |target: &str| format!("-v {}:{target}", source.display());
    assert_eq!(sh(&env, &bind("/absolute/file"), "cat /absolute/file"), "content\n");
    assert_eq!(sh(&env, &bind(&format!("/relative{}/file", outside.display())), "cat /absolute/file"), "content\n");
    assert_eq!(sh(&env, &bind("/dangling"), "cat /missing/deep/file"), "content\n");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(root.join(outside.strip_prefix("/").unwrap()).join("file").exists());
    fails(&env, 125, &bind("/loop/file"), "true");
}

#[test]
fn proc_and_sys_are_not_mounted_through_a_link() {
    for directory in ["proc", "sys"] {
        let env = TestEnv::new();
        let root = rootfs(&env);
        fs::remove_dir(root.join(directory)).unwrap();
        symlink("tmp", root.join(directory)).unwrap();
        let error = fails(&env, 125, "", "true");
        assert!(error.contains(&format!("/{directory}")), "{error}");
    }
}

#[test]
fn the_working_directory_and_the_program_cannot_be_reached_through_our_descriptors() {
    let env = TestEnv::new();
    rootfs(&env);
    for number in 3..32 {
        let error = fails(&env, 126, &format!("--workdir /proc/self/fd/{number}"), "pwd");
        assert!(error.contains("workdir"), "{error}");
        fails(&env, 127, "", &format!("/proc/self/fd/{number}/../../../../../bin/busybox true"));
    }
}

#[test]
fn our_program_cannot_be_executed_or_written_in_a_container() {
    let env = TestEnv::new();
    let root = rootfs(&env);
    // A copy that belongs to the user, as after `make install` in the home directory: the container's root may write to it.
    let own = env.work().join("dulse");
    fs::copy(env::DULSE, &own).unwrap();
    fs::write(root.join("bin/script"), "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(root.join("bin/script"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for command in ["/proc/self/exe --version", "/bin/script --version"] {
        let line = format!("run --rm --network none --rootfs {} {command}", root.display());
        let run = env.program(&own).args(line.split(' ')).run();
        assert!(run.code != 0 && !run.stdout.contains("version"), "{run}");
    }
    let line = format!("run --rm --network none --rootfs {} readlink /proc/self/exe", root.display());
    assert_eq!(env.program(&own).args(line.split(' ')).ok(), "/bin/busybox\n");
    assert_eq!(fs::read(&own).unwrap(), fs::read(env::DULSE).unwrap());
}

#[test]
fn a_terminal_is_one_of_the_containers_own() {
    let env = TestEnv::new();
    rootfs(&env);
    assert_eq!(sh(&env, "-t", "tty").trim(), "/dev/pts/0");
    assert!(sh(&env, "-t", "ls -l /dev/console").contains("136,"));
}

#[test]
fn user_namespace_modes_map_as_podmans() {
    if !env::host::has_subuids() {
        return env::skipped("no subordinate IDs");
    }
    let env = TestEnv::new();
    rootfs(&env);
    let id = fs::metadata("/proc/self").map(|status| std::os::unix::fs::MetadataExt::uid(&status)).unwrap();
    assert_eq!(sh(&env, "", "id -u"), "0\n");
    assert_eq!(sh(&env, "--userns keep-id", "id -u"), format!("{id}\n"));
    assert_eq!(sh(&env, "--userns keep-id:uid=77,gid=78", "id -u; id -g"), "77\n78\n");
    let map = sh(&env, "--uidmap +5:@{id}".replace("{id}", &id.to_string()).as_str(), "cat /proc/self/uid_map");
    assert!(map.lines().any(|line| line.split_whitespace().collect::<Vec<_>>() == ["5", &id.to_string(), "1"]), "{map}");
}

#[test]
fn what_cannot_be_executed_is_told_apart() {
    let env = TestEnv::new();
    let root = rootfs(&env);
    fs::write(root.join("bin/data"), "no program").unwrap();
    for (command, code, text) in [
        ("nope", 127, "executable file `nope` not found in $PATH"),
        ("/nope", 127, "executable file `/nope` not found"),
        ("/etc", 126, "is not a regular file"),
        ("/bin/data", 126, "exists but it is not executable"),
    ] {
        let error = fails(&env, code, "", command);
        assert!(error.contains(text), "{error}");
    }
}
