//! The flags that `run` and `create` share, by subject. Each group turns itself into its part of the request; what depends on the
//! image is left to the engine.

mod image;
mod lifecycle;
mod mounts;
mod namespaces;
mod network;
mod process;
mod security;

pub use process::read_environment;

use super::CliError;
use std::path::Path;

use crate::engine::Engine;
use crate::engine::container::{self, CreateRequest, Source};
use crate::spec;
use crate::storage::containers;

/// Options of `run` and `create`.
#[derive(Debug, clap::Args)]
pub struct ContainerFlags {
    #[command(flatten)]
    image: image::ImageFlags,
    #[command(flatten)]
    process: process::ProcessFlags,
    #[command(flatten)]
    mounts: mounts::MountFlags,
    #[command(flatten)]
    network: network::NetworkFlags,
    #[command(flatten)]
    security: security::SecurityFlags,
    #[command(flatten)]
    namespaces: namespaces::NamespaceFlags,
    #[command(flatten)]
    lifecycle: lifecycle::LifecycleFlags,
    /// Image (or root file system, with --rootfs), command and its arguments
    #[arg(value_name = "IMAGE [COMMAND [ARG]...]", trailing_var_arg = true, required = true)]
    operands: Vec<String>,
}

impl ContainerFlags {
    /// The request, for `verb` (`run` or `create`).
    pub fn request(self) -> Result<CreateRequest, CliError> {
        let mut operands = self.operands.into_iter();
        let name = operands.next().unwrap_or_default();
        if name.is_empty() {
            return Err(CliError::new("image name must not be empty"));
        }
        let mut request = CreateRequest { command: operands.collect(), ..CreateRequest::default() };
        request.config.create_command = std::env::args().collect();
        request.source = if self.image.rootfs { rootfs(&name)? } else { Source::Image { name, pull: self.image.pull()? } };
        self.image.apply(&mut request)?;
        self.lifecycle.apply(&mut request)?;
        self.process.apply(&mut request)?;
        self.namespaces.apply(&mut request)?;
        self.network.apply(&mut request)?;
        self.security.apply(&mut request)?;
        self.mounts.apply(&mut request)?;
        check(&request)?;
        Ok(request)
    }
}

/// The full ID of the container that was named, whose ID is in a file, or that was created last.
pub fn which(engine: &Engine, name: Option<&str>, file: Option<&Path>) -> Result<String, CliError> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .map_err(|error| CliError::new(format!("reading CIDFile: open {}: {}", file.display(), process::reason(&error))))?;
        return Ok(containers::find(&engine.store, text.lines().next().unwrap_or_default().trim())?);
    }
    match name {
        Some(name) => Ok(containers::find(&engine.store, name)?),
        None => Ok(container::latest(engine)?.id),
    }
}

/// `PATH[:O]`.
fn rootfs(text: &str) -> Result<Source, CliError> {
    let (path, overlay) = match text.rsplit_once(':') {
        Some((path, "O")) => (path, true),
        Some((path, options)) if !path.is_empty() && !options.contains('/') => {
            return Err(CliError::new(format!("invalid rootfs option {options:?} in {text:?}")));
        }
        _ => (text, false),
    };
    let path = spec::path::absolute(path, &working_directory()?);
    if !path.is_dir() {
        let why = if path.exists() { "not a directory" } else { "no such file or directory" };
        return Err(CliError::new(format!("running container create option: faccessat {}: {why}", path.display())));
    }
    Ok(Source::Rootfs { path, overlay })
}

/// Combinations that no single group sees.
fn check(request: &CreateRequest) -> Result<(), CliError> {
    let config = &request.config;
    for (key, value) in &config.sysctls {
        let host_network = config.network.mode == crate::storage::NetworkMode::Host;
        spec::sysctl::check(key, value, &config.namespaces, host_network)?;
    }
    if config.init && config.systemd == crate::storage::Systemd::Always {
        return Err(CliError::new("cannot use container-init binary with systemd=always"));
    }
    Ok(())
}

fn working_directory() -> Result<std::path::PathBuf, CliError> {
    std::env::current_dir().map_err(|error| CliError::new(format!("working directory: {error}")))
}
