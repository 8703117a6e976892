//! `volume create ls inspect rm prune exists`.

mod env;

use env::TestEnv;

#[test]
fn volumes_are_made_listed_and_removed() {
    let env = TestEnv::new();
    assert_eq!(env.dulse("volume create v").ok(), "v\n");
    assert_eq!(env.dulse("volume create --label a=b w").ok(), "w\n");
    assert_eq!(env.dulse("volume create").ok().trim().len(), 64);
    let run = env.dulse("volume create v").fails(125);
    assert_eq!(run.stderr, "Error: volume with name v already exists: volume already exists\n");
    env.dulse("volume create --ignore v").ok();
    env.dulse("volume create 'a@b'").fails(125);
    env.dulse("volume create -d foo x").fails(125);
    assert!(env.dulse("volume ls").ok().starts_with("DRIVER      VOLUME NAME\nlocal       v\nlocal       w\n"));
    assert_eq!(env.dulse("volume ls -q --filter label=a=b").ok(), "w\n");
    assert_eq!(env.dulse("volume ls --filter name=^v --format '{{.Name}} {{.Driver}} {{.Scope}}'").ok(), "v local local\n");
    env.dulse("volume exists v").ok();
    env.dulse("volume exists nope").fails(1);
    let json: serde_json::Value = serde_json::from_str(&env.dulse("volume inspect w").ok()).unwrap();
    assert_eq!((json[0]["Name"].as_str(), json[0]["Labels"]["a"].as_str()), (Some("w"), Some("b")));
    assert_eq!(env.dulse("volume inspect nope").fails(125).stderr, "Error: no such volume nope\n");
    env.dulse("volume rm nope").fails(1);
    assert_eq!(env.dulse("volume rm v").ok(), "v\n");
    assert_eq!(env.dulse("volume rm -a").ok().lines().count(), 2);
    env.dulse("volume rm").fails(125);
}

#[test]
fn a_volume_in_use_stays_unless_forced() {
    let env = TestEnv::with_busybox();
    env.dulse("create --name c -v v:/v busybox true").ok();
    let run = env.dulse("volume rm v").fails(2);
    assert!(run.stderr.contains("volume v is being used by the following container(s)"), "{run}");
    assert_eq!(env.dulse("volume prune -f").ok(), "");
    assert_eq!(env.dulse("volume ls -q --filter dangling=false").ok(), "v\n");
    assert_eq!(env.dulse("volume rm -f v").ok(), "v\n");
    assert_eq!(env.dulse("ps -aq").ok(), "");
}

#[test]
fn prune_asks_and_names_what_it_will_remove() {
    let env = TestEnv::new();
    env.dulse("volume create one").ok();
    env.dulse("volume create --label keep two").ok();
    let run = env.dulse("volume prune").stdin("n\n").ok();
    assert!(run.contains("The following volumes will be removed:\none\ntwo\nAre you sure you want to continue? [y/N] "), "{run}");
    assert_eq!(env.dulse("volume prune -f --filter label!=keep").ok(), "one\n");
    assert_eq!(env.dulse("volume prune -f").ok(), "two\n");
    env.dulse("volume prune -f --filter foo=x").fails(125);
}
