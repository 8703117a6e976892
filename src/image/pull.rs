//! `pull`: from a name to an image in the store, over as many registries and mirrors as the name may mean.

use std::path::PathBuf;
use std::time::Duration;

use super::ingest::PARALLEL;
use super::progress::{Event, Progress};
use super::{Error, load, names, remote};
use crate::config::{Aliases, AuthFiles, Config, Credentials, Endpoint};
use crate::oci::{Platform, Reference};
use crate::registry::{Repository, Settings};
use crate::storage::image::ImageRecord;
use crate::storage::{self, Store};

/// When to fetch an image that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    Missing,
    Always,
    Never,
    /// Where the registry has another one; a registry that cannot say is no error if there is a local image.
    Newer,
}

/// What to pull, and how.
#[derive(Clone, Debug, Default)]
pub struct PullRequest {
    pub name: String,
    pub platform: Option<Platform>,
    /// `--creds USER[:PASSWORD]`
    pub credentials: Option<String>,
    pub authfile: Option<PathBuf>,
    pub certificates: Option<PathBuf>,
    pub tls_verify: Option<bool>,
    pub retry: Option<u32>,
    pub retry_delay: Option<Duration>,
    pub all_tags: bool,
}

/// Attempts after the first one, podman's default.
const RETRY: u32 = 3;

/// The image that `request` names: the local one or a pulled one, as `policy` says.
pub fn obtain(
    store: &Store,
    config: &Config,
    request: &PullRequest,
    policy: Policy,
    progress: &dyn Progress,
) -> Result<ImageRecord, Error> {
    let wanted = request.platform.as_ref();
    let fits =
        |record: &ImageRecord| wanted.is_none_or(|platform| platform.os == record.os && platform.architecture == record.architecture);
    let local = match policy {
        Policy::Always => None,
        _ => names::find_local(store, &config.paths, &request.name)?.filter(fits),
    };
    match (policy, local) {
        (Policy::Missing | Policy::Never, Some(record)) => Ok(record),
        (Policy::Never, None) => Err(Error::NotKnown(request.name.clone())),
        (Policy::Newer, Some(record)) => match pull(store, config, request, progress) {
            Ok(pulled) => Ok(pulled.into_iter().next().unwrap_or(record)),
            Err(error) => {
                progress.event(Event::Warning(&format!("using the local image, as no newer one can be had: {error}")));
                Ok(record)
            }
        },
        (_, None) if request.platform.is_none() && names::is_hello(&request.name) => load::hello(store),
        _ => pull(store, config, request, progress)?.into_iter().next().ok_or_else(|| Error::NotKnown(request.name.clone())),
    }
}

