//! `images`, `tag`, `untag`, `rmi`, `history`, `image prune`: the store's images by their names.

mod env;

use env::TestEnv;

#[test]
fn an_image_has_a_line_for_each_name() {
    let env = TestEnv::with_busybox();
    // The newest name is first; a file system's clock goes by ticks of some milliseconds.
    for name in ["foo:1", "docker.io/alpine"] {
        std::thread::sleep(std::time::Duration::from_millis(50));
        env.dulse("tag busybox").arg(name).ok();
    }
    let names = env.dulse("images --format '{{.Repository}}:{{.Tag}}'").ok();
    assert_eq!(names, "docker.io/library/alpine:latest\nlocalhost/foo:1\nlocalhost/busybox:latest\n");
    let ids = env.dulse("images -q").ok();
    assert_eq!(ids.lines().count(), 1);
    assert!(env.dulse("images --no-trunc -q").ok().starts_with("sha256:"));
    assert!(env.dulse("images").ok().starts_with("REPOSITORY                TAG         IMAGE ID      CREATED"));
    assert_eq!(env.dulse("images -n localhost/foo:1").ok().lines().count(), 1);
    assert_eq!(env.dulse("images -q nope").ok(), "");
    let json: serde_json::Value = serde_json::from_str(&env.dulse("images --format json").ok()).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["Names"][2], "localhost/busybox:latest");
    env.dulse("images -f foo=x").fails(125);
    env.dulse("images --sort foo").fails(125);
}

#[test]
fn names_come_and_go() {
    let env = TestEnv::with_busybox();
    env.dulse("tag busybox one two:2").ok();
    assert_eq!(env.dulse("tag busybox 'BAD Name'").fails(125).stdout, "");
    assert_eq!(env.dulse("tag nope x").fails(125).stderr, "Error: nope: image not known\n");
    env.dulse("untag busybox one").ok();
    assert_eq!(env.dulse("untag busybox one").fails(125).stderr, "Error: localhost/one:latest: tag not known\n");
    env.dulse("image exists two:2").ok();
    env.dulse("image exists one").fails(1);
    // Without a name, all go.
    env.dulse("untag busybox").ok();
    assert_eq!(env.dulse("images --format '{{.Repository}}'").ok(), "<none>\n");
    assert_eq!(env.dulse("images -q --filter dangling=true").ok().lines().count(), 1);
}

#[test]
fn rmi_untags_then_deletes_and_minds_containers() {
    let env = TestEnv::with_busybox();
    env.dulse("tag busybox other").ok();
    assert_eq!(env.dulse("rmi other").ok(), "Untagged: localhost/other:latest\n");
    env.dulse("create --name c busybox true").ok();
    let run = env.dulse("rmi busybox").fails(2);
    assert!(run.stderr.contains("image is in use by a container"), "{run}");
    assert_eq!(env.dulse("rmi nope").fails(1).stderr, "Error: nope: image not known\n");
    env.dulse("rmi -i nope").ok();
    let run = env.dulse("rmi -f busybox").ok();
    assert!(run.starts_with("Untagged: localhost/busybox:latest\nDeleted: "), "{run}");
    assert_eq!(env.dulse("ps -aq").ok(), "");
    assert_eq!(env.dulse("images -q").ok(), "");
}

#[test]
fn an_image_of_several_names_is_not_removed_by_id_without_force() {
    let env = TestEnv::with_busybox();
    env.dulse("tag busybox other").ok();
    let id = env.dulse("images -q").ok();
    let run = env.dulse("rmi").arg(id.trim()).fails(125);
    assert!(run.stderr.contains("by ID with more than one tag"), "{run}");
    env.dulse("rmi -f").arg(id.trim()).ok();
    assert_eq!(env.dulse("images -q").ok(), "");
}

#[test]
fn prune_removes_what_has_no_name_or_no_container() {
    let env = TestEnv::with_busybox();
    env.dulse("image prune -f").ok();
    assert_eq!(env.dulse("images -q").ok().lines().count(), 1);
    let run = env.dulse("image prune -a").fails(125);
    assert!(run.stdout.starts_with("WARNING! This command removes all images without at least one container"), "{run}");
    assert_eq!(env.dulse("image prune -a").stdin("n\n").ok().lines().count(), 2);
    env.dulse("create --name c busybox true").ok();
    env.dulse("image prune -a -f").ok();
    assert_eq!(env.dulse("images -q").ok().lines().count(), 1);
    env.dulse("rm c").ok();
    assert_eq!(env.dulse("image prune -a -f").ok().lines().count(), 1);
    assert_eq!(env.dulse("images -q").ok(), "");
}

#[test]
fn history_goes_from_the_last_step_to_the_first() {
    let env = TestEnv::with_busybox();
    let ids = env.dulse("history -q busybox").ok();
    let id = env.dulse("images -q").ok();
    assert_eq!(ids.lines().next(), id.lines().next());
    assert!(env.dulse("history busybox").ok().starts_with("ID            CREATED"));
    let json: serde_json::Value = serde_json::from_str(&env.dulse("history --format json busybox").ok()).unwrap();
    assert_eq!(json[0]["tags"][0], "localhost/busybox:latest");
    env.dulse("history nope").fails(125);
}
