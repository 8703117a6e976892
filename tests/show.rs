//! `ps`, `inspect`, `port`, `top`, `events`, `version`, templates: what is told of containers.

mod env;

use env::TestEnv;

#[test]
fn ps_prints_podmans_table() {
    let env = TestEnv::with_busybox();
    assert_eq!(env.dulse("ps").ok(), "CONTAINER ID  IMAGE       COMMAND     CREATED     STATUS      PORTS       NAMES\n");
    let id = env.dulse("create --name c --expose 7000-7003 busybox sh -c 'echo a long command line'").ok();
    let table = env.dulse("ps -a").ok();
    let line = table.lines().nth(1).unwrap_or_default();
    assert!(line.starts_with(&id[..12]), "{table}");
    assert!(line.contains("  localhost/busybox:latest  sh -c echo a long...  "), "{table}");
    assert!(line.ends_with("  Created     7000-7003/tcp  c"), "{table}");
    assert_eq!(env.dulse("ps -aq").ok(), format!("{}\n", &id[..12]));
    assert_eq!(env.dulse("ps -q").ok(), "");
    assert_eq!(env.dulse("ps -aq --no-trunc").ok(), id);
    assert!(!env.dulse("ps -a --noheading").ok().contains("CONTAINER"));
}

#[test]
fn ps_filters_by_what_podman_filters_by() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name up --label app=web -v vol:/v busybox sleep 1000").ok();
    env.dulse("run --network none --name down busybox false").fails(1);
    env.dulse("create --name new --restart always busybox true").ok();
    let cases = [
        ("name=^u", "up"),
        ("status=exited", "down"),
        ("status=created", "new"),
        ("exited=1", "down"),
        ("label=app", "up"),
        ("label=app=w*", "up"),
        ("label!=app", "down new"),
        ("ancestor=busybox", "up down new"),
        ("before=down", "up"),
        ("since=down", "new"),
        ("volume=vol", "up"),
        ("network=none", "up down"),
        ("restart-policy=always", "new"),
        ("command=sleep", "up"),
        ("until=1h", ""),
    ];
    for (filter, expected) in cases {
        let found = env.dulse(&format!("ps -a --format '{{{{.Names}}}}' --filter {filter}")).ok();
        assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{filter}");
    }
    for wrong in ["foo=bar", "name", "status=foo", "exited=x", "before=nope", "until=nope", "restart-policy=foo"] {
        env.dulse(&format!("ps --filter {wrong}")).fails(125);
    }
}

#[test]
fn ps_sorts_and_limits() {
    let env = TestEnv::with_busybox();
    for name in ["b", "a", "c"] {
        env.dulse(&format!("create --name {name} busybox true")).ok();
    }
    let names = |flags: &str| env.dulse(&format!("ps -a {flags} --format '{{{{.Names}}}}'")).ok().split_whitespace().collect::<String>();
    assert_eq!(names(""), "bac");
    assert_eq!(names("--sort names"), "abc");
    assert_eq!(names("-l"), "c");
    assert_eq!(names("-n 2"), "ac");
    env.dulse("ps --sort foo").fails(125);
    env.dulse("ps -l -n 2").fails(125);
}

#[test]
fn templates_print_and_fail_as_gos() {
    let env = TestEnv::with_busybox();
    env.dulse("create --name c --label x=y busybox true").ok();
    let print = |format: &str| env.dulse("ps -a --format").arg(format).run();
    assert_eq!(print("{{.Names}} {{.Labels}} {{.Label \"x\"}} {{upper .Image}}").stdout, "c map[x:y] y LOCALHOST/BUSYBOX:LATEST\n");
    assert_eq!(print("table {{.Names}} {{.Status}}").stdout, "NAMES       STATUS\nc           Created\n");
    let run = print("{{.Names}} {{.Foo}}");
    assert_eq!((run.code, run.stdout.as_str()), (125, "c "));
    assert_eq!(
        run.stderr,
        "Error: template: ps:1:24: executing \"ps\" at <.Foo>: can't evaluate field Foo in type containers.psReporter\n"
    );
    let json: serde_json::Value = serde_json::from_str(&env.dulse("ps -a --format json").ok()).unwrap();
    assert_eq!((json[0]["Names"][0].as_str(), json[0]["State"].as_str()), (Some("c"), Some("created")));
}