/// Fetches an image, whatever is there already; layers that the store has are not fetched again.
pub fn pull(store: &Store, config: &Config, request: &PullRequest, progress: &dyn Progress) -> Result<Vec<ImageRecord>, Error> {
    let platform = request.platform.clone().unwrap_or_else(Platform::host);
    if let Some(id) = request.name.strip_prefix("containers-storage:") {
        let found = names::find_local(store, &config.paths, id)?;
        return found.map(|record| vec![record]).ok_or_else(|| Error::NotKnown(id.to_owned()));
    }
    if let Some(records) = load::from_transport(store, config, &request.name, &platform, progress)? {
        return Ok(records);
    }
    let name = request.name.strip_prefix("docker://").unwrap_or(&request.name);
    let remote = match (name.len() == request.name.len(), name) {
        (true, _) => names::resolve_remote(config, name, progress)?,
        // An explicit transport leaves no room for short names: Docker's rules hold.
        (false, name) => {
            names::Remote { candidates: vec![Reference::normalized(name)?.without_redundant_tag().with_default_tag()], record: None }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let mut failures = Vec::new();
    for candidate in &remote.candidates {
        match runtime.block_on(from_reference(store, config, request, candidate, &platform, progress)) {
            Ok(records) => {
                if let Some(short) = &remote.record {
                    Aliases::load(&config.paths)?.record(short.repository(), &candidate.name())?;
                }
                return Ok(records);
            }
            Err(error) => {
                load::discard(store, &error);
                failures.push(error);
            }
        }
    }
    match failures.len() {
        1 => Err(failures.remove(0)),
        count => {
            let list = failures.iter().map(|error| format!("\n * {}", with_causes(error))).collect::<String>();
            Err(Error::ShortName(format!("{count} errors occurred while pulling:{list}")))
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

async fn from_reference(
    store: &Store,
    config: &Config,
    request: &PullRequest,
    reference: &Reference,
    platform: &Platform,
    progress: &dyn Progress,
) -> Result<Vec<ImageRecord>, Error> {
    if !request.all_tags {
        return one_reference(store, config, request, reference, platform, progress).await.map(|record| vec![record]);
    }
    let mut failure = None;
    for endpoint in config.registries()?.endpoints(reference)? {
        let repository = repository(config, request, &endpoint)?;
        match repository.tags().await {
            Ok(tags) => {
                let mut records = Vec::new();
                for tag in tags {
                    records.push(one_reference(store, config, request, &reference.with_tag(&tag), platform, progress).await?);
                }
                return Ok(records);
            }
            Err(cause) => drop(failure.get_or_insert(Error::Source { source_name: format!("docker://{reference}"), cause })),
        }
    }
    Err(failure.unwrap_or_else(|| Error::NotKnown(reference.to_string())))
}

/// Tries the mirrors of `reference` and then its own registry. The image gets the name that was asked for.
async fn one_reference(
    store: &Store,
    config: &Config,
    request: &PullRequest,
    reference: &Reference,
    platform: &Platform,
    progress: &dyn Progress,
) -> Result<ImageRecord, Error> {
    progress.event(Event::Trying(&reference.to_string()));
    config.policy(None)?.check("docker", &reference.to_string())?;
    let endpoints = config.registries()?.endpoints(reference)?;
    let parallel = config.engine.image_parallel_copies.filter(|&count| count > 0).unwrap_or(PARALLEL);
    let mut last = None;
    for endpoint in endpoints {
        let repository = repository(config, request, &endpoint)?;
        let source = format!("docker://{}", endpoint.reference);
        let found = async {
            let fetched = remote::manifest(&repository, &endpoint.reference, platform).await?;
            remote::copy(store, &repository, &source, &fetched, parallel, progress).await
        };
        match found.await {
            Ok(mut record) => {
                storage::image::tag(store, &record.id, reference)?;
                record.names.insert(0, reference.to_string());
                return Ok(record);
            }
            Err(error) if endpoint.mirror => {
                progress.event(Event::Warning(&format!("mirror {}: {}", endpoint.reference, with_causes(&error))));
                last = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::NotKnown(reference.to_string())))
}

fn repository(config: &Config, request: &PullRequest, endpoint: &Endpoint) -> Result<Repository, Error> {
    let registry = endpoint.reference.registry();
    let credentials = match &request.credentials {
        // A mirror is not whom the user gave the password for.
        Some(text) if !endpoint.mirror => {
            let (username, password) = text.split_once(':').unwrap_or((text, ""));
            Some(Credentials::Password { username: username.into(), password: password.into() })
        }
        _ => {
            let helpers = config.registries()?.credential_helpers;
            AuthFiles::find(&config.paths, request.authfile.as_deref()).credentials(&endpoint.reference, &helpers)?
        }
    };
    let mut certificates: Vec<PathBuf> =
        ["/etc/docker/certs.d", "/etc/containers/certs.d"].iter().map(|base| PathBuf::from(base).join(registry)).collect();
    certificates.push(config.paths.config.join("certs.d").join(registry));
    certificates.extend(request.certificates.clone());
    let settings = Settings {
        insecure: request.tls_verify.map_or(endpoint.insecure, |verify| !verify),
        certificates,
        credentials,
        retry: request.retry.or(config.engine.retry).unwrap_or(RETRY),
        retry_delay: request.retry_delay,
    };
    Repository::new(&endpoint.reference, settings)
        .map_err(|cause| Error::Source { source_name: format!("docker://{}", endpoint.reference), cause })
}
