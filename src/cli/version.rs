//! `version`.

use std::process::ExitCode;

use serde_json::json;

use super::template::{Format, Object, Value, is_json};
use super::{CliError, Globals, output, table};

#[derive(clap::Args)]
pub struct VersionArgs {
    /// Change the output format to JSON or a Go template
    #[arg(short, long)]
    format: Option<String>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub fn version(args: VersionArgs, _: &Globals) -> Result<ExitCode, CliError> {
    let platform = platform();
    match args.format.as_deref() {
        Some(format) if is_json(format) => {
            let client = json!({
                "APIVersion": VERSION, "Version": VERSION, "GoVersion": "", "GitCommit": "", "BuiltTime": "", "Built": 0, "BuildOrigin": "",
                "OsArch": platform, "Os": std::env::consts::OS
            });
            output::line(&json!({ "Client": client }).to_string())?;
        }
        Some(format) => output::rendered(Format::single("version", format)?.render(&value(&platform)))?,
        None => {
            let rows = [("Client:", "Dulse Engine"), ("Version:", VERSION), ("API Version:", VERSION), ("OS/Arch:", &platform)];
            let text: String = rows.iter().map(|(name, value)| format!("{name}\t{value}\n")).collect();
            output::text(&table::align(&text))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The client's fields, by themselves and under `Client`, as scripts ask for them.
fn value(platform: &str) -> Value {
    let fields = |object: Object| {
        object
            .field("APIVersion", VERSION)
            .field("Version", VERSION)
            .field("GoVersion", "")
            .field("GitCommit", "")
            .field("BuiltTime", "")
            .field("Built", 0)
            .field("BuildOrigin", "")
            .field("OsArch", platform)
            .field("Os", std::env::consts::OS)
    };
    let client = fields(Object::new("*define.Version")).build();
    fields(Object::new("*define.Version").field("Client", client).field("Server", Value::Nil)).build()
}

/// Operating system and architecture as Go names them.
fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{}/{architecture}", std::env::consts::OS)
}