#[test]
fn inspect_is_an_array_of_what_was_found() {
    let env = TestEnv::with_busybox();
    env.dulse("create --name c -e A=b -v vol:/v:ro --hostname h --restart on-failure:3 --cap-add NET_ADMIN busybox sleep 1").ok();
    let json: serde_json::Value = serde_json::from_str(&env.dulse("inspect c").ok()).unwrap();
    let container = &json[0];
    assert_eq!(container["Path"], "sleep");
    assert_eq!(container["Args"], serde_json::json!(["1"]));
    assert_eq!(container["State"]["Status"], "created");
    assert_eq!(container["Config"]["Hostname"], "h");
    assert_eq!(container["Mounts"][0]["Name"], "vol");
    assert_eq!(container["Mounts"][0]["RW"], false);
    assert_eq!(container["HostConfig"]["RestartPolicy"], serde_json::json!({"Name": "on-failure", "MaximumRetryCount": 3}));
    assert_eq!(container["HostConfig"]["CapAdd"], serde_json::json!(["CAP_NET_ADMIN"]));
    let run = env.dulse("inspect c nope").fails(125);
    assert!(run.stdout.starts_with("[\n     {\n          \"Id\"") && run.stderr == "Error: no such object: \"nope\"\n", "{run}");
    assert_eq!(env.dulse("inspect nope").fails(125).stdout, "[]\n");
    assert_eq!(env.dulse("inspect -t volume vol -f '{{.Name}}'").ok(), "vol\n");
    assert_eq!(env.dulse("inspect -t image busybox -f '{{.Os}}'").ok(), "linux\n");
    env.dulse("inspect -t container busybox").fails(125);
    env.dulse("inspect -t foo c").fails(125);
    let size = env.dulse("inspect -s c -f '{{.SizeRw}}'").ok();
    assert!(size.trim().parse::<u64>().is_ok(), "{size}");
}

#[test]
fn top_shows_the_processes_as_the_container_sees_them() {
    let env = TestEnv::with_busybox();
    env.dulse("run -d --network none --name c -u 1000:1000 busybox sleep 1000").ok();
    let table = env.dulse("top c").ok();
    let mut lines = table.lines();
    assert_eq!(
        lines.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" "),
        "USER PID PPID %CPU ELAPSED TTY TIME COMMAND"
    );
    let cells: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!((cells[1], cells[2], cells[7], cells[8]), ("1", "0", "sleep", "1000"));
    let table = env.dulse("top c uid,hpid state seccomp").ok();
    let cells: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(cells, ["1000", env.inspect("c", ".State.Pid").as_str(), "S", "filter"]);
    env.dulse("top nope").fails(125);
    env.dulse("stop -t 0 c").ok();
    assert!(env.dulse("top c").fails(125).stderr.contains("top can only be used on running containers"));
}

#[test]
fn events_are_told_in_their_order_and_as_they_come() {
    let env = TestEnv::with_busybox();
    env.dulse("run --network none --name c busybox sh -c 'exit 3'").fails(3);
    env.dulse("rm c").ok();
    let past = env.dulse("events --stream=false --filter container=c --format '{{.Status}}'").ok();
    assert_eq!(
        past.split_whitespace().filter(|status| *status != "attach").collect::<Vec<_>>(),
        ["create", "init", "start", "died", "remove"]
    );
    let died = env.dulse("events --stream=false --filter event=died --format '{{.ContainerExitCode}} {{.Name}}'").ok();
    assert_eq!(died, "3 c\n");
    let mut follower = env.dulse("events --filter type=volume --format '{{.Status}} {{.Name}}'").spawn();
    // It may take a moment until it listens.
    env.eventually("an event arrives", || {
        env.dulse("volume create v").ok();
        env.dulse("volume rm v").ok();
        follower.is_running()
    });
    assert!(follower.read_until("remove v").contains("create v"));
    follower.signal(nix::sys::signal::Signal::SIGTERM);
    follower.wait();
    env.dulse("events --filter foo=x").fails(125);
    env.dulse("events --since nope").fails(125);
}

#[test]
fn version_and_completion_print_something_useful() {
    let env = TestEnv::new();
    let version = env.dulse("version --format '{{.Client.Version}}'").ok();
    assert_eq!(env.dulse("--version").ok(), format!("dulse {version}"));
    for shell in ["bash", "zsh", "fish", "powershell"] {
        assert!(env.dulse(&format!("completion {shell}")).ok().contains("dulse"), "{shell}");
    }
    env.dulse("completion tcsh").fails(125);
}

#[test]
fn a_wrong_command_line_is_answered_as_by_podman() {
    let env = TestEnv::new();
    assert_eq!(env.dulse("ps --nope").fails(125).stderr, "Error: unknown flag: --nope\nSee 'dulse ps --help'\n");
    assert_eq!(env.dulse("rename a").fails(125).stderr, "Error: accepts 2 arg(s), received 1\n");
    assert!(env.dulse("foo").fails(125).stderr.starts_with("Error: unrecognized command `dulse foo`"));
    assert!(env.dulse("container").fails(125).stderr.ends_with("Error: missing command 'dulse container COMMAND'\n"));
}
