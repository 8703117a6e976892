//! Manifests and indexes, image specification "Image Manifest" and "Image Index", and Docker's version 2 of both: what is believed of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::oci::{Digest, Platform, media_type};

/// Points to a blob.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest of one image.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// A list of manifests, one for each platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub manifests: Vec<Descriptor>,
}

/// What a manifest request gave.
#[derive(Clone, Debug)]
pub enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// More layers than the kernel could stack are no image but an attack on our patience.
const MOST_LAYERS: usize = 500;
/// Bytes of a configuration at most.
pub const CONFIG_LIMIT: u64 = 8 << 20;

impl Document {
    /// Reads `bytes` as what they say they are; `announced` is the transport's word for it, which must not contradict.
    pub fn parse(what: &str, bytes: &[u8], announced: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            #[serde(default)]
            schema_version: u32,
            #[serde(default)]
            media_type: String,
            manifests: Option<serde::de::IgnoredAny>,
            layers: Option<serde::de::IgnoredAny>,
        }
        let json = |cause| Error::Json { what: what.to_owned(), cause };
        let kind: Kind = serde_json::from_slice(bytes).map_err(json)?;
        if kind.schema_version != 2 {
            return Err(Error::invalid(what, format!("schema version {} is not supported", kind.schema_version)));
        }
        if kind.manifests.is_some() && kind.layers.is_some() {
            return Err(Error::invalid(what, "it is a manifest and an index at once"));
        }
        let named = [kind.media_type.as_str(), announced].into_iter().find(|name| !name.is_empty() && is_manifest(name));
        let is_index = match named {
            Some(media_type::OCI_INDEX | media_type::DOCKER_INDEX) => true,
            Some(_) => false,
            None if kind.media_type.is_empty() => kind.manifests.is_some(),
            None => return Err(Error::invalid(what, format!("unsupported manifest type {:?}", kind.media_type))),
        };
        if is_index {
            return Ok(Self::Index(serde_json::from_slice(bytes).map_err(json)?));
        }
        let mut manifest: Manifest = serde_json::from_slice(bytes).map_err(json)?;
        if manifest.media_type.is_empty() {
            manifest.media_type = named.unwrap_or(media_type::OCI_MANIFEST).to_owned();
        }
        manifest.check(what)?;
        Ok(Self::Manifest(manifest))
    }
}

fn is_manifest(name: &str) -> bool {
    [media_type::OCI_MANIFEST, media_type::OCI_INDEX, media_type::DOCKER_MANIFEST, media_type::DOCKER_INDEX].contains(&name)
}

impl Manifest {
    fn check(&self, what: &str) -> Result<(), Error> {
        if ![media_type::OCI_CONFIG, media_type::DOCKER_CONFIG].contains(&self.config.media_type.as_str()) {
            return Err(Error::invalid(what, format!("it is no container image: configuration of type {:?}", self.config.media_type)));
        }
        if self.config.size > CONFIG_LIMIT {
            return Err(Error::invalid(what, format!("a configuration of {} bytes is too large", self.config.size)));
        }
        if self.layers.len() > MOST_LAYERS {
            return Err(Error::invalid(what, format!("{} layers are too many", self.layers.len())));
        }
        let unknown = self.layers.iter().find(|layer| !is_layer(&layer.media_type));
        match unknown {
            Some(layer) => Err(Error::invalid(what, format!("layer {} has the unsupported type {:?}", layer.digest, layer.media_type))),
            None => Ok(()),
        }
    }
}

/// tar, gzip or zstd, also as Docker and old tools name them. Which it is, the first bytes tell.
fn is_layer(name: &str) -> bool {
    let name = name.replace(".nondistributable", "").replace(".foreign", "");
    let base = name.strip_suffix("+gzip").or_else(|| name.strip_suffix("+zstd")).or_else(|| name.strip_suffix(".gzip")).unwrap_or(&name);
    base == media_type::OCI_LAYER || base == media_type::DOCKER_LAYER || base.strip_suffix(".zstd") == Some(media_type::DOCKER_LAYER)
}

impl Index {
    /// The manifest for `wanted`: the same variant first, then one without, then (for the host's own choice) any of that architecture.
    pub fn choose(&self, name: &str, wanted: &Platform) -> Result<&Descriptor, Error> {
        let fits = |descriptor: &&Descriptor| {
            descriptor.platform.as_ref().is_some_and(|platform| platform.os == wanted.os && platform.architecture == wanted.architecture)
        };
        let variant = |descriptor: &Descriptor| descriptor.platform.as_ref().and_then(|platform| platform.variant.clone());
        let mut candidates: Vec<&Descriptor> = self.manifests.iter().filter(fits).collect();
        candidates.sort_by_key(|descriptor| match (variant(descriptor), &wanted.variant) {
            (found, wanted) if found == *wanted => 0,
            (None, _) => 1,
            // An arm64 image without "v8" is the same thing, an arm/v6 image runs on v7.
            (Some(_), _) => 2,
        });
        let exact_only = wanted.architecture == "arm" && wanted.variant.is_some();
        let best = candidates.first().copied();
        // An index of one image that names no platform (Docker's attestations aside) leaves no choice.
        let only = match self.manifests.as_slice() {
            [one] if one.platform.is_none() => Some(one),
            _ => None,
        };
        best.filter(|found| !exact_only || variant(found) <= wanted.variant).or(only).ok_or_else(|| Error::NoPlatform {
            name: name.to_owned(),
            os: wanted.os.clone(),
            architecture: wanted.architecture.clone(),
            variant: wanted.variant.clone().unwrap_or_default(),
        })
    }
}

