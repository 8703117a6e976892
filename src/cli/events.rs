//! `events`: what happened, and what happens.

use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::template::{self, Format, Object, Value};
use super::{CliError, Globals, human, output};
use crate::engine::events::Event;
use crate::engine::journal::{self, EventFilter, Follower};
use crate::engine::when;

#[derive(clap::Args)]
pub struct EventsArgs {
    /// Filter output
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Format the output using a Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long, default_value = "true")]
    no_trunc: bool,
    /// Show all events created since timestamp
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Stream events and do not exit when returning the last known event
    #[arg(long, default_value = "true")]
    stream: bool,
    /// Show all events until timestamp
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// How often the journal is looked at for new events.
const INTERVAL: Duration = Duration::from_millis(100);

pub fn events(args: EventsArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let engine = globals.engine()?;
    let filter = EventFilter::parse(&engine, &args.filter, args.since.as_deref(), args.until.as_deref())?;
    let printer = Printer::new(&args)?;
    // Followed from here on, so that nothing is lost between reading and following.
    let mut follower = Follower::new(&engine.store);
    let past = args.since.is_some() || args.until.is_some() || !args.stream;
    if past {
        let known = journal::read(&engine.store);
        for event in known.iter().filter(|event| filter.passes(event)) {
            printer.print(event)?;
        }
    }
    while args.stream && filter.until.is_none_or(|until| Timestamp::now() < until) {
        for event in follower.news()?.iter().filter(|event| filter.passes(event)) {
            printer.print(event)?;
        }
        if output::is_closed() {
            break;
        }
        std::thread::sleep(INTERVAL);
    }
    Ok(ExitCode::SUCCESS)
}

/// How an event is printed.
struct Printer {
    json: bool,
    format: Option<Format>,
    no_trunc: bool,
}

impl Printer {
    fn new(args: &EventsArgs) -> Result<Self, CliError> {
        let json = args.format.as_deref().is_some_and(template::is_json);
        let format = args.format.as_deref().filter(|_| !json).map(|format| Format::single("events", format)).transpose()?;
        Ok(Self { json, format, no_trunc: args.no_trunc })
    }

    fn print(&self, event: &Event) -> Result<(), CliError> {
        match &self.format {
            _ if self.json => Ok(output::line(&to_json(event).to_string())?),
            Some(format) => output::rendered(format.render(&to_value(event))),
            None => Ok(output::line(&self.line(event))?),
        }
    }

    fn line(&self, event: &Event) -> String {
        let time = human::go_time(&event.time);
        let id = if self.no_trunc { event.id.clone() } else { event.id.chars().take(12).collect() };
        let (kind, status) = (&event.kind, &event.status);
        match event.kind.as_str() {
            "container" | "pod" => {
                let mut details = vec![format!("image={}", event.image), format!("name={}", event.name)];
                details.extend(event.attributes.iter().map(|(key, value)| format!("{key}={value}")));
                format!("{time} {kind} {status} {id} ({})", details.join(", "))
            }
            "volume" => format!("{time} {kind} {status} {}", event.name),
            "system" => format!("{time} {kind} {status}"),
            _ => format!("{time} {kind} {status} {id} {}", event.name),
        }
    }
}

fn to_json(event: &Event) -> Json {
    let time = when::parse(&event.time).unwrap_or_default();
    let mut map = serde_json::Map::new();
    if let Some(code) = event.exit_code {
        map.insert("ContainerExitCode".into(), json!(code));
    }
    for (key, value) in [("ID", &event.id), ("Image", &event.image), ("Name", &event.name)] {
        if !value.is_empty() {
            map.insert(key.into(), json!(value));
        }
    }
    map.insert("Status".into(), json!(event.status));
    map.insert("time".into(), json!(time.as_second()));
    map.insert("timeNano".into(), json!(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)));
    map.insert("Type".into(), json!(event.kind));
    map.insert("Attributes".into(), if event.attributes.is_empty() { Json::Null } else { json!(event.attributes) });
    Json::Object(map)
}

fn to_value(event: &Event) -> Value {
    let time = when::parse(&event.time).unwrap_or_default();
    let exit_code = event.exit_code.map_or_else(|| template::text(""), |code| Value::Int(code.into()));
    Object::new("system.Event")
        .field("ContainerExitCode", exit_code)
        .field("ID", &event.id)
        .field("Image", &event.image)
        .field("Name", &event.name)
        .field("Network", "")
        .field("Status", &event.status)
        .field("Time", time.as_second())
        .field("TimeNano", i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX))
        .field("Type", &event.kind)
        .field("HealthStatus", "")
        .field("Error", "")
        .field("Attributes", &event.attributes)
        .json(&to_json(event))
        .build()
}
