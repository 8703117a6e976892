//! `images`: the images there are, a line for each name.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::cli::template::{self, Format, Object, Value};
use crate::cli::{CliError, Globals, human, output, table};
use crate::engine::image::{self, Image, ListRequest};

/// What can be sorted by.
const SORTS: [&str; 5] = ["created", "id", "repository", "size", "tag"];

const HEADERS: [(&str, &str); 17] = [
    ("Containers", "CONTAINERS"),
    ("Created", "CREATED"),
    ("Dangling", "DANGLING"),
    ("Digest", "DIGEST"),
    ("History", "HISTORY"),
    ("ID", "IMAGE ID"),
    ("IsReadOnly", "READONLY"),
    ("Labels", "LABELS"),
    ("Names", "NAMES"),
    ("ParentId", "PARENT ID"),
    ("RepoDigests", "REPO DIGESTS"),
    ("RepoTags", "REPO TAGS"),
    ("Repository", "REPOSITORY"),
    ("SharedSize", "SHARED SIZE"),
    ("Size", "SIZE"),
    ("Tag", "TAG"),
    ("VirtualSize", "VIRTUAL SIZE"),
];

#[derive(clap::Args)]
pub struct ImagesArgs {
    /// Show all images (there are no intermediate ones)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Change the output format to JSON or a Go template
    #[arg(long)]
    format: Option<String>,
    /// Display the image name history
    #[arg(long)]
    history: bool,
    /// Do not truncate output
    #[arg(long, alias = "notruncate")]
    no_trunc: bool,
    /// Do not print column headings
    #[arg(short, long)]
    noheading: bool,
    /// Display only image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Sort by: created, id, repository, size, tag
    #[arg(long, default_value = "created", value_name = "CHOICE")]
    sort: String,
    /// Only images of this name, which may have wildcards
    image: Option<String>,
}

/// One line of the list.
struct Row<'a> {
    image: &'a Image,
    repository: &'a str,
    tag: &'a str,
}

