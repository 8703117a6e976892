//! A real docker-registry on loopback, which ends with the test.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dulse::oci::Digest;

use super::TestEnv;
use super::host;
use super::image::{Blob, Image, index};

/// What the registry asks of its clients.
#[derive(Default)]
pub struct Settings {
    /// Basic authentication: user and password.
    pub user: Option<(&'static str, &'static str)>,
    /// HTTPS with a certificate for 127.0.0.1 and localhost of a CA made for it ([`Registry::ca`]).
    pub tls: bool,
}

/// A registry, its content in a directory of the test.
pub struct Registry {
    child: Child,
    directory: PathBuf,
    port: u16,
}

impl Registry {
    /// Plain HTTP for everybody; a `skipped:` line and nothing where there is no docker-registry.
    pub fn start(env: &TestEnv) -> Option<Self> {
        Self::with(env, &Settings::default())
    }

    pub fn with(env: &TestEnv, settings: &Settings) -> Option<Self> {
        let program = host::need("docker-registry")?;
        // A port is free only until somebody else takes it: then the next attempt finds another.
        (0..5).find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            Self::serve(env, settings, &program, port)
        })
    }

    fn serve(env: &TestEnv, settings: &Settings, program: &Path, port: u16) -> Option<Self> {
        let directory = env.root().join(format!("registry-{port}"));
        fs::create_dir_all(directory.join("content")).unwrap();
        let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let mut configuration = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            at("content")
        );
        if settings.tls {
            certificate(&directory);
            configuration += &format!("  tls: {{certificate: {}, key: {}}}\n", at("server.crt"), at("server.key"));
        }
        if let Some((user, password)) = settings.user {
            let line = Command::new("htpasswd").args(["-Bbn", user, password]).output().expect("htpasswd (package apache2-utils)");
            fs::write(at("htpasswd"), line.stdout).unwrap();
            configuration += &format!("auth:\n  htpasswd: {{realm: tests, path: {}}}\n", at("htpasswd"));
        }
        fs::write(at("config.yml"), configuration).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        // The thread of the test is its parent: it ends with the test even where that ends by a signal.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(["serve", &at("config.yml")]);
        let mut child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        for _ in 0..500 {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(Self { child, directory, port });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        let log = fs::read_to_string(at("log")).unwrap_or_default();
        assert!(log.contains("address already in use"), "docker-registry does not start: {log}");
        None
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The full reference of a name in this registry.
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address())
    }

    /// The certificate of the CA that signed the registry's own.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    /// Puts an image into the registry as `repository:tag` and returns its manifest's digest. It goes into the registry's own files, so that
    /// it needs no push and no permission.
    pub fn add(&self, image: &Image, repository: &str, tag: &str) -> Digest {
        let blobs = image.blobs();
        blobs.all().for_each(|blob| self.add_blob(blob, repository));
        self.tag(&blobs.manifest, repository, tag);
        blobs.manifest.digest
    }

    /// Puts images into the registry under one image index.
    pub fn add_index(&self, images: &[&Image], repository: &str, tag: &str) -> Digest {
        for image in images {
            let blobs = image.blobs();
            blobs.all().for_each(|blob| self.add_blob(blob, repository));
            self.link(repository, "_manifests/revisions", &blobs.manifest.digest);
        }
        let index = index(images);
        self.add_blob(&index, repository);
        self.tag(&index, repository, tag);
        index.digest
    }

    /// Stores one blob.
    pub fn add_blob(&self, blob: &Blob, repository: &str) {
        let path = self.blob_path(&blob.digest);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &blob.bytes).unwrap();
        self.link(repository, "_layers", &blob.digest);
    }

    /// Where the registry keeps a blob: tests that damage it write there.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.directory.join("content/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
    }

    /// Names a manifest that is in the registry already, and is not looked at.
    pub fn tag(&self, manifest: &Blob, repository: &str, tag: &str) {
        self.link(repository, "_manifests/revisions", &manifest.digest);
        let tags = format!("_manifests/tags/{tag}");
        self.link(repository, &format!("{tags}/index"), &manifest.digest);
        let current = self.repository(repository).join(tags).join("current");
        fs::create_dir_all(&current).unwrap();
        fs::write(current.join("link"), manifest.digest.as_str()).unwrap();
    }

    fn link(&self, repository: &str, kind: &str, digest: &Digest) {
        let directory = self.repository(repository).join(kind).join("sha256").join(digest.hex());
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("link"), digest.as_str()).unwrap();
    }

    fn repository(&self, repository: &str) -> PathBuf {
        self.directory.join("content/docker/registry/v2/repositories").join(repository)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes ca.crt, and server.crt and server.key signed by it, for 127.0.0.1 and localhost.
fn certificate(directory: &Path) {
    let mut extensions = fs::File::create(directory.join("extensions")).unwrap();
    extensions.write_all(b"subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    for line in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=tests-ca -keyout ca.key -out ca.crt",
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr",
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.crt",
    ] {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(directory).output().expect("openssl (package openssl)");
        assert!(made.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&made.stderr));
    }
}
