//! `completion`: scripts for shells.

use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::Shell;

use super::{CliError, Globals, output, verbs};

#[derive(clap::Args)]
pub struct CompletionArgs {
    /// Output the completion to file rather than stdout
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Accepted for compatibility
    #[arg(long)]
    no_desc: bool,
    /// bash, zsh, fish or powershell
    #[arg(value_parser = ["bash", "zsh", "fish", "powershell"])]
    shell: String,
}

/// Names of containers, images and volumes, which the generated script does not know, for the words that are not options.
const BASH_NAMES: &str = r#"
_dulse_with_names() {
    _dulse "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" verb="${COMP_WORDS[1]}" names=""
    [[ $word == -* || $COMP_CWORD -lt 2 ]] && return
    case "$verb" in
    container | image | volume) [[ $COMP_CWORD -lt 3 ]] && return ;;
    esac
    case "$verb" in
    attach | container | cp | exec | inspect | kill | logs | port | rename | restart | rm | start | stats | stop | top | wait)
        names="$(dulse ps -a --format '{{.Names}}' 2>/dev/null)"
        ;;
    create | history | image | push | rmi | run | save | tag | untag)
        names="$(dulse images --filter dangling=false --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)"
        ;;
    volume) names="$(dulse volume ls -q 2>/dev/null)" ;;
    esac
    [[ -n $names ]] && COMPREPLY+=($(compgen -W "$names" -- "$word"))
}
complete -F _dulse_with_names -o nosort -o bashdefault -o default dulse
"#;

pub fn completion(args: CompletionArgs, _: &Globals) -> Result<ExitCode, CliError> {
    let shell = match args.shell.as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::PowerShell,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut verbs::command(), "dulse", &mut script);
    if shell == Shell::Bash {
        script.extend_from_slice(BASH_NAMES.as_bytes());
    }
    match &args.file {
        Some(path) => std::fs::write(path, &script).map_err(|error| CliError::new(format!("writing {}: {error}", path.display())))?,
        None => output::text(&String::from_utf8_lossy(&script))?,
    }
    Ok(ExitCode::SUCCESS)
}
