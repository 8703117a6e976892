//! `system df`: what the store takes.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use crate::cli::template::{Format, Object, Value, is_json};
use crate::cli::{CliError, Globals, human, output, table};
use crate::engine::container::stop;
use crate::engine::system::{self, Usage};
use crate::engine::when;

const HEADERS: [(&str, &str); 5] =
    [("Type", "TYPE"), ("Total", "TOTAL"), ("Active", "ACTIVE"), ("Size", "SIZE"), ("Reclaimable", "RECLAIMABLE")];

#[derive(clap::Args)]
pub struct DfArgs {
    /// Pretty-print using a Go template or json
    #[arg(long)]
    format: Option<String>,
    /// Show detailed information on disk usage
    #[arg(short, long)]
    verbose: bool,
}

/// A line of the summary.
struct Line {
    kind: &'static str,
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

pub fn df(args: DfArgs, globals: &Globals) -> Result<ExitCode, CliError> {
    if args.verbose && args.format.is_some() {
        return Err("cannot combine --format and --verbose flags".into());
    }
    let usage = system::usage(&globals.engine()?)?;
    if args.verbose {
        output::text(&details(&usage))?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = summary(&usage);
    match args.format.as_deref() {
        Some("json") => {
            let objects: Vec<String> = lines.iter().map(|line| format!("    {}", line.json())).collect();
            output::line(&format!("[\n{}\n]", objects.join(",\n")))?;
        }
        Some(format) if is_json(format) => lines.iter().try_for_each(|line| output::line(&line.json().to_string()))?,
        Some(format) => {
            let format = Format::list("df", format)?;
            output::rendered(format.render_list(&HEADERS, lines.iter().map(Line::value).collect()))?;
        }
        None => {
            let header: Vec<&str> = HEADERS.iter().map(|(_, header)| *header).collect();
            let cells = lines.iter().map(|line| {
                vec![line.kind.to_owned(), line.total.to_string(), line.active.to_string(), human::size(line.size, 4), line.reclaimable()]
            });
            output::text(&table::rows(&header, cells.collect::<Vec<_>>()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(usage: &Usage) -> [Line; 3] {
    let idle = |size: u64, active: bool| if active { 0 } else { size };
    [
        Line {
            kind: "Images",
            total: usage.images.len(),
            active: usage.images.iter().filter(|image| image.image.containers > 0).count(),
            size: usage.image_bytes,
            reclaimable: usage.unused_image_bytes,
        },
        Line {
            kind: "Containers",
            total: usage.containers.len(),
            active: usage.containers.iter().filter(|container| stop::is_running(&container.state)).count(),
            size: usage.containers.iter().map(|container| container.size).sum(),
            reclaimable: usage.containers.iter().map(|container| idle(container.size, stop::is_running(&container.state))).sum(),
        },
        Line {
            kind: "Local Volumes",
            total: usage.volumes.len(),
            active: usage.volumes.iter().filter(|volume| volume.links > 0).count(),
            size: usage.volumes.iter().map(|volume| volume.size).sum(),
            reclaimable: usage.volumes.iter().map(|volume| idle(volume.size, volume.links > 0)).sum(),
        },
    ]
}

impl Line {
    fn reclaimable(&self) -> String {
        let percent = (100 * self.reclaimable).checked_div(self.size).unwrap_or(0);
        format!("{} ({percent}%)", human::size(self.reclaimable, 4))
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "Type": self.kind, "Total": self.total, "Active": self.active, "RawSize": self.size, "RawReclaimable": self.reclaimable,
            "TotalCount": self.total, "Size": human::size(self.size, 4), "Reclaimable": self.reclaimable()
        })
    }

    fn value(&self) -> Value {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        Object::new("*system.dfSummary")
            .field("Type", self.kind)
            .field("Total", count(self.total))
            .field("Active", count(self.active))
            .field("RawSize", self.size)
            .field("RawReclaimable", self.reclaimable)
            .field("Size", human::size(self.size, 4))
            .field("Reclaimable", self.reclaimable())
            .json(&self.json())
            .build()
    }
}

fn details(usage: &Usage) -> String {
    let now = Timestamp::now();
    let since = |time: &str| human::duration(when::parse(time).map_or(0, |time| now.duration_since(time).as_secs()));
    let short = |id: &str| id.chars().take(12).collect::<String>();
    let images = usage.images.iter().flat_map(|usage| {
        let record = &usage.image.record;
        let names = if record.names.is_empty() { vec!["<none>:<none>".to_owned()] } else { record.names.clone() };
        names.into_iter().map(move |name| {
            let (repository, tag) = name.rsplit_once(':').unwrap_or((name.as_str(), "<none>"));
            vec![
                repository.to_owned(),
                tag.to_owned(),
                short(&record.id),
                human::duration(now.duration_since(usage.image.created).as_secs()),
                human::size(usage.image.size, 4),
                human::size(usage.shared, 4),
                human::size(usage.image.size - usage.shared.min(usage.image.size), 4),
                usage.image.containers.to_string(),
            ]
        })
    });
    let containers = usage.containers.iter().map(|usage| {
        let summary = &usage.state.summary;
        vec![
            short(&usage.state.id),
            short(&summary.image_id),
            summary.command.join(" "),
            usage.volumes.to_string(),
            human::size(usage.size, 4),
            since(&summary.created),
            stop::status_name(usage.state.status).to_owned(),
            summary.name.clone(),
        ]
    });
    let volumes = usage.volumes.iter().map(|volume| vec![volume.name.clone(), volume.links.to_string(), human::size(volume.size, 4)]);
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}",
        table::rows(
            &["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"],
            images.collect::<Vec<_>>()
        ),
        table::rows(
            &["CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES", "SIZE", "CREATED", "STATUS", "NAMES"],
            containers.collect::<Vec<_>>()
        ),
        table::rows(&["VOLUME NAME", "LINKS", "SIZE"], volumes.collect::<Vec<_>>())
    )
}
