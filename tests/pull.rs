//! Images from registries and archives, and what goes wrong on the way.

mod env;

use std::fs;

use env::image::{Blob, Compression};
use env::registry::Settings;
use env::{Action, Image, Layer, Mock, Registry, TestEnv, images};
use serde_json::json;

/// An image of several layers, one of them large enough to be cut in the middle.
fn layered() -> Image {
    let noise: Vec<u8> = (0..3_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    images::busybox().layer(Layer::new().file("large", noise)).layer_as(Layer::new().file("third", "3\n").tar(), Compression::Zstd)
}

#[test]
fn an_image_of_a_registry_runs() {
    let env = TestEnv::new();
    let Some(registry) = Registry::start(&env) else { return };
    let image = layered();
    registry.add(&image, "some/where", "v1");
    let reference = registry.reference("some/where:v1");
    let id = env.dulse("pull").arg(&reference).ok();
    assert_eq!(id.trim().rsplit('\n').next().unwrap(), image.id().hex());
    assert_eq!(env.dulse("run --rm --network none").arg(&reference).args(["cat", "/third"]).ok(), "3\n");
    // It has a digest, by which it can be named and pulled, too.
    let digest = env.dulse("image inspect --format {{.Digest}}").arg(&reference).ok();
    let by_digest = format!("{}@{}", registry.reference("some/where"), digest.trim());
    env.dulse("pull -q").arg(&by_digest).ok();
    env.dulse("run --rm --network none --pull never").arg(&by_digest).arg("true").ok();
}

#[test]
fn run_pulls_what_is_missing() {
    let env = TestEnv::new();
    let Some(registry) = Registry::start(&env) else { return };
    registry.add(&images::busybox(), "box", "latest");
    let run = env.dulse("run --rm --network none").arg(registry.reference("box")).args(["echo", "hi"]).fails(0);
    assert_eq!(run.stdout, "hi\n");
    let missing = env.dulse("run --rm").arg(registry.reference("no-such")).fails(125);
    assert!(missing.stderr.contains("no-such"), "{missing}");
}

#[test]
fn every_kind_of_archive_is_pulled_and_loaded() {
    let image = layered();
    let env = TestEnv::new();
    let work = env.work();
    let archive = image.docker_archive(&work.join("docker.tar"), &["localhost/a:latest"]);
    let layout = image.oci_layout(&work.join("layout"), "latest");
    let oci = image.oci_archive(&work.join("oci.tar"), "latest");
    let directory = image.dir(&work.join("directory"));
    let sources = [
        format!("docker-archive:{}", archive.display()),
        format!("oci:{}:latest", layout.display()),
        format!("oci-archive:{}", oci.display()),
        format!("dir:{}", directory.display()),
    ];
    for source in sources {
        env.dulse("pull -q").arg(&source).ok();
        let id = env.dulse("images -q --no-trunc").ok();
        assert_eq!(id.trim(), image.id().as_str(), "{source}");
        assert_eq!(env.dulse("run --rm --network none").arg(image.id().hex()).args(["cat", "/third"]).ok(), "3\n", "{source}");
        env.dulse("rmi -f").arg(image.id().hex()).ok();
    }
    for file in [&archive, &oci] {
        assert!(env.dulse("load -i").arg(file).ok().starts_with("Loaded image"));
        env.dulse("rmi -f").arg(image.id().hex()).ok();
        env.dulse("load -q").stdin(fs::read(file).unwrap()).ok();
        env.dulse("rmi -f").arg(image.id().hex()).ok();
    }
    let compressed = work.join("docker.tar.gz");
    fs::write(&compressed, env::image::gzip(&fs::read(&archive).unwrap())).unwrap();
    env.dulse("load -q -i").arg(compressed).ok();
}

#[test]
fn an_index_is_chosen_from_by_platform() {
    let env = TestEnv::new();
    let Some(registry) = Registry::start(&env) else { return };
    let own = images::busybox();
    let mut other = images::busybox().with("Env", json!(["OTHER=1"]));
    other.platform = dulse::oci::Platform { os: "linux".into(), architecture: "s390x".into(), variant: None };
    registry.add_index(&[&other, &own], "many", "latest");
    let reference = registry.reference("many");
    let id = |line: &str| env.dulse(line).arg(&reference).ok().trim().to_owned();
    assert_eq!(id("pull -q"), own.id().hex());
    assert_eq!(id("pull -q --platform linux/s390x"), other.id().hex());
    assert_eq!(id("pull -q --arch s390x"), other.id().hex());
    let run = env.dulse("pull -q --platform linux/mips64").arg(&reference).fails(125);
    assert!(run.stderr.contains("mips64"), "{run}");
}

#[test]
fn a_password_is_taken_from_the_auth_file_or_the_flag() {
    let env = TestEnv::new();
    let settings = Settings { user: Some(("me", "secret")), tls: false };
    let Some(registry) = Registry::with(&env, &settings) else { return };
    registry.add(&images::busybox(), "private", "latest");
    let reference = registry.reference("private");
    let pull = |flags: &str| env.dulse(&format!("pull -q --retry 0 {flags}")).arg(&reference);
    let denied = pull("").fails(125);
    assert!(denied.stderr.contains("authentication required"), "{denied}");
    pull("--creds me:wrong").fails(125);
    pull("--creds me:secret").ok();
    let auth = |password: &str| {
        let basic = std::process::Command::new("base64")
            .arg("-w0")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut child = basic.unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("me:{password}").as_bytes()).unwrap();
        let encoded = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        json!({"auths": {registry.address(): {"auth": encoded}}}).to_string()
    };
    let file = env.file("auth.json", auth("secret"));
    pull(&format!("--authfile {}", file.display())).ok();
    let usual = env.root().join("run/containers");
    fs::create_dir_all(&usual).unwrap();
    fs::write(usual.join("auth.json"), auth("secret")).unwrap();
    pull("").ok();
    fs::write(usual.join("auth.json"), auth("wrong")).unwrap();
    pull("").fails(125);
    fs::remove_dir_all(usual).unwrap();
}

