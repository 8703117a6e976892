//! What is mounted: volumes, host directories, temporary file systems, devices.

use crate::cli::CliError;
use crate::engine::container::CreateRequest;
use crate::spec::{self, mount, volume};
use crate::storage::{Mount, MountKind};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Mounts")]
pub struct MountFlags {
    /// Mount a host directory or a volume: [SOURCE:]DESTINATION[:OPTIONS]
    #[arg(long, short, value_name = "VOLUME")]
    volume: Vec<String>,
    /// Mount a file system: type=TYPE,key=value,...
    #[arg(long, value_name = "MOUNT")]
    mount: Vec<String>,
    /// Mount a temporary file system: DESTINATION[:OPTIONS]
    #[arg(long, value_name = "DESTINATION")]
    tmpfs: Vec<String>,
    /// Mount the volumes of another container: CONTAINER[:OPTIONS]
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    volumes_from: Vec<String>,
    /// Add a device of the host: HOST[:CONTAINER][:PERMISSIONS]
    #[arg(long, value_name = "DEVICE")]
    device: Vec<String>,
    /// Size of /dev/shm, 0 is without limit
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,
    /// Mount the root file system read-only
    #[arg(long)]
    read_only: bool,
    /// With --read-only, mount temporary file systems on /run, /tmp and /var/tmp
    #[arg(long, default_value_t = true, action = clap::ArgAction::SetTrue)]
    read_only_tmpfs: bool,
}

/// podman's 65536k, which its default reads as decimal kilobytes.
const DEFAULT_SHM_SIZE: u64 = 65_536_000;

impl MountFlags {
    pub fn apply(self, request: &mut CreateRequest) -> Result<(), CliError> {
        let config = &mut request.config;
        let directory = super::working_directory()?;
        let mut mounts: Vec<Mount> = Vec::new();
        let mut parsed: Vec<Mount> = Vec::new();
        for text in &self.mount {
            parsed.push(mount::parse(text)?);
        }
        for text in &self.tmpfs {
            parsed.push(mount::parse_tmpfs(text)?);
        }
        for text in &self.volume {
            parsed.push(volume::parse(text)?);
        }
        for mount in parsed {
            let mut expanded = if mount.options.iter().any(|option| option == "glob") { expand(&mount)? } else { vec![mount] };
            for mount in &mut expanded {
                if matches!(mount.kind, MountKind::Bind | MountKind::Overlay) {
                    let source = spec::path::absolute(&mount.source, &directory);
                    if !source.exists() {
                        return Err(spec::Error::NoSource(source).into());
                    }
                    mount.source = source.to_string_lossy().into_owned();
                }
                if mounts.iter().any(|other| other.destination == mount.destination) {
                    return Err(spec::Error::DuplicateMount(mount.destination.clone()).into());
                }
                mounts.push(std::mem::take(mount));
            }
        }
        config.mounts = mounts;
        for text in &self.volumes_from {
            mount::parse_volumes_from(text)?;
        }
        config.volumes_from = self.volumes_from;
        for text in &self.device {
            let device = spec::device::parse(text)?;
            if !std::path::Path::new(&device.host).exists() {
                return Err(CliError::new(format!("stat {}: no such file or directory", device.host)));
            }
            config.devices.push(device);
        }
        if self.shm_size.is_some() && config.namespaces.ipc == crate::storage::Namespace::None {
            return Err(CliError::new("invalid config provided: cannot set shmsize when running in the {none } IPC Namespace"));
        }
        config.shm_size = match &self.shm_size {
            Some(text) => spec::size::parse(text).map_err(|error| CliError::new(format!("unable to translate --shm-size: {error}")))?,
            None => DEFAULT_SHM_SIZE,
        };
        config.security.read_only = self.read_only;
        config.security.read_only_tmpfs = self.read_only_tmpfs;
        Ok(())
    }
}

/// A glob mount as one bind mount for each match: beneath the destination where one is given, else at the same path.
fn expand(mount: &Mount) -> Result<Vec<Mount>, CliError> {
    let matches = spec::path::glob(&mount.source).map_err(|error| CliError::new(format!("{}: {error}", mount.source)))?;
    if matches.is_empty() {
        return Err(CliError::new(format!("no file paths matching glob {:?}", mount.source)));
    }
    let options: Vec<String> = mount.options.iter().filter(|option| *option != "glob").cloned().collect();
    Ok(matches
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let source = path.to_string_lossy().into_owned();
            let destination =
                if mount.destination.is_empty() { source.clone() } else { spec::path::clean(&format!("{}/{name}", mount.destination)) };
            Mount { source, destination, options: options.clone(), ..mount.clone() }
        })
        .collect())
}
