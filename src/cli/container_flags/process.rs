//! The container's process: command, environment, user, terminal, limits.

use std::path::PathBuf;

use crate::cli::CliError;
use crate::engine::container::CreateRequest;
use crate::spec::{self, environment::Environment};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Process")]
pub struct ProcessFlags {
    /// Program to run in place of the image's entrypoint; a JSON array sets arguments too
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Set an environment variable: NAME=VALUE; NAME or PREFIX* copy from the host
    #[arg(long, short, value_name = "ENV")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Pass the whole environment of the host on
    #[arg(long)]
    env_host: bool,
    /// Set a variable using the image's: NAME=prefix-${NAME}
    #[arg(long, value_name = "ENV")]
    env_merge: Vec<String>,
    /// Unset a variable of the image
    #[arg(long, value_name = "NAME")]
    unsetenv: Vec<String>,
    /// Unset all variables of the image
    #[arg(long)]
    unsetenv_all: bool,
    /// Pass the proxy variables of the host on
    #[arg(long, default_value_t = true, action = clap::ArgAction::SetTrue)]
    http_proxy: bool,
    /// User, by name or ID: USER[:GROUP]
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Additional groups, by name or ID; keep-groups keeps those of the caller
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    group_add: Vec<String>,
    /// Working directory
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// Give the process a terminal
    #[arg(long, short)]
    tty: bool,
    /// Keep standard input open
    #[arg(long, short)]
    interactive: bool,
    /// Attach to stdin, stdout or stderr
    #[arg(long, short, value_name = "STREAM")]
    attach: Vec<String>,
    /// Resource limit NAME=SOFT[:HARD], or host for all of the caller's
    #[arg(long, value_name = "ULIMIT")]
    ulimit: Vec<String>,
    /// File mode creation mask, octal
    #[arg(long, value_name = "MASK", default_value = "0022")]
    umask: String,
    /// Time zone: a name of the tz database, or local
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Badness of the process to the out-of-memory killer, -1000 to 1000
    #[arg(long, value_name = "SCORE", value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    oom_score_adj: Option<i32>,
    /// Pass this number of descriptors, from 3 on
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    preserve_fds: u32,
    /// Add an entry for an unknown user to /etc/passwd and /etc/group
    #[arg(long, default_value_t = true, action = clap::ArgAction::SetTrue)]
    passwd: bool,
    /// The entry for /etc/passwd, with $USERNAME $UID $GID $NAME $HOME
    #[arg(long, value_name = "ENTRY", default_value = "")]
    passwd_entry: String,
    /// The entry for /etc/group, with $GROUPNAME $GID
    #[arg(long, value_name = "ENTRY", default_value = "")]
    group_entry: String,
    /// Add a user of the host to /etc/passwd
    #[arg(long, value_name = "USER")]
    hostuser: Vec<String>,
    /// Run an init process that forwards signals and reaps processes
    #[arg(long)]
    init: bool,
    /// Path of another init program on the host
    #[arg(long, value_name = "PATH")]
    init_path: Option<PathBuf>,
    /// Prepare for systemd in the container: true, false or always
    #[arg(long, value_name = "MODE", default_value = "true")]
    systemd: String,
}

impl ProcessFlags {
    pub fn apply(self, request: &mut CreateRequest) -> Result<(), CliError> {
        request.entrypoint = self.entrypoint.as_deref().map(entrypoint);
        request.user = self.user;
        request.workdir = self.workdir;
        let environment = &mut request.environment;
        environment.unset_all = self.unsetenv_all;
        environment.unset = self.unsetenv;
        environment.merge = self.env_merge;
        environment.http_proxy = self.http_proxy;
        environment.host = self.env_host;
        environment.set = read_environment(&self.env_file, &self.env)?;

        let process = &mut request.config.process;
        if self.group_add.iter().any(|group| group == "keep-groups") && self.group_add.len() > 1 {
            return Err(CliError::new("the '--group-add keep-groups' option is not allowed with any other --group-add options"));
        }
        process.groups = self.group_add;
        process.terminal = self.tty;
        process.stdin_open = self.interactive;
        process.attach = self.attach.iter().map(|stream| stream.to_ascii_lowercase()).collect();
        if let Some(stream) = process.attach.iter().find(|stream| !matches!(stream.as_str(), "stdin" | "stdout" | "stderr")) {
            let message = format!("invalid stream {stream:?} for --attach - must be one of stdin, stdout, or stderr: invalid argument");
            return Err(CliError::new(message));
        }
        process.host_limits = self.ulimit.iter().any(|limit| limit == "host");
        process.rlimits =
            self.ulimit.iter().filter(|limit| *limit != "host").map(|limit| spec::ulimit::parse(limit)).collect::<Result<_, _>>()?;
        if u32::from_str_radix(&self.umask, 8).is_ok_and(|mask| mask <= 0o777) {
            process.umask = self.umask;
        } else {
            return Err(CliError::new(format!("running container create option: invalid umask string {}: invalid argument", self.umask)));
        }
        process.timezone = self.tz.unwrap_or_default();
        process.oom_score_adj = self.oom_score_adj;
        crate::sys::host::inherited(self.preserve_fds)
            .map_err(|_| CliError::new("the preserve-fds option requires that file descriptors must be passed"))?;
        process.preserve_fds = self.preserve_fds;
        process.passwd = self.passwd;
        process.passwd_entry = self.passwd_entry;
        process.group_entry = self.group_entry;
        process.host_users = self.hostuser;

        request.config.init = self.init || self.init_path.is_some();
        request.config.init_path = self.init_path;
        request.config.systemd = match self.systemd.to_ascii_lowercase().as_str() {
            "true" => crate::storage::Systemd::Auto,
            "false" => crate::storage::Systemd::Never,
            "always" => crate::storage::Systemd::Always,
            _ => {
                let message = "invalid config provided: --systemd values must be one of \"true, false, always\": invalid configuration";
                return Err(CliError::new(message));
            }
        };
        Ok(())
    }
}

/// The environment of `--env-file` and `-e`.
pub fn read_environment(files: &[PathBuf], values: &[String]) -> Result<Environment, CliError> {
    let host = || std::env::vars().collect::<Vec<_>>();
    let mut environment = Environment::default();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| {
            CliError::new(format!("parsing file {:?}: open {}: {}", file.display().to_string(), file.display(), reason(&error)))
        })?;
        environment.apply_file(&text, host)?;
    }
    for value in values {
        environment.apply(value, host)?;
    }
    Ok(environment)
}

/// One word, or a JSON array of words; the empty string clears the image's.
fn entrypoint(text: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<String>>(text) {
        Ok(words) => words,
        Err(_) => vec![text.to_owned()],
    }
}

/// Go's wording of the errors that scripts look for.
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        std::io::ErrorKind::IsADirectory => "is a directory".into(),
        _ => error.to_string(),
    }
}
