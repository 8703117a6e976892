//! What all flags have in common, as podman's users know them from Go's pflag.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};

/// A switch may be given a value (`--rm=false`), the last of several settings wins, and whatever follows an option that takes a value
/// is that value, even where it begins with a hyphen.
pub fn like_podman(command: Command) -> Command {
    // `-h` is short for `--hostname` where there is such an option, and for `--help` elsewhere.
    let command = if command.get_arguments().any(|argument| argument.get_short() == Some('h')) {
        command.disable_help_flag(true).arg(Arg::new("help").long("help").action(ArgAction::Help).help("Print help"))
    } else {
        command
    };
    command.mut_args(|argument| match argument.get_action() {
        ArgAction::SetTrue => switch(argument),
        ArgAction::Help => argument,
        _ if argument.is_positional() => argument,
        _ => argument.allow_hyphen_values(true),
    })
}

fn switch(argument: Arg) -> Arg {
    let on_by_default = argument.get_default_values().first().is_some_and(|value| value == "true");
    argument
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .value_parser(ValueParser::from(boolean))
        .default_value(if on_by_default { "true" } else { "false" })
        .default_missing_value("true")
        .hide_default_value(!on_by_default)
}

/// The spellings that Go's `strconv.ParseBool` takes.
fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}