pub fn images(args: ImagesArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if !args.filter.is_empty() && args.image.is_some() {
        return Err("cannot specify an image and a filter(s)".into());
    }
    if args.quiet && args.format.is_some() {
        return Err("quiet and format are mutually exclusive".into());
    }
    if !SORTS.contains(&args.sort.as_str()) {
        let list = SORTS.join(", ");
        return Err(format!(
            "invalid argument {0:?} for \"--sort\" flag: {0:?} is not a valid value.  Choose from: \"{list}\"\nSee 'dulse images --help'",
            args.sort
        )
        .into());
    }
    let engine = globals.engine()?;
    let images = image::list(&engine, &ListRequest { name: args.image.clone(), filters: args.filter.clone() })?;
    let mut rows: Vec<Row> = images.iter().flat_map(rows).collect();
    if args.sort != "created" {
        rows.sort_by(|one, other| {
            image::compare(&args.sort, (one.repository, one.tag, one.image), (other.repository, other.tag, other.image))
        });
    }
    let now = Timestamp::now();
    if args.quiet {
        let mut ids: Vec<String> = Vec::new();
        for id in rows.iter().map(|row| id(row.image, args.no_trunc)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        output::text(&ids.into_iter().fold(String::new(), |text, id| text + &id + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    match args.format.as_deref() {
        Some("json") => output::json(&images.iter().map(to_json).collect::<Vec<_>>(), 4)?,
        Some(format) => {
            let headers: &[(&str, &str)] = if args.noheading { &[] } else { &HEADERS };
            let format = Format::list("images", format)?;
            output::rendered(format.render_list(headers, rows.iter().map(|row| to_value(row, now, args.no_trunc)).collect()))?;
        }
        None => output::text(&lines(&args, &rows, now))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(image: &Image) -> Vec<Row<'_>> {
    if image.shown.is_empty() {
        return vec![Row { image, repository: "<none>", tag: "<none>" }];
    }
    image
        .shown
        .iter()
        .map(|name| {
            let (plain, digest) = name.split_once('@').map_or((name.as_str(), false), |(plain, _)| (plain, true));
            match plain.rsplit_once(':') {
                Some((repository, tag)) if !tag.contains('/') && !digest => Row { image, repository, tag },
                _ => Row { image, repository: plain, tag: "<none>" },
            }
        })
        .collect()
}

fn lines(args: &ImagesArgs, rows: &[Row], now: Timestamp) -> String {
    let mut header = vec!["REPOSITORY", "TAG"];
    if args.digests {
        header.push("DIGEST");
    }
    header.extend(["IMAGE ID", "CREATED", "SIZE"]);
    if args.history {
        header.push("HISTORY");
    }
    let cells = rows.iter().map(|row| {
        let mut cells = vec![row.repository.to_owned(), row.tag.to_owned()];
        if args.digests {
            cells.push(row.image.record.digest.clone());
        }
        cells.extend([id(row.image, args.no_trunc), ago(row.image, now), human::spaced_size(row.image.size)]);
        if args.history {
            cells.push(history(row.image).join(", "));
        }
        cells
    });
    table::rows(if args.noheading { &[] } else { &header }, cells.collect::<Vec<_>>())
}

fn id(image: &Image, no_trunc: bool) -> String {
    if no_trunc { format!("sha256:{}", image.record.id) } else { image.record.id.chars().take(12).collect() }
}

fn ago(image: &Image, now: Timestamp) -> String {
    format!("{} ago", human::duration(now.duration_since(image.created).as_secs()))
}

/// The names in the order in which the image got them.
fn history(image: &Image) -> Vec<String> {
    image.record.names.iter().rev().cloned().collect()
}

/// The creation time in whole seconds, which is all that podman shows of it here.
fn second(image: &Image) -> String {
    Timestamp::from_second(image.created.as_second()).unwrap_or_default().to_string()
}

/// The fields that podman's summary of an image has, up to the creation time.
fn summary(image: &Image) -> serde_json::Map<String, Json> {
    let record = &image.record;
    let mut map = serde_json::Map::new();
    let mut put = |key: &str, value: Json| drop(map.insert(key.to_owned(), value));
    put("Id", json!(record.id));
    put("ParentId", json!(""));
    put("RepoTags", Json::Null);
    put("RepoDigests", json!(record.repo_digests()));
    put("Size", json!(image.size));
    put("SharedSize", json!(0));
    put("VirtualSize", json!(image.size));
    put("Labels", if record.labels.is_empty() { Json::Null } else { json!(record.labels) });
    put("Containers", json!(image.containers));
    if image.is_dangling() {
        put("Dangling", json!(true));
    }
    put("Digest", json!(record.digest));
    if !record.names.is_empty() {
        put("History", json!(history(image)));
        put("Names", json!(record.names));
    }
    map
}

fn to_json(image: &Image) -> Json {
    let mut map = summary(image);
    map.insert("Created".into(), json!(image.created.as_second()));
    map.insert("CreatedAt".into(), json!(second(image)));
    Json::Object(map)
}

fn to_value(row: &Row, now: Timestamp, no_trunc: bool) -> Value {
    let image = row.image;
    let record = &image.record;
    let mut json = serde_json::Map::new();
    json.insert("repository".into(), json!(row.repository));
    json.insert("tag".into(), json!(row.tag));
    json.extend(summary(image));
    json.insert("RepoTags".into(), json!(record.repo_tags()));
    json.insert("Created".into(), json!(image.created.as_second()));
    Object::new("images.imageReporter")
        .field("Repository", row.repository)
        .field("Tag", row.tag)
        .field("ID", id(image, no_trunc))
        .field("Id", &record.id)
        .field("ParentId", "")
        .field("RepoTags", record.repo_tags().as_slice())
        .field("RepoDigests", record.repo_digests().as_slice())
        .field("Created", ago(image, now))
        .field("CreatedAt", template::time(&second(image)))
        .field("CreatedSince", ago(image, now))
        .field("CreatedTime", template::time(&second(image)))
        .field("Size", human::spaced_size(image.size))
        .field("SharedSize", 0)
        .field("VirtualSize", image.size)
        .field("Labels", &record.labels)
        .field("Containers", i64::try_from(image.containers).unwrap_or(i64::MAX))
        .field("IsReadOnly", false)
        .field("Dangling", image.is_dangling())
        .field("Digest", &record.digest)
        .field("Names", record.names.as_slice())
        .field("History", history(image).join(", "))
        .field("Arch", &record.architecture)
        .field("Os", &record.os)
        .json(&Json::Object(json))
        .build()
}
