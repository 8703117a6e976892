//! The image a container is made from: found or fetched, and what its configuration says.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::request::{Pull, PullPolicy};
use crate::engine::{Engine, Error, image};
use crate::image::{Policy, PullRequest};
use crate::storage::{self, image::ImageRecord};

/// The part of an image's configuration that containers are made from; the rest is skipped while reading.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration {
    config: Option<Defaults>,
}

/// `config` of the OCI image configuration, also as Docker writes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Defaults {
    pub user: String,
    pub exposed_ports: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    pub env: Option<Vec<String>>,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
    pub working_dir: String,
    pub labels: Option<BTreeMap<String, String>>,
    pub stop_signal: String,
}

impl Defaults {
    /// What the image with this ID says.
    pub fn of(engine: &Engine, id: &str) -> Result<Self, Error> {
        let bytes = storage::image::config(&engine.store, id)?;
        let configuration: Configuration =
            serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("configuration of image {id}: {error}")))?;
        Ok(configuration.config.unwrap_or_default())
    }
}

/// The image that `name` stands for, pulled as the policy says.
pub fn find_or_pull(engine: &Engine, name: &str, pull: &Pull) -> Result<ImageRecord, Error> {
    // The common case first: a local image needs no configuration file.
    if pull.platform.is_none()
        && matches!(pull.policy, PullPolicy::Missing | PullPolicy::Never)
        && let Some(record) = crate::image::find_local(&engine.store, &engine.paths, name)?
    {
        return Ok(record);
    }
    let delay = pull.retry_delay.as_deref().map(image::retry_delay).transpose()?;
    let request = PullRequest {
        name: name.to_owned(),
        platform: pull.platform.clone(),
        credentials: pull.creds.clone(),
        authfile: pull.authfile.clone(),
        tls_verify: pull.tls_verify,
        retry: pull.retry,
        retry_delay: delay,
        ..PullRequest::default()
    };
    let policy = match pull.policy {
        PullPolicy::Missing => Policy::Missing,
        PullPolicy::Always => Policy::Always,
        PullPolicy::Never => Policy::Never,
        PullPolicy::Newer => Policy::Newer,
    };
    image::obtain(engine, &request, policy, pull.quiet)
}
