//! The table of verbs.

use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{
    CliError, Globals, attach, completion, container, create, doctor, events, exec, flags, image, info, inspect, kill, logs, man, port, ps,
    rename, restart, rm, run, start, stop, system, top, unshare, version, volume, wait,
};

type Handler = fn(&ArgMatches, &Globals) -> Result<ExitCode, CliError>;

/// One verb: name, aliases, what `--help` of the parent says, its flags and what runs it.
struct Verb {
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    flags: fn(Command) -> Command,
    handler: Handler,
}

/// A row of the table: `verb!("run", [], "Run a command in a new container", run::RunArgs, run::run)`.
macro_rules! verb {
    ($name:literal, [$($alias:literal),*], $about:literal, $args:path, $run:path) => {
        Verb {
            name: $name,
            aliases: &[$($alias),*],
            about: $about,
            flags: |command| flags::like_podman(<$args as Args>::augment_args(command)),
            handler: |matches, globals| $run(<$args as FromArgMatches>::from_arg_matches(matches)?, globals),
        }
    };
}

/// Verbs of the top level.
const TOP: &[Verb] = &[
    verb!("attach", [], "Attach to a running container", attach::AttachArgs, attach::run),
    verb!("completion", [], "Generate shell autocompletions", completion::CompletionArgs, completion::completion),
    verb!("create", [], "Create a container without starting it", create::CreateArgs, create::run),
    verb!("events", [], "Show system events", events::EventsArgs, events::events),
    verb!("doctor", [], "Check what this host offers to containers", doctor::DoctorArgs, doctor::doctor),
    verb!("exec", [], "Run a process in a running container", exec::ExecArgs, exec::run),
    verb!("history", [], "Show history of a specified image", image::history::HistoryArgs, image::history::history),
    verb!("images", [], "List images in local storage", image::images::ImagesArgs, image::images::images),
    verb!("info", [], "Display system information", info::InfoArgs, info::info),
    verb!("inspect", [], "Display the configuration of objects denoted by name or ID", inspect::InspectArgs, inspect::inspect),
    verb!("kill", [], "Kill one or more running containers with a specific signal", kill::KillArgs, kill::kill),
    verb!("load", [], "Load images from a tar archive or directory", image::load::LoadArgs, image::load::load),
    verb!("logs", [], "Fetch the logs of one or more containers", logs::LogsArgs, logs::run),
    // A verb without a description is hidden.
    verb!("man", [], "", man::ManArgs, man::man),
    verb!("port", [], "List port mappings or a specific mapping for the container", port::PortArgs, port::port),
    verb!("ps", [], "List containers", ps::PsArgs, ps::ps),
    verb!("pull", [], "Pull images from registries", image::pull::PullArgs, image::pull::pull),
    verb!("rename", [], "Rename an existing container", rename::RenameArgs, rename::rename),
    verb!("restart", [], "Restart one or more containers", restart::RestartArgs, restart::restart),
    verb!("rm", [], "Remove one or more containers", rm::RmArgs, rm::rm),
    verb!("rmi", [], "Remove one or more images from local storage", image::rmi::RmiArgs, image::rmi::rmi),
    verb!("run", [], "Run a command in a new container", run::RunArgs, run::run),
    verb!("start", [], "Start containers", start::StartArgs, start::run),
    verb!("stop", [], "Stop one or more containers", stop::StopArgs, stop::stop),
    verb!("tag", [], "Add an additional name to a local image", image::tag::TagArgs, image::tag::tag),
    verb!("top", [], "Display the running processes of a container", top::TopArgs, top::top),
    verb!("unshare", [], "Run a command in a modified user namespace", unshare::UnshareArgs, unshare::unshare),
    verb!("untag", [], "Remove a name from a local image", image::untag::UntagArgs, image::untag::untag),
    verb!("version", [], "Display the version information", version::VersionArgs, version::version),
    verb!("wait", [], "Block on one or more containers", wait::WaitArgs, wait::wait),
];

/// Groups of verbs: name, what it is about, its verbs.
const GROUPS: &[(&str, &str, &[Verb])] = &[
    ("container", "Manage containers", CONTAINER),
    ("image", "Manage images", IMAGE),
    ("system", "Manage the store as a whole", SYSTEM),
    ("volume", "Manage volumes", VOLUME),
];

