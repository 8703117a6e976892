//! Bringing images into the store: pull and load, and what the journal says of them.

use std::path::Path;
use std::time::Duration;

use crate::config::Config;
use crate::engine::{Engine, Error, events, when};
use crate::image::{self, Policy, Progress, PullRequest, Silent};
use crate::storage::image::ImageRecord;

fn progress(engine: &Engine, quiet: bool) -> &'static dyn Progress {
    engine.options.progress.filter(|_| !quiet).unwrap_or(&Silent)
}

/// The image that `request` names, fetched if `policy` wants it.
pub fn obtain(engine: &Engine, request: &PullRequest, policy: Policy, quiet: bool) -> Result<ImageRecord, Error> {
    let config = Config::load(&engine.paths)?;
    let record = image::obtain(&engine.store, &config, &configured(&config, request)?, policy, progress(engine, quiet))?;
    journal(engine, "pull", &record, &request.name)?;
    Ok(record)
}

/// Fetches an image, or all tags of a repository.
pub fn pull(engine: &Engine, request: &PullRequest, quiet: bool) -> Result<Vec<ImageRecord>, Error> {
    let config = Config::load(&engine.paths)?;
    let records = image::pull(&engine.store, &config, &configured(&config, request)?, progress(engine, quiet))?;
    records.iter().try_for_each(|record| journal(engine, "pull", record, &request.name))?;
    Ok(records)
}

/// Loads the images of an archive or directory; standard input where there is no path.
pub fn load(engine: &Engine, input: Option<&Path>, quiet: bool) -> Result<Vec<ImageRecord>, Error> {
    let config = Config::load(&engine.paths)?;
    let records = image::load(&engine.store, &config, input, progress(engine, quiet))?;
    let name = input.map_or_else(String::new, |path| path.display().to_string());
    records.iter().try_for_each(|record| journal(engine, "loadfromarchive", record, &name))?;
    Ok(records)
}

/// The request with what containers.conf says where the command line says nothing.
fn configured(config: &Config, request: &PullRequest) -> Result<PullRequest, Error> {
    let mut request = request.clone();
    if let (None, Some(text)) = (request.retry_delay, &config.engine.retry_delay) {
        request.retry_delay = Some(retry_delay(text)?);
    }
    Ok(request)
}

/// `--retry-delay`, a Go duration.
pub fn retry_delay(text: &str) -> Result<Duration, Error> {
    let parsed = when::duration(text).and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| Error::Invalid(format!("time: invalid duration {text:?}")))
}

fn journal(engine: &Engine, status: &str, record: &ImageRecord, name: &str) -> Result<(), Error> {
    let event =
        events::Event { kind: "image".into(), status: status.into(), id: record.id.clone(), name: name.into(), ..events::Event::default() };
    events::append(&engine.store, event)
}
