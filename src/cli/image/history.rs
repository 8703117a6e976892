//! `history`: how an image came to be.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use crate::cli::template::{self, Format, Object, Value};
use crate::cli::{CliError, Globals, human, output, table};
use crate::engine::image::{self, Layer};
use crate::engine::when;

const HEADERS: [(&str, &str); 6] =
    [("ID", "ID"), ("Created", "CREATED"), ("CreatedBy", "CREATED BY"), ("Size", "SIZE"), ("Comment", "COMMENT"), ("Tags", "TAGS")];

#[derive(clap::Args)]
pub struct HistoryArgs {
    /// Change the output to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Display sizes and dates in human readable format
    #[arg(short = 'H', long, default_value = "true")]
    human: bool,
    /// Do not truncate the output
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Display the numeric IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Image, by name or ID
    image: String,
}

pub fn history(args: HistoryArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    let layers = image::history(&globals.engine()?, &args.image)?;
    let now = Timestamp::now();
    match args.format.as_deref() {
        Some(format) if template::is_json(format) => {
            let list: Vec<_> = layers.iter().map(to_json).collect();
            output::line(&serde_json::to_string(&list)?)?;
        }
        Some(format) => {
            let format = Format::list("history", format)?;
            output::rendered(format.render_list(&HEADERS, layers.iter().map(|layer| to_value(layer, &args, now)).collect()))?;
        }
        None if args.quiet => layers.iter().try_for_each(|layer| output::line(&id(layer, args.no_trunc)))?,
        None => {
            let cells = layers.iter().map(|layer| {
                vec![
                    id(layer, args.no_trunc),
                    created(layer, &args, now),
                    created_by(layer, &args),
                    human::size(layer.size, 3),
                    layer.comment.clone(),
                ]
            });
            output::text(&table::rows(&["ID", "CREATED", "CREATED BY", "SIZE", "COMMENT"], cells.collect::<Vec<_>>()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn id(layer: &Layer, no_trunc: bool) -> String {
    match &layer.id {
        Some(id) if no_trunc => id.clone(),
        Some(id) => id.chars().take(12).collect(),
        None => "<missing>".into(),
    }
}

fn second(layer: &Layer) -> String {
    let time = when::parse(&layer.created).unwrap_or_default();
    Timestamp::from_second(time.as_second()).unwrap_or_default().to_string()
}

fn ago(layer: &Layer, now: Timestamp) -> String {
    let time = when::parse(&layer.created).unwrap_or_default();
    format!("{} ago", human::duration(now.duration_since(time).as_secs()))
}

fn created(layer: &Layer, args: &HistoryArgs, now: Timestamp) -> String {
    if args.human { ago(layer, now) } else { second(layer) }
}

fn created_by(layer: &Layer, args: &HistoryArgs) -> String {
    match args.no_trunc || layer.created_by.chars().count() <= 45 {
        true => layer.created_by.clone(),
        false => layer.created_by.chars().take(42).collect::<String>() + "...",
    }
}

fn to_json(layer: &Layer) -> serde_json::Value {
    let mut value = json!({
        "id": layer.id.as_deref().unwrap_or("<missing>"), "created": layer.created, "CreatedBy": layer.created_by, "tags": layer.tags,
        "size": layer.size, "comment": layer.comment, "Created": second(layer)
    });
    if let (Some(map), true) = (value.as_object_mut(), layer.tags.is_empty()) {
        map.shift_remove("tags");
    }
    value
}

fn to_value(layer: &Layer, args: &HistoryArgs, now: Timestamp) -> Value {
    Object::new("images.historyReporter")
        .field("ID", id(layer, args.no_trunc))
        .field("Created", created(layer, args, now))
        .field("CreatedAt", second(layer))
        .field("CreatedBy", created_by(layer, args))
        .field("CreatedSince", ago(layer, now))
        .field("Size", human::size(layer.size, 3))
        .field("Comment", &layer.comment)
        .field("Tags", layer.tags.as_slice())
        .json(&to_json(layer))
        .build()
}
