//! The image a container is made from: found or fetched, and what its configuration says.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::request::{Pull, PullPolicy};
use crate::engine::{Engine, Error};
use crate::oci::Reference;
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
    if matches!(pull.policy, PullPolicy::Missing | PullPolicy::Never)
        && let Some(record) = find(engine, name)?
    {
        return Ok(record);
    }
    Err(Error::Invalid(format!("{name}: image not known")))
}

/// The local image of this name, short name or ID.
fn find(engine: &Engine, name: &str) -> Result<Option<ImageRecord>, Error> {
    let candidates = [name.to_owned(), format!("localhost/{name}"), format!("docker.io/{name}")];
    for candidate in candidates {
        if let Ok(reference) = candidate.parse::<Reference>()
            && let Some(record) = storage::image::by_name(&engine.store, &reference.with_default_tag())?
        {
            return Ok(Some(record));
        }
    }
    Ok(storage::image::by_id(&engine.store, name)?)
}