#[test]
fn a_certificate_is_verified() {
    let env = TestEnv::new();
    env.configure("registries.conf", "unqualified-search-registries = []\n");
    let Some(registry) = Registry::with(&env, &Settings { user: None, tls: true }) else { return };
    registry.add(&images::busybox(), "box", "latest");
    let reference = registry.reference("box");
    let refused = env.dulse("pull -q --retry 0").arg(&reference).fails(125);
    assert!(refused.stderr.contains("certificate"), "{refused}");
    env.dulse("pull -q --retry 0 --tls-verify=false").arg(&reference).ok();
    let certificates = env.root().join("config/containers/certs.d").join(registry.address());
    fs::create_dir_all(&certificates).unwrap();
    fs::copy(registry.ca(), certificates.join("ca.crt")).unwrap();
    env.dulse("pull -q --retry 0").arg(&reference).ok();
    fs::remove_dir_all(&certificates).unwrap();
    let directory = env.work().join("certificates");
    fs::create_dir_all(&directory).unwrap();
    fs::copy(registry.ca(), directory.join("ca.crt")).unwrap();
    env.dulse("pull -q --retry 0 --cert-dir").arg(directory).arg(&reference).ok();
}

#[test]
fn a_bearer_token_is_fetched_and_not_passed_on() {
    let env = TestEnv::new();
    let image = layered();
    let elsewhere = Mock::serve(&image, |_| Action::Serve);
    let target = elsewhere.address();
    let mock = Mock::serve(&image, move |request| {
        if request.path.starts_with("/token") {
            return Action::Answer(200, vec![("Content-Type", "application/json".into())], b"{\"token\":\"the-token\"}".to_vec());
        }
        if request.header("authorization") != Some("Bearer the-token") {
            let host = request.header("host").unwrap_or_default();
            let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"mock\",scope=\"repository:some/image:pull\"");
            return Action::Answer(401, vec![("WWW-Authenticate", challenge)], Vec::new());
        }
        if request.is_blob() {
            return Action::Answer(307, vec![("Location", format!("http://{target}{}", request.path))], Vec::new());
        }
        Action::Serve
    });
    env.dulse("pull -q").arg(mock.reference("some/image")).ok();
    let tokens: Vec<_> = mock.requests().into_iter().filter(|request| request.path.starts_with("/token")).collect();
    assert!(tokens[0].path.contains("service=mock") && tokens[0].path.contains("scope=repository"), "{}", tokens[0].path);
    assert!(!elsewhere.blob_requests().is_empty());
    assert!(elsewhere.requests().iter().all(|request| request.header("authorization").is_none()), "the token went to another host");
}

