//! Which image, and how it is fetched.

use std::path::PathBuf;

use crate::cli::CliError;
use crate::engine::container::{CreateRequest, Pull, PullPolicy};
use crate::oci::Platform;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Image")]
pub struct ImageFlags {
    /// Pull policy: always, missing, never or newer
    #[arg(long, value_name = "POLICY", default_value = "missing")]
    pull: String,
    /// Platform of the image: OS/ARCH[/VARIANT]
    #[arg(long, value_name = "PLATFORM", conflicts_with_all = ["arch", "os", "variant"])]
    platform: Option<String>,
    /// Architecture of the image
    #[arg(long, value_name = "ARCH", alias = "override-arch")]
    arch: Option<String>,
    /// Operating system of the image
    #[arg(long, value_name = "OS", alias = "override-os")]
    os: Option<String>,
    /// Variant of the architecture
    #[arg(long, value_name = "VARIANT", alias = "override-variant")]
    variant: Option<String>,
    /// File with the registries' credentials
    #[arg(long, value_name = "PATH")]
    authfile: Option<PathBuf>,
    /// Credentials for the registry: USER[:PASSWORD]
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Require TLS and verify the registry's certificate
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_verify: Option<bool>,
    /// How often a pull is tried again
    #[arg(long, value_name = "NUMBER")]
    retry: Option<u32>,
    /// Delay between the tries of a pull, for example 2s
    #[arg(long, value_name = "DURATION")]
    retry_delay: Option<String>,
    /// No output while the image is pulled
    #[arg(long, short)]
    quiet: bool,
    /// The first operand is a directory to run as root file system, PATH[:O]; O runs in a throw-away overlay
    #[arg(long)]
    pub rootfs: bool,
    /// What becomes of the image's volumes: anonymous, tmpfs or ignore
    #[arg(long, value_name = "MODE", default_value = "anonymous")]
    image_volume: String,
}

impl ImageFlags {
    pub fn pull(&self) -> Result<Pull, CliError> {
        let policy = match self.pull.to_ascii_lowercase().as_str() {
            "missing" | "ifnotpresent" | "false" => PullPolicy::Missing,
            "always" | "true" => PullPolicy::Always,
            "never" => PullPolicy::Never,
            "newer" | "ifnewer" => PullPolicy::Newer,
            _ => return Err(CliError::new(format!("unsupported pull policy {:?}", self.pull))),
        };
        Ok(Pull {
            policy,
            platform: self.platform()?,
            authfile: self.authfile.clone(),
            creds: self.creds.clone(),
            tls_verify: self.tls_verify,
            retry: self.retry,
            retry_delay: self.retry_delay.clone(),
            quiet: self.quiet,
        })
    }

    fn platform(&self) -> Result<Option<Platform>, CliError> {
        if let Some(text) = &self.platform {
            return Ok(Some(text.parse()?));
        }
        if self.arch.is_none() && self.os.is_none() && self.variant.is_none() {
            return Ok(None);
        }
        let host = Platform::host();
        Ok(Some(Platform {
            os: self.os.clone().unwrap_or(host.os),
            architecture: self.arch.clone().unwrap_or(host.architecture),
            variant: self.variant.clone(),
        }))
    }

    pub fn apply(self, request: &mut CreateRequest) -> Result<(), CliError> {
        if !matches!(self.image_volume.as_str(), "anonymous" | "bind" | "tmpfs" | "ignore" | "") {
            let message = format!("invalid image volume mode {:?} required value: anonymous, tmpfs, ignore", self.image_volume);
            return Err(CliError::new(message));
        }
        request.config.image_volume = self.image_volume;
        Ok(())
    }
}
