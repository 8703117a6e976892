//! `image inspect`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::container::GraphDriver;
use super::{Nullable, Time};
use crate::engine::image::{get, size};
use crate::engine::{Engine, Error};
use crate::storage::{image as store, layer};

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "interface {}", rename_all = "PascalCase")]
pub struct Image {
    pub id: String,
    digest: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    parent: &'static str,
    comment: String,
    created: Option<Time>,
    config: Config,
    version: &'static str,
    author: String,
    architecture: String,
    os: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
    size: u64,
    virtual_size: u64,
    graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    labels: Nullable<BTreeMap<String, String>>,
    annotations: BTreeMap<String, String>,
    manifest_type: String,
    user: String,
    history: Vec<Step>,
    names_history: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Json>,
}

/// The image's `config`, in Go's order of the fields; the empty ones are left out.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename = "*v1.ImageConfig", rename_all = "PascalCase", default)]
struct Config {
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposed_ports: Option<BTreeMap<String, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volumes: Option<BTreeMap<String, Json>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    working_dir: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    stop_signal: String,
    #[serde(skip_serializing)]
    healthcheck: Option<Json>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename = "*inspect.RootFS", rename_all = "PascalCase")]
struct RootFs {
    #[serde(rename = "Type")]
    kind: &'static str,
    layers: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename = "v1.History", default)]
struct Step {
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    created_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    comment: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    empty_layer: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    created: Option<String>,
    author: String,
    architecture: String,
    os: String,
    variant: String,
    config: Option<Config>,
    history: Option<Vec<Step>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Manifest {
    annotations: Option<BTreeMap<String, String>>,
}

/// The image of this name or ID.
pub fn image(engine: &Engine, name: &str) -> Result<Image, Error> {
    let (record, _) = get(engine, name)?;
    let bytes = store::config(&engine.store, &record.id)?;
    let configuration: Configuration =
        serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("configuration of image {}: {error}", record.id)))?;
    let manifest: Manifest = serde_json::from_slice(&store::manifest(&engine.store, &record.id)?).unwrap_or_default();
    let config = configuration.config.unwrap_or_default();
    let history = configuration.history.unwrap_or_default();
    let directories: Vec<String> = record
        .layers
        .iter()
        .rev()
        .filter_map(|digest| Some(layer::directory(&engine.store, &digest.parse().ok()?).display().to_string()))
        .collect();
    let mut data = BTreeMap::new();
    if let Some((upper, lower)) = directories.split_first() {
        data.insert("UpperDir", upper.clone());
        if !lower.is_empty() {
            data.insert("LowerDir", lower.join(":"));
        }
    }
    Ok(Image {
        digest: record.digest.clone(),
        repo_tags: record.repo_tags(),
        repo_digests: record.repo_digests(),
        parent: "",
        comment: history.last().map(|step| step.comment.clone()).unwrap_or_default(),
        created: configuration.created.map(Time),
        version: "",
        author: configuration.author,
        architecture: configuration.architecture,
        os: configuration.os,
        variant: configuration.variant,
        size: size(engine, &record),
        virtual_size: size(engine, &record),
        graph_driver: GraphDriver { name: "overlay", data },
        root_fs: RootFs { kind: "layers", layers: record.layers.clone() },
        labels: Nullable(config.labels.clone().unwrap_or_default()),
        annotations: manifest.annotations.unwrap_or_default(),
        manifest_type: record.media_type.clone(),
        user: config.user.clone(),
        history,
        names_history: record.names.iter().rev().cloned().collect(),
        healthcheck: config.healthcheck.clone(),
        config,
        id: record.id,
    })
}
