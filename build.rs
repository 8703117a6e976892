//! Builds the two programs that run inside containers (helpers/init.rs, helpers/hello.rs) and leaves them in OUT_DIR, from where
//! the library embeds them: one file is then all there is to install.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=helpers");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    for name in ["init", "hello"] {
        let mut command = Command::new(&rustc);
        command.args(["--edition", "2024", "--crate-type", "bin", "--crate-name", name, "--target", &target]);
        // No standard library, no start files: see helpers/bare.rs.
        for option in ["panic=abort", "opt-level=s", "strip=symbols", "relocation-model=static", "target-feature=+crt-static"] {
            command.args(["-C", option]);
        }
        for argument in ["-nostartfiles", "-nodefaultlibs", "-static", "-Wl,--build-id=none"] {
            command.arg("-C").arg(format!("link-arg={argument}"));
        }
        if let Some(linker) = env::var_os("RUSTC_LINKER") {
            command.arg("-C").arg(format!("linker={}", linker.display()));
        }
        let status = command.arg(format!("helpers/{name}.rs")).arg("-o").arg(out.join(name)).status();
        let built = status.unwrap_or_else(|error| panic!("cannot start {}: {error}", rustc.display()));
        assert!(built.success(), "helpers/{name}.rs does not compile");
    }
}
