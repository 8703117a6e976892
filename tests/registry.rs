//! The registry of the tests itself, and the images made for it.

mod env;

use env::{Registry, TestEnv, images};

#[test]
fn the_registry_serves_what_was_added() {
    let env = TestEnv::new();
    let Some(registry) = Registry::start(&env) else { return };
    let image = images::busybox();
    let digest = registry.add(&image, "library/busybox", "1");
    let url = format!("http://{}/v2/library/busybox/manifests/1", registry.address());
    let shown = env.program("curl").args(["-fsSI", "-H", "Accept: application/vnd.oci.image.manifest.v1+json", &url]).ok();
    assert!(shown.contains(digest.as_str()), "{shown}");
    let index = registry.add_index(&[&image], "library/busybox", "many");
    let url = format!("http://{}/v2/library/busybox/manifests/many", registry.address());
    let shown = env.program("curl").args(["-fsSI", "-H", "Accept: application/vnd.oci.image.index.v1+json", &url]).ok();
    assert!(shown.contains(index.as_str()), "{shown}");
}

#[test]
fn the_registry_asks_for_a_password_and_speaks_tls() {
    let env = TestEnv::new();
    let settings = env::registry::Settings { user: Some(("me", "secret")), tls: true };
    let Some(registry) = Registry::with(&env, &settings) else { return };
    let url = format!("https://{}/v2/", registry.address());
    let curl = |extra: &[&str]| {
        env.program("curl").args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"]).arg(registry.ca()).args(extra).arg(&url).ok()
    };
    assert_eq!(curl(&[]), "401");
    assert_eq!(curl(&["-u", "me:secret"]), "200");
}
