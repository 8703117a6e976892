//! The two engines, each in a world of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::case::Case;
use crate::compare::Outcome;
use crate::env::{self, TestEnv, host, images};

/// Podman of version 5 or newer, or why there is none.
pub fn podman() -> Result<(), String> {
    let hint = "called by root, `make test` makes a tree of Debian 13 that holds one";
    let path = host::program("podman").ok_or_else(|| format!("no podman to compare with; {hint}"))?;
    let version = Command::new(path).arg("--version").output().map_err(|error| format!("podman: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let major = version.rsplit(' ').next().and_then(|number| number.split('.').next()?.parse::<u32>().ok());
    match major {
        Some(5..) => Ok(()),
        _ => Err(format!("{version} is too old to compare with; {hint}")),
    }
}

/// Runs the case under dulse.
pub fn dulse(case: &Case) -> (Outcome, String) {
    // The leak check of TestEnv holds for every case.
    let env = TestEnv::new();
    run(case, &env, env::DULSE)
}

/// Runs the case under podman.
pub fn under_podman(case: &Case) -> (Outcome, String) {
    let env = TestEnv::foreign();
    env.configure("storage.conf", "[storage]\ndriver = \"overlay\"\n");
    env.configure(
        "containers.conf",
        "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n[containers]\nlog_driver = \"k8s-file\"\n",
    );
    run(case, &env, "/usr/bin/podman")
}

fn run(case: &Case, env: &TestEnv, program: &str) -> (Outcome, String) {
    let bin = env.root().join("bin");
    fs::create_dir(&bin).unwrap();
    let wrapper = bin.join("engine");
    fs::write(&wrapper, format!("#!/bin/sh\nexec {program} \"$@\"\n")).unwrap();
    fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    load(env, &wrapper, &images::busybox(), "localhost/busybox:latest");
    if case.everything {
        load(env, &wrapper, &images::everything(), "localhost/everything:latest");
    }
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", bin.display());
    let run = env.program("/bin/sh").args(["-c", &case.script]).env("PATH", path).run();
    (Outcome::of(case, &run, env.root()), run.to_string())
}

fn load(env: &TestEnv, engine: &Path, image: &env::Image, name: &str) {
    let archive = image.docker_archive(&env.root().join("image.tar"), &[name]);
    env.program(engine).args(["load", "-q", "-i"]).arg(&archive).ok();
    fs::remove_file(archive).unwrap();
}
