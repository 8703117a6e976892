//! `pull`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::{CliError, Globals, output};
use crate::engine::image;
use crate::image::{Policy, PullRequest};
use crate::oci::Platform;

/// Pull one or more images from registries
#[derive(Debug, clap::Args)]
pub struct PullArgs {
    /// Pull all tagged images of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Architecture to choose instead of this machine's
    #[arg(long, alias = "override-arch", value_name = "ARCH")]
    arch: Option<String>,
    /// File with credentials
    #[arg(long, value_name = "PATH")]
    authfile: Option<PathBuf>,
    /// Directory with certificates for the registry
    #[arg(long, value_name = "PATH")]
    cert_dir: Option<PathBuf>,
    /// Credentials for the registry
    #[arg(long, value_name = "USER[:PASSWORD]")]
    creds: Option<String>,
    /// Operating system to choose instead of linux
    #[arg(long, alias = "override-os", value_name = "OS")]
    os: Option<String>,
    /// Platform to choose
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with_all = ["arch", "os", "variant"])]
    platform: Option<String>,
    /// When to pull: always, missing, never, newer
    #[arg(long, value_name = "POLICY", default_value = "always")]
    policy: String,
    /// Print image IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Attempts after a failure
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// Time between attempts
    #[arg(long, value_name = "DURATION")]
    retry_delay: Option<String>,
    /// Check the registry's certificate
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_verify: Option<bool>,
    /// Variant of the architecture to choose
    #[arg(long, alias = "override-variant", value_name = "VARIANT")]
    variant: Option<String>,
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

pub fn pull(args: PullArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let engine = globals.engine()?;
    let policy = match args.policy.as_str() {
        "always" => Policy::Always,
        "missing" | "ifmissing" => Policy::Missing,
        "never" => Policy::Never,
        "newer" | "ifnewer" => Policy::Newer,
        other => return Err(CliError::new(format!("unsupported pull policy {other:?}"))),
    };
    let platform = platform(&args)?;
    let retry_delay = args.retry_delay.as_deref().map(image::retry_delay).transpose()?;
    for name in &args.images {
        let request = PullRequest {
            name: name.clone(),
            platform: platform.clone(),
            credentials: args.creds.clone(),
            authfile: args.authfile.clone(),
            certificates: args.cert_dir.clone(),
            tls_verify: args.tls_verify,
            retry: args.retry,
            retry_delay,
            all_tags: args.all_tags,
        };
        let records = match policy {
            Policy::Always => image::pull(&engine, &request, args.quiet)?,
            _ => vec![image::obtain(&engine, &request, policy, args.quiet)?],
        };
        for record in records {
            output::line(&record.id)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `--platform`, or the host's with `--os`, `--arch` and `--variant` in its place; `None` where none is given.
fn platform(args: &PullArgs) -> Result<Option<Platform>, CliError> {
    if let Some(text) = &args.platform {
        return Ok(Some(text.parse()?));
    }
    if args.os.is_none() && args.arch.is_none() && args.variant.is_none() {
        return Ok(None);
    }
    let host = Platform::host();
    let variant = if args.arch.is_some() { None } else { host.variant };
    Ok(Some(Platform {
        os: args.os.clone().unwrap_or(host.os),
        architecture: args.arch.clone().unwrap_or(host.architecture),
        variant: args.variant.clone().or(variant),
    }))
}
