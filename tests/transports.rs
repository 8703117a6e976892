//! Where images come from: all tags of a repository, mirrors and who learns the password, one of several in an archive.

mod env;

use env::{Action, Image, Mock, Registry, TestEnv, images};
use serde_json::json;

/// Busybox with a label, so that images differ.
fn labelled(value: &str) -> Image {
    images::busybox().with("Labels", json!({"which": value}))
}

#[test]
fn all_tags_of_a_repository_are_pulled() {
    let env = TestEnv::new();
    let Some(registry) = Registry::start(&env) else { return };
    for tag in ["1", "2", "latest"] {
        registry.add(&labelled(tag), "many", tag);
    }
    let ids = env.dulse("pull -q --all-tags").arg(registry.reference("many")).ok();
    assert_eq!(ids.lines().count(), 3, "{ids}");
    for tag in ["1", "2", "latest"] {
        assert!(ids.contains(labelled(tag).id().hex()), "{ids}");
        env.dulse("image exists").arg(registry.reference(&format!("many:{tag}"))).ok();
    }
    env.dulse("pull -q --retry 0 --all-tags").arg(registry.reference("none")).fails(125);
}

#[test]
fn a_mirror_does_not_learn_the_password_given_for_the_registry() {
    let env = TestEnv::new();
    let asks = |request: &env::mock::Request| match request.header("authorization") {
        Some(_) => Action::Serve,
        None => Action::Answer(401, vec![("WWW-Authenticate", "Basic realm=\"test\"".into())], Vec::new()),
    };
    let mirror = Mock::serve(&images::busybox(), asks);
    let registry = Mock::serve(&images::busybox(), asks);
    env.configure(
        "registries.conf",
        &format!("[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n", registry.address(), mirror.address()),
    );
    env.dulse("pull -q --retry 0 --creds me:secret").arg(registry.reference("box")).ok();
    assert!(!mirror.requests().is_empty());
    assert!(mirror.requests().iter().all(|request| request.header("authorization").is_none()));
    assert!(registry.requests().iter().any(|request| request.header("authorization").is_some()));
}

#[test]
fn a_password_goes_to_no_token_server_without_encryption() {
    let env = TestEnv::new();
    let challenge = "Bearer realm=\"http://192.0.2.1/token\",service=\"x\"".to_owned();
    let registry = Mock::serve(&images::busybox(), move |_| Action::Answer(401, vec![("WWW-Authenticate", challenge.clone())], Vec::new()));
    // Nothing is called insecure.
    env.configure("registries.conf", "unqualified-search-registries = []\n");
    let run = env.dulse("pull -q --retry 0 --creds me:secret").arg(registry.reference("box")).fails(125);
    assert!(run.stderr.contains("unencrypted"), "{run}");
}

#[test]
fn one_of_several_images_in_an_archive_is_chosen() {
    let env = TestEnv::new();
    let archive = labelled("a").docker_archive(&env.work().join("a.tar"), &["example.com/a:1"]);
    let named = format!("docker-archive:{}:example.com/a:1", archive.display());
    env.dulse("pull -q").arg(&named).ok();
    env.dulse("image exists example.com/a:1").ok();
    env.dulse("pull -q").arg(format!("docker-archive:{}:@0", archive.display())).ok();
    for wrong in ["example.com/b:1", "@1", "@x"] {
        env.dulse("pull -q").arg(format!("docker-archive:{}:{wrong}", archive.display())).fails(125);
    }
    let layout = labelled("b").oci_layout(&env.work().join("layout"), "tagged");
    env.dulse("pull -q").arg(format!("oci:{}:tagged", layout.display())).ok();
    env.dulse("pull -q").arg(format!("oci:{}:other", layout.display())).fails(125);
    env.dulse("pull -q docker-archive:/no/such/file").fails(125);
}