#[test]
fn refusals_are_clear() {
    let answers = [
        (401, "UNAUTHORIZED"),
        (403, "DENIED"),
        (404, "MANIFEST_UNKNOWN"),
        (429, "TOOMANYREQUESTS"),
        (500, "UNKNOWN"),
        (503, "UNAVAILABLE"),
    ];
    for (status, code) in answers {
        let env = TestEnv::new();
        let mock = Mock::serve(&images::busybox(), move |request| match request.is_manifest() {
            true => Action::error(status, code),
            false => Action::Serve,
        });
        let run = env.dulse("pull --retry 0").arg(mock.reference("box:1")).fails(125);
        assert!(run.stderr.contains(&mock.reference("box")), "{run}");
        let words = [status.to_string(), code.to_lowercase(), format!("the mock says {code}").to_lowercase()];
        let text = run.stderr.to_lowercase();
        assert!(words.iter().any(|word| text.contains(word)), "{run}");
    }
}

#[test]
fn what_passes_is_tried_again() {
    let env = TestEnv::new();
    for status in [429, 500, 503] {
        let mock = Mock::serve(&images::busybox(), move |request| match request.is_manifest() && request.earlier == 0 {
            true => Action::error(status, "UNAVAILABLE"),
            false => Action::Serve,
        });
        env.dulse("pull -q --retry 2 --retry-delay 10ms").arg(mock.reference("box")).ok();
    }
}

#[test]
fn a_cut_blob_is_resumed_by_range() {
    let env = TestEnv::new();
    let mock = Mock::serve(&layered(), |request| match request.is_blob() && request.method == "GET" && request.earlier == 0 {
        true => Action::CutAfter(100_000),
        false => Action::Serve,
    });
    env.dulse("pull -q --retry-delay 10ms").arg(mock.reference("box")).ok();
    let resumed = mock.blob_requests().into_iter().filter_map(|request| request.header("range").map(str::to_owned)).collect::<Vec<_>>();
    assert!(resumed.iter().any(|range| range == "bytes=100000-"), "{resumed:?}");
    env.dulse("run --rm --network none").arg(mock.reference("box")).args(["cat", "/third"]).ok();
}

#[test]
fn a_cut_blob_starts_again_where_the_registry_knows_no_range() {
    let env = TestEnv::new();
    let mock = Mock::serve(&layered(), |request| match request.is_blob() && request.method == "GET" && request.earlier == 0 {
        true => Action::CutAfter(100_000),
        false => Action::ServeWhole,
    });
    env.dulse("pull -q --retry-delay 10ms").arg(mock.reference("box")).ok();
    env.dulse("run --rm --network none").arg(mock.reference("box")).args(["cat", "/third"]).ok();
}

#[test]
fn a_registry_that_always_breaks_off_is_given_up() {
    let env = TestEnv::new();
    let mock = Mock::serve(&layered(), |request| if request.is_blob() { Action::CutAfter(0) } else { Action::Serve });
    let run = env.dulse("pull -q --retry 1 --retry-delay 10ms").arg(mock.reference("box")).fails(125);
    assert!(run.stderr.contains(&mock.address()), "{run}");
    assert_eq!(env.dulse("images -q").ok(), "");
}

