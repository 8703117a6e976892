//! Privileges: capabilities, seccomp, labels, kernel parameters.

use crate::cli::CliError;
use crate::engine::container::CreateRequest;
use crate::spec::{self, capability, security_option};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Security")]
pub struct SecurityFlags {
    /// Add a capability, or all
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    cap_add: Vec<String>,
    /// Drop a capability, or all
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    cap_drop: Vec<String>,
    /// no-new-privileges, seccomp=, apparmor=, label=, mask=, unmask=, proc-opts=
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
    /// All capabilities of the user namespace, the host's devices, nothing masked and no filter
    #[arg(long)]
    privileged: bool,
    /// Set a kernel parameter of the container's namespaces: KEY=VALUE
    #[arg(long, value_name = "SYSCTL")]
    sysctl: Vec<String>,
}

impl SecurityFlags {
    pub fn apply(self, request: &mut CreateRequest) -> Result<(), CliError> {
        let security = &mut request.config.security;
        security.privileged = self.privileged;
        let normalise = |names: &[String]| names.iter().map(|name| capability::normalise(name)).collect::<Result<Vec<_>, _>>();
        security.cap_add = normalise(&self.cap_add)?;
        security.cap_drop = normalise(&self.cap_drop)?;
        security.capabilities = if self.privileged {
            capability::merge(&[], &["ALL".into()], &[])?
        } else {
            capability::merge(&capability::DEFAULT, &security.cap_add, &security.cap_drop)?
        };
        for option in &self.security_opt {
            security_option::apply(option, security)?;
        }
        if let crate::storage::Seccomp::Profile(path) = &security.seccomp {
            let directory = super::working_directory()?;
            let absolute = spec::path::absolute(&path.to_string_lossy(), &directory);
            std::fs::metadata(&absolute).map_err(|error| {
                let reason = super::process::reason(&error);
                CliError::new(format!("opening seccomp profile failed: open {}: {reason}", path.display()))
            })?;
            security.seccomp = crate::storage::Seccomp::Profile(absolute);
        }
        let loaded = || std::path::Path::new("/sys/module/apparmor").exists();
        if !security.apparmor.is_empty() && security.apparmor != "unconfined" && !loaded() {
            let message = format!("apparmor profile {:?} specified, but Apparmor is not enabled on this system", security.apparmor);
            return Err(CliError::new(message));
        }
        for text in &self.sysctl {
            let (key, value) = spec::sysctl::parse(text)?;
            request.config.sysctls.insert(key, value);
        }
        Ok(())
    }
}
