//! Errors of the command line in the words of podman, whose users and scripts know them.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use super::verbs;

/// What podman says of a command line that clap refuses; `None` where clap's own words are as good. `words` are the command line.
pub fn message(error: &Error, words: &[String]) -> Option<String> {
    let (path, command) = failing(error, words);
    let see = |text: String| Some(format!("{text}\nSee '{path} --help'"));
    let invalid = context(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => match invalid? {
            flag if flag.starts_with("--") => see(format!("unknown flag: {}", flag.split('=').next().unwrap_or(&flag))),
            flag if flag.starts_with('-') && flag.len() > 1 => {
                see(format!("unknown shorthand flag: '{}' in {flag}", flag.chars().nth(1).unwrap_or('-')))
            }
            _ => Some(match positionals(&command).count() {
                0 => format!("`{path}` takes no arguments"),
                count => format!("accepts at most {count} arg(s), received {}", count + 1),
            }),
        },
        ErrorKind::InvalidValue if context(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) => {
            see(format!("flag needs an argument: {}", bare(&invalid?)))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let (flag, value) = (invalid?, context(error, ContextKind::InvalidValue)?);
            let reason = std::error::Error::source(error).map(reason).unwrap_or_else(|| "invalid value".into());
            let reason = reason.replace("{value}", &value);
            see(format!("invalid argument {value:?} for {:?} flag: {reason}", full(&command, &flag)))
        }
        ErrorKind::MissingRequiredArgument => {
            let Some(ContextValue::Strings(missing)) = error.get(ContextKind::InvalidArg) else { return None };
            let required: Vec<&Arg> = positionals(&command).filter(|argument| argument.is_required_set()).collect();
            let received = required.len().checked_sub(missing.len())?;
            let open = required.last().is_some_and(|last| last.get_num_args().is_some_and(|range| range.max_values() > 1));
            Some(match open {
                true => format!("requires at least {} arg(s), only received {received}", required.len()),
                false => format!("accepts {} arg(s), received {received}", required.len()),
            })
        }
        ErrorKind::InvalidSubcommand => {
            let name = context(error, ContextKind::InvalidSubcommand)?;
            Some(format!("unrecognized command `{path} {name}`\nTry '{path} --help' for more information"))
        }
        _ => None,
    }
}

/// What podman says below the help of a command that needs another word.
pub fn missing_command(error: &Error) -> Option<String> {
    let needs = matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand);
    needs.then(|| format!("missing command '{} COMMAND'", help_path(error)))
}

fn context(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}

/// The command that was being read, by its usage line, which not every error has, or by the words themselves.
fn failing(error: &Error, words: &[String]) -> (String, Command) {
    match context(error, ContextKind::Usage) {
        Some(usage) => walk(usage.trim_start_matches("Usage:").split_whitespace().skip(1)),
        None => walk(words.iter().skip(1).map(String::as_str).skip_while(|word| word.starts_with('-'))),
    }
}

fn help_path(error: &Error) -> String {
    let help = error.to_string();
    walk(help.lines().find_map(|line| line.strip_prefix("Usage:")).unwrap_or_default().split_whitespace().skip(1)).0
}

/// Follows words down the tree of commands.
fn walk<'a>(words: impl Iterator<Item = &'a str>) -> (String, Command) {
    let mut command = verbs::command();
    let mut path = command.get_name().to_owned();
    for word in words {
        let Some(inner) = command.find_subcommand(word).cloned() else { break };
        path = format!("{path} {word}");
        command = inner;
    }
    // Flags are defined when a command is built.
    command.build();
    (path, command)
}

fn positionals(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| argument.is_positional())
}

/// `--time <SECONDS>` without its value.
fn bare(flag: &str) -> &str {
    flag.split([' ', '=', '[']).next().unwrap_or(flag)
}

/// Both spellings of a flag, `-t, --time`.
fn full(command: &Command, flag: &str) -> String {
    let long = bare(flag);
    let known = command.get_arguments().find(|argument| argument.get_long().is_some_and(|name| long.strip_prefix("--") == Some(name)));
    match known.and_then(Arg::get_short) {
        Some(short) => format!("-{short}, {long}"),
        None => long.to_owned(),
    }
}

/// Rust's complaints about numbers in Go's words.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    match text.as_str() {
        "invalid digit found in string" => "strconv.ParseInt: parsing \"{value}\": invalid syntax".into(),
        _ if error.is::<std::num::ParseIntError>() => "strconv.ParseInt: parsing \"{value}\": value out of range".into(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let words: Vec<String> = std::iter::once("dulse").chain(line.split_whitespace()).map(str::to_owned).collect();
        match verbs::command().try_get_matches_from(&words) {
            Ok(_) => "accepted".into(),
            Err(error) => message(&error, &words).or_else(|| missing_command(&error)).unwrap_or_else(|| error.to_string()),
        }
    }

    #[test]
    fn usage_errors_are_podmans() {
        let cases = [
            ("ps --nope", "unknown flag: --nope\nSee 'dulse ps --help'"),
            ("ps -Z", "unknown shorthand flag: 'Z' in -Z\nSee 'dulse ps --help'"),
            ("ps x", "`dulse ps` takes no arguments"),
            (
                "stop --time=x a",
                "invalid argument \"x\" for \"-t, --time\" flag: strconv.ParseInt: parsing \"x\": invalid syntax\nSee 'dulse stop --help'",
            ),
            ("foo", "unrecognized command `dulse foo`\nTry 'dulse --help' for more information"),
            ("container foo", "unrecognized command `dulse container foo`\nTry 'dulse container --help' for more information"),
            ("container", "missing command 'dulse container COMMAND'"),
            ("rename a", "accepts 2 arg(s), received 1"),
            ("tag a", "requires at least 2 arg(s), only received 1"),
            ("ps --format", "flag needs an argument: --format\nSee 'dulse ps --help'"),
            ("image exists", "accepts 1 arg(s), received 0"),
            ("history a b", "accepts at most 1 arg(s), received 2"),
            (
                "stop --all=foo a",
                "invalid argument \"foo\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"foo\": invalid syntax\nSee 'dulse stop --help'",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(said(line), expected, "{line}");
        }
    }
}