#[test]
fn a_manifest_of_a_wrong_type_or_size_is_refused() {
    let image = images::busybox();
    let blobs = image.blobs();
    let wrong = [
        ("text/html", b"<html>log in first</html>".to_vec()),
        ("application/vnd.oci.image.manifest.v1+json", b"{".to_vec()),
        ("application/vnd.oci.image.manifest.v1+json", b"[]".to_vec()),
        ("application/vnd.oci.image.manifest.v1+json", Vec::new()),
        // Larger than any manifest may be.
        ("application/vnd.oci.image.manifest.v1+json", [blobs.manifest.bytes.clone(), vec![b' '; 20 << 20]].concat()),
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", b"{\"schemaVersion\":1}".to_vec()),
    ];
    for (kind, bytes) in wrong {
        let env = TestEnv::new();
        let mock = Mock::serve_blobs(blobs.all().cloned().collect(), Blob::new(kind, bytes), |_| Action::Serve);
        env.dulse("pull --retry 0").arg(mock.reference("box")).fails(125);
        assert_eq!(env.dulse("images -q").ok(), "");
    }
}

#[test]
fn a_manifest_that_is_not_what_its_digest_says_is_refused() {
    let env = TestEnv::new();
    let image = images::busybox();
    let other = layered().blobs().manifest;
    let digest = image.blobs().manifest.digest;
    let bytes = other.bytes.clone();
    let mock = Mock::serve(&image, move |request| match request.is_manifest() {
        true => Action::Answer(200, vec![("Content-Type", other.media_type.clone())], bytes.clone()),
        false => Action::Serve,
    });
    let run = env.dulse("pull --retry 0").arg(format!("{}@{digest}", mock.reference("box"))).fails(125);
    assert!(run.stderr.contains("digest"), "{run}");
}

#[test]
fn what_is_here_already_is_not_fetched_again() {
    let env = TestEnv::new();
    let mock = Mock::serve(&layered(), |_| Action::Serve);
    env.dulse("pull -q").arg(mock.reference("box")).ok();
    let layers = layered().blobs().layers;
    let fetched = |mock: &Mock| {
        mock.blob_requests().into_iter().filter(|request| layers.iter().any(|layer| request.path.ends_with(layer.digest.as_str()))).count()
    };
    assert_eq!(fetched(&mock), 3);
    env.dulse("pull -q").arg(mock.reference("box")).ok();
    assert_eq!(fetched(&mock), 3);
    // Nor are layers of another image.
    let upon = layered().layer(Layer::new().file("fourth", "4"));
    let other = Mock::serve(&upon, |_| Action::Serve);
    env.dulse("pull -q").arg(other.reference("upon")).ok();
    assert_eq!(fetched(&other), 0, "{:?}", other.blob_requests());
}

#[test]
fn two_pulls_of_one_image_share_the_work() {
    let env = TestEnv::new();
    let image = layered();
    let large = image.blobs().layers[1].digest.clone();
    // Slow enough for the second to come while the first is at work.
    let mock = Mock::serve(&image, |request| {
        if request.is_blob() {
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        Action::Serve
    });
    let reference = mock.reference("box");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| env.dulse("pull -q").arg(&reference).ok());
        }
    });
    let fetched = mock.blob_requests().into_iter().filter(|request| request.path.ends_with(large.as_str())).count();
    assert_eq!(fetched, 1, "the layer was fetched {fetched} times");
}

#[test]
fn plain_http_is_for_loopback_only() {
    let env = TestEnv::new();
    env.configure("registries.conf", "unqualified-search-registries = []\n");
    let mock = Mock::serve(&images::busybox(), |_| Action::Serve);
    env.dulse("pull -q --retry 0").arg(mock.reference("box")).ok();
    // The machine's own name is not loopback to those who resolve it; a reserved address answers nobody.
    env.dulse("pull -q --retry 0 192.0.2.1:1/box").timeout(std::time::Duration::from_secs(50)).fails(125);
}

