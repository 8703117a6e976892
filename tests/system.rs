//! `system df`, `system prune`, `system reset`, `container prune`.

mod env;

use std::fs;

use env::TestEnv;

#[test]
fn df_counts_what_there_is() {
    let env = TestEnv::with_busybox();
    env.dulse("run --network none --name c -v v:/v busybox sh -c 'head -c 10000 /dev/zero >/x; head -c 5000 /dev/zero >/v/x'").ok();
    let table = env.dulse("system df").ok();
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    assert_eq!(lines[1][..3], ["Images", "1", "1"]);
    assert_eq!(lines[2][..3], ["Containers", "1", "0"]);
    assert_eq!(lines[3], ["Local", "Volumes", "1", "1", "5kB", "0B", "(0%)"]);
    let json: serde_json::Value = serde_json::from_str(&env.dulse("system df --format json").ok()).unwrap();
    assert!(json[1]["RawSize"].as_u64().is_some_and(|size| size >= 10_000), "{json}");
    assert!(
        env.dulse("system df -v")
            .ok()
            .contains("Local Volumes space usage:\n\nVOLUME NAME  LINKS       SIZE\nv            1           5kB\n")
    );
}

#[test]
fn prune_removes_what_nothing_uses() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name up busybox sleep 1000").ok();
    let id = env.dulse("create --name down busybox true").ok();
    env.dulse("volume create v").ok();
    let run = env.dulse("system prune --volumes").fails(125);
    assert!(run.stdout.contains("\t- all volumes not used by at least one container\n\t- all dangling images\n"), "{run}");
    let done = env.dulse("system prune -f").ok();
    assert_eq!(done, format!("Deleted Containers\n{id}Total reclaimed space: 0B\n"));
    assert_eq!(env.dulse("system prune -f --volumes").ok(), "Deleted Volumes\nv\nTotal reclaimed space: 0B\n");
    assert_eq!(env.dulse("ps -a --format '{{.Names}}'").ok(), "up\n");
    env.dulse("rm -f -t 0 up").ok();
    assert!(env.dulse("system prune -a -f").ok().starts_with("Deleted Images\n"));
    assert_eq!(env.dulse("images -q").ok(), "");
}

#[test]
fn container_prune_leaves_what_runs() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name up busybox sleep 1000").ok();
    let id = env.dulse("create --name down busybox true").ok();
    let run = env.dulse("container prune").fails(125);
    assert!(run.stdout.starts_with("WARNING! This will remove all non running containers.\n"), "{run}");
    assert_eq!(env.dulse("container prune -f --filter until=1h").ok(), "");
    env.dulse("container prune -f --filter foo=x").fails(125);
    assert_eq!(env.dulse("container prune -f").ok(), id);
    env.dulse("container exists up").ok();
    env.dulse("container exists down").fails(1);
}

#[test]
fn reset_works_where_the_store_is_broken() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name c busybox sleep 1000").ok();
    let pid: i32 = env.inspect("c", ".State.Pid").parse().unwrap();
    fs::remove_dir_all(env.data().join("tags")).unwrap();
    fs::write(env.data().join("tags"), "no directory").unwrap();
    fs::remove_dir_all(env.data().join("containers/by-name")).unwrap();
    env.dulse("system reset --force").ok();
    assert!(!env.data().exists());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    // And all begins anew.
    assert_eq!(env.dulse("ps -aq").ok(), "");
}
