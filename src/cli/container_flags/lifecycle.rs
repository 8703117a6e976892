//! Name, labels, restart, stop, logs, and the files that tell of a container.

use std::path::PathBuf;

use crate::cli::CliError;
use crate::engine::container::CreateRequest;
use crate::spec;
use crate::storage::RestartPolicy;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Life")]
pub struct LifecycleFlags {
    /// Name of the container
    #[arg(long, value_name = "NAME", default_value = "")]
    name: String,
    /// Remove a container of the same name first
    #[arg(long)]
    replace: bool,
    /// Remove the container and its anonymous volumes when it exits
    #[arg(long)]
    rm: bool,
    /// Remove the image as well, unless another container uses it (implies --rm)
    #[arg(long)]
    rmi: bool,
    /// When to start again: no, on-failure[:RETRIES], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Signal that stops the container
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// Seconds between the stop signal and SIGKILL
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    stop_timeout: u32,
    /// Seconds after which the container is killed, 0 is never
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    timeout: u64,
    /// Set a label: KEY[=VALUE]
    #[arg(long, short, value_name = "LABEL")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Set an annotation: KEY=VALUE
    #[arg(long, value_name = "ANNOTATION")]
    annotation: Vec<String>,
    /// Write the container ID to this new file
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Write the process ID of the container's first process to this file
    #[arg(long, value_name = "FILE")]
    pidfile: Option<PathBuf>,
    /// Write the process ID of the monitor to this file
    #[arg(long, value_name = "FILE")]
    conmon_pidfile: Option<PathBuf>,
    /// Log driver: k8s-file, json-file, journald, none, passthrough or passthrough-tty
    #[arg(long, value_name = "DRIVER", default_value = "")]
    log_driver: String,
    /// Option of the log driver: path=, max-size=, tag=, label=
    #[arg(long, value_name = "OPTION")]
    log_opt: Vec<String>,
}

impl LifecycleFlags {
    pub fn apply(self, request: &mut CreateRequest) -> Result<(), CliError> {
        if !self.name.is_empty() {
            spec::name::container(&self.name)?;
        }
        if self.replace && self.name.is_empty() {
            return Err(CliError::new("cannot replace container without --name being set"));
        }
        request.replace = self.replace;
        request.stop_signal = self.stop_signal.as_deref().map(spec::signal::parse).transpose()?;
        let config = &mut request.config;
        config.name = self.name;
        config.auto_remove = self.rm || self.rmi;
        config.remove_image = self.rmi;
        if let Some(policy) = self.restart {
            if config.auto_remove && !matches!(policy.as_str(), "" | "no") {
                return Err(CliError::new("the --rm option conflicts with --restart, when the restartPolicy is not \"\" and \"no\""));
            }
            config.restart = spec::namespace::restart(&policy)?;
        }
        debug_assert!(!config.auto_remove || config.restart == RestartPolicy::No);
        config.stop_timeout = i64::from(self.stop_timeout);
        config.timeout = self.timeout;

        for file in &self.label_file {
            let text = std::fs::read_to_string(file).map_err(|error| {
                CliError::new(format!("unable to process labels: open {}: {}", file.display(), super::process::reason(&error)))
            })?;
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
                let (key, value) = pair(line, "unable to process labels: invalid label format")?;
                request.labels.insert(key, value);
            }
        }
        for label in &self.label {
            let (key, value) = pair(label, "unable to process labels: invalid label format")?;
            request.labels.insert(key, value);
        }
        for annotation in &self.annotation {
            if !annotation.contains('=') {
                return Err(CliError::new("annotations must be formatted KEY=VALUE: invalid argument"));
            }
            let (key, value) = pair(annotation, "annotations must be formatted KEY=VALUE")?;
            config.annotations.insert(key, value);
        }

        let directory = super::working_directory()?;
        let absolute = |path: Option<PathBuf>| path.map(|path| spec::path::absolute(&path.to_string_lossy(), &directory));
        config.cid_file = absolute(self.cidfile);
        config.pid_file = absolute(self.pidfile);
        config.conmon_pid_file = absolute(self.conmon_pidfile);
        log(&mut config.log, &self.log_driver, &self.log_opt)
    }
}

fn log(log: &mut crate::storage::LogConfig, driver: &str, options: &[String]) -> Result<(), CliError> {
    log.driver = match driver {
        "" | "k8s-file" => "k8s-file".into(),
        "json-file" | "journald" | "none" | "passthrough" | "passthrough-tty" => driver.to_owned(),
        _ => return Err(CliError::new("running container create option: invalid log driver: invalid argument")),
    };
    for option in options {
        let Some((key, value)) = option.split_once('=') else {
            return Err(CliError::new(format!("invalid log option {option:?}: must be KEY=VALUE")));
        };
        match key {
            "path" => log.path = PathBuf::from(value),
            "max-size" => log.max_size = spec::size::parse(value)?,
            "tag" => value.clone_into(&mut log.tag),
            "label" => log.labels.push(value.to_owned()),
            // Options of Docker's drivers are passed by scripts and mean nothing here, as for podman.
            _ => {}
        }
    }
    Ok(())
}

fn pair(text: &str, complaint: &str) -> Result<(String, String), CliError> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() { Err(CliError::new(format!("{complaint}: {text:?}"))) } else { Ok((key.to_owned(), value.to_owned())) }
}