/// What a pull needs of an image configuration.
#[derive(Clone, Debug, Deserialize)]
pub struct Configuration {
    pub rootfs: RootFs,
}

#[derive(Clone, Debug, Deserialize)]
pub struct RootFs {
    #[serde(default)]
    pub diff_ids: Vec<Digest>,
}

impl Configuration {
    /// Reads a configuration whose image has `layers` layers.
    pub fn parse(what: &str, bytes: &[u8], layers: usize) -> Result<Self, Error> {
        let config: Self = serde_json::from_slice(bytes).map_err(|cause| Error::Json { what: what.to_owned(), cause })?;
        if config.rootfs.diff_ids.len() != layers {
            let reason = format!("it names {} layers, the manifest {layers}", config.rootfs.diff_ids.len());
            return Err(Error::invalid(what, reason));
        }
        Ok(config)
    }
}

/// `bytes`, if they have this digest and size.
pub fn verified(what: &str, bytes: Vec<u8>, expected: &Digest, size: Option<u64>) -> Result<Vec<u8>, Error> {
    if let Some(size) = size.filter(|size| *size != bytes.len() as u64) {
        return Err(Error::Size { what: what.to_owned(), expected: size, found: bytes.len() as u64 });
    }
    let mut hasher = crate::oci::Hasher::like(expected);
    hasher.update(&bytes);
    match hasher.finish() {
        found if found == *expected => Ok(bytes),
        found => Err(Error::Digest { what: what.to_owned(), expected: expected.clone(), found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn manifest(config: &str, layer: &str) -> String {
        format!(
            r#"{{"schemaVersion": 2, "config": {{"mediaType": "{config}", "digest": "{DIGEST}", "size": 2}},
                "layers": [{{"mediaType": "{layer}", "digest": "{DIGEST}", "size": 0}}]}}"#
        )
    }

    #[test]
    fn layers_of_known_types_only() {
        for layer in [media_type::OCI_LAYER_GZIP, media_type::OCI_LAYER_ZSTD, media_type::DOCKER_LAYER_GZIP, media_type::OCI_LAYER] {
            assert!(Document::parse("m", manifest(media_type::OCI_CONFIG, layer).as_bytes(), "").is_ok(), "{layer}");
        }
        for layer in ["text/html", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", ""] {
            assert!(Document::parse("m", manifest(media_type::OCI_CONFIG, layer).as_bytes(), "").is_err(), "{layer}");
        }
        let artifact = manifest("application/vnd.oci.empty.v1+json", media_type::OCI_LAYER);
        assert!(Document::parse("m", artifact.as_bytes(), "").is_err());
    }

    #[test]
    fn documents_that_are_no_manifest_are_refused() {
        for text in ["", "[]", "{}", r#"{"schemaVersion": 1}"#, r#"{"schemaVersion": 2, "manifests": [], "layers": []}"#, "<html>"] {
            assert!(Document::parse("m", text.as_bytes(), "").is_err(), "{text}");
        }
        let other = r#"{"schemaVersion": 2, "mediaType": "application/json", "manifests": []}"#;
        assert!(Document::parse("m", other.as_bytes(), "").is_err());
    }

    #[test]
    fn the_platform_decides() {
        let entry =
            |platform: &str, size: u32| format!(r#"{{"mediaType": "x", "digest": "{DIGEST}", "size": {size}, "platform": {platform}}}"#);
        let text = format!(
            r#"{{"schemaVersion": 2, "manifests": [{}, {}, {}]}}"#,
            entry(r#"{"os": "linux", "architecture": "arm64", "variant": "v8"}"#, 1),
            entry(r#"{"os": "linux", "architecture": "amd64"}"#, 2),
            entry(r#"{"os": "unknown", "architecture": "unknown"}"#, 3)
        );
        let Document::Index(index) = Document::parse("i", text.as_bytes(), media_type::OCI_INDEX).unwrap() else { panic!() };
        let size = |architecture: &str, variant: Option<&str>| {
            let wanted = Platform { os: "linux".into(), architecture: architecture.into(), variant: variant.map(Into::into) };
            index.choose("i", &wanted).ok().map(|descriptor| descriptor.size)
        };
        assert_eq!(size("amd64", None), Some(2));
        assert_eq!(size("arm64", None), Some(1));
        assert_eq!(size("arm64", Some("v8")), Some(1));
        assert_eq!(size("s390x", None), None);
    }
}