#[test]
fn short_names_are_resolved_as_registries_conf_says() {
    let env = TestEnv::new();
    let mock = Mock::serve(&images::busybox(), |_| Action::Serve);
    let address = mock.address();
    let insecure = format!("[[registry]]\nlocation = \"{address}\"\ninsecure = true\n");
    let run = env.dulse("pull -q --retry 0 some-name").fails(125);
    assert!(run.stderr.contains("some-name"), "{run}");
    env.configure(
        "registries.conf",
        &format!("unqualified-search-registries = []\n{insecure}[aliases]\n\"some-name\" = \"{address}/aliased\"\n"),
    );
    env.dulse("pull -q some-name").ok();
    assert!(mock.requests().iter().any(|request| request.path.contains("/v2/aliased/")));
    env.configure(
        "registries.conf",
        &format!("unqualified-search-registries = [\"{address}\"]\nshort-name-mode = \"permissive\"\n{insecure}"),
    );
    env.dulse("pull -q other-name").ok();
    assert!(mock.requests().iter().any(|request| request.path.contains("/v2/other-name/")));
    // A mirror, and a registry that is blocked.
    env.configure(
        "registries.conf",
        &format!(
            "[[registry]]\nlocation = \"registry.invalid\"\n[[registry.mirror]]\nlocation = \"{address}/mirrored\"\ninsecure = true\n"
        ),
    );
    env.dulse("pull -q --retry 0 registry.invalid/thing").ok();
    assert!(mock.requests().iter().any(|request| request.path.contains("/v2/mirrored/thing/")));
    env.configure("registries.conf", &format!("[[registry]]\nlocation = \"{address}\"\nblocked = true\n"));
    let run = env.dulse("pull -q --retry 0").arg(mock.reference("box")).fails(125);
    assert!(run.stderr.contains("blocked"), "{run}");
}

#[test]
fn the_policy_can_forbid() {
    let env = TestEnv::new();
    env.configure("policy.json", "{\"default\": [{\"type\": \"reject\"}]}\n");
    let mock = Mock::serve(&images::busybox(), |_| Action::Serve);
    let run = env.dulse("pull -q --retry 0").arg(mock.reference("box")).fails(125);
    assert!(run.stderr.contains("polic") || run.stderr.contains("reject"), "{run}");
    assert!(mock.blob_requests().is_empty());
}

#[test]
fn progress_is_lines_off_a_terminal_and_bars_on_one() {
    let env = TestEnv::new();
    let mock = Mock::serve(&layered(), |_| Action::Serve);
    let run = env.dulse("pull").arg(mock.reference("box")).fails(0);
    assert!(run.stderr.starts_with("Trying to pull "), "{run}");
    assert!(!run.stderr.contains('\u{1b}') && !run.stderr.contains('\r'), "{run}");
    assert!(run.stderr.contains("Writing manifest to image destination"), "{run}");
    env.dulse("rmi -a -f").ok();
    let shown = env.dulse("pull").arg(mock.reference("box")).pty().wait();
    assert_eq!(shown.code, 0, "{shown}");
    assert!(shown.stdout.contains('\u{1b}') || shown.stdout.contains('\r'), "{shown}");
    env.dulse("rmi -a -f").ok();
    let quiet = env.dulse("pull -q").arg(mock.reference("box")).fails(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_debian_runs() {
    let Some(debian) = images::debian() else { return };
    let env = TestEnv::new();
    let Some(registry) = Registry::start(&env) else { return };
    registry.add(&debian, "debian", "latest");
    let reference = registry.reference("debian");
    env.dulse("pull -q").arg(&reference).ok();
    let script =
        "dpkg -l | grep -c ^ii; touch /new && apt-get --version | head -n 1 && su nobody -s /bin/sh -c id && stat -c %U:%G /var/mail";
    let shown = env.dulse("run --rm --network none").arg(&reference).args(["bash", "-c", script]).ok();
    assert!(shown.contains("uid=65534(nobody)") && shown.contains("root:mail"), "{shown}");
}