const CONTAINER: &[Verb] = &[
    verb!("create", [], "Create a container without starting it", create::CreateArgs, create::run),
    verb!("exec", [], "Run a process in a running container", exec::ExecArgs, exec::run),
    verb!("exists", [], "Check if a container exists in local storage", container::exists::ExistsArgs, container::exists::exists),
    verb!("inspect", [], "Display the configuration of a container", inspect::ContainerInspectArgs, inspect::container),
    verb!("kill", [], "Kill one or more running containers with a specific signal", kill::KillArgs, kill::kill),
    verb!("list", ["ls", "ps"], "List containers", ps::PsArgs, ps::ps),
    verb!("port", [], "List port mappings or a specific mapping for the container", port::PortArgs, port::port),
    verb!("prune", [], "Remove all non running containers", container::prune::PruneArgs, container::prune::prune),
    verb!("rename", [], "Rename an existing container", rename::RenameArgs, rename::rename),
    verb!("restart", [], "Restart one or more containers", restart::RestartArgs, restart::restart),
    verb!("rm", [], "Remove one or more containers", rm::RmArgs, rm::rm),
    verb!("run", [], "Run a command in a new container", run::RunArgs, run::run),
    verb!("start", [], "Start containers", start::StartArgs, start::run),
    verb!("stop", [], "Stop one or more containers", stop::StopArgs, stop::stop),
    verb!("top", [], "Display the running processes of a container", top::TopArgs, top::top),
    verb!("wait", [], "Block on one or more containers", wait::WaitArgs, wait::wait),
];

const IMAGE: &[Verb] = &[
    verb!("exists", [], "Check if an image exists in local storage", image::exists::ExistsArgs, image::exists::exists),
    verb!("history", [], "Show history of a specified image", image::history::HistoryArgs, image::history::history),
    verb!("inspect", [], "Display the configuration of an image", inspect::ImageInspectArgs, inspect::image),
    verb!("list", ["ls"], "List images in local storage", image::images::ImagesArgs, image::images::images),
    verb!("load", [], "Load images from a tar archive or directory", image::load::LoadArgs, image::load::load),
    verb!("pull", [], "Pull images from registries", image::pull::PullArgs, image::pull::pull),
    verb!("prune", [], "Remove unused images", image::prune::PruneArgs, image::prune::prune),
    verb!("rm", [], "Remove one or more images from local storage", image::rmi::RmiArgs, image::rmi::rmi),
    verb!("tag", [], "Add an additional name to a local image", image::tag::TagArgs, image::tag::tag),
    verb!("untag", [], "Remove a name from a local image", image::untag::UntagArgs, image::untag::untag),
];

const SYSTEM: &[Verb] = &[
    verb!("df", [], "Show disk usage", system::df::DfArgs, system::df::df),
    verb!("events", [], "Show system events", events::EventsArgs, events::events),
    verb!("info", [], "Display system information", info::InfoArgs, info::info),
    verb!("prune", [], "Remove unused data", system::prune::PruneArgs, system::prune::prune),
    verb!("reset", [], "Remove all containers, images, volumes and the store itself", system::reset::ResetArgs, system::reset::reset),
];

const VOLUME: &[Verb] = &[
    verb!("create", [], "Create a new volume", volume::create::CreateArgs, volume::create::create),
    verb!("exists", [], "Check if volume exists", volume::exists::ExistsArgs, volume::exists::exists),
    verb!("inspect", [], "Display detailed information on one or more volumes", volume::inspect::InspectArgs, volume::inspect::inspect),
    verb!("ls", ["list"], "List volumes", volume::ls::LsArgs, volume::ls::ls),
    verb!("prune", [], "Remove all unused volumes", volume::prune::PruneArgs, volume::prune::prune),
    verb!("rm", ["remove"], "Remove one or more volumes", volume::rm::RmArgs, volume::rm::rm),
];

/// The whole command, each verb's flags deferred.
pub fn command() -> Command {
    let root =
        Command::new("dulse").version(env!("CARGO_PKG_VERSION")).subcommand_required(true).arg_required_else_help(true).max_term_width(120);
    // The doc comment of the options would stand in its place.
    let root = Globals::augment_args(root).about("Run containers without root and without a daemon");
    let root = TOP.iter().fold(root, |root, verb| root.subcommand(define(verb)));
    GROUPS.iter().fold(root, |root, (name, about, verbs)| {
        let group = Command::new(*name).about(*about).subcommand_required(true).arg_required_else_help(true);
        root.subcommand(verbs.iter().fold(group, |group, verb| group.subcommand(define(verb))))
    })
}

fn define(verb: &'static Verb) -> Command {
    let command = Command::new(verb.name).visible_aliases(verb.aliases.iter().copied()).about(verb.about);
    command.hide(verb.about.is_empty()).args_override_self(true).defer(verb.flags)
}

/// Runs the verb that `matches` names.
pub fn dispatch(matches: &ArgMatches) -> Result<ExitCode, CliError> {
    let globals = Globals::from_arg_matches(matches)?;
    let (mut name, mut inner) = matches.subcommand().ok_or("no command given")?;
    let mut verbs = TOP;
    if let Some((_, _, group)) = GROUPS.iter().find(|(group, _, _)| *group == name) {
        verbs = group;
        (name, inner) = inner.subcommand().ok_or("no command given")?;
    }
    let verb = verbs.iter().find(|verb| verb.name == name).ok_or_else(|| format!("unrecognized command {name:?}"))?;
    (verb.handler)(inner, &globals)
}
