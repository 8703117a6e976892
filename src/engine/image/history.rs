//! `history`: how an image came to be.

use serde::Deserialize;

use super::lookup;
use crate::engine::{Engine, Error};
use crate::storage::{image, layer};

/// One step of an image's making.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// The image's ID for the last step; of the others nothing is kept.
    pub id: Option<String>,
    /// RFC 3339.
    pub created: String,
    pub created_by: String,
    pub comment: String,
    /// Names of the image, for the last step.
    pub tags: Vec<String>,
    /// Bytes of the layer's archive, 0 for a step that changed no file.
    pub size: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    history: Option<Vec<Step>>,
    created: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Step {
    created: String,
    created_by: String,
    comment: String,
    empty_layer: bool,
}

/// The steps, the last first.
pub fn history(engine: &Engine, name: &str) -> Result<Vec<Layer>, Error> {
    let (record, _) = lookup::get(engine, name)?;
    let bytes = image::config(&engine.store, &record.id)?;
    let configuration: Configuration =
        serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("configuration of image {}: {error}", record.id)))?;
    let mut sizes = record.layers.iter().map(|digest| digest.parse().ok().and_then(|digest| layer::get(&engine.store, &digest)));
    let mut next_size = || sizes.next().flatten().map_or(0, |layer| layer.tar_size);
    let steps = match configuration.history {
        Some(steps) if !steps.is_empty() => steps,
        // Nothing is told: a step for each layer.
        _ => record.layers.iter().map(|_| Step { created: configuration.created.clone(), ..Step::default() }).collect(),
    };
    let mut layers: Vec<Layer> = steps
        .into_iter()
        .map(|step| Layer {
            id: None,
            size: if step.empty_layer { 0 } else { next_size() },
            created: step.created,
            created_by: step.created_by,
            comment: step.comment,
            tags: Vec::new(),
        })
        .collect();
    if let Some(last) = layers.last_mut() {
        last.id = Some(record.id.clone());
        last.tags = record.names.clone();
    }
    layers.reverse();
    Ok(layers)
}
