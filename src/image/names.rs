//! Which image a name means: local images first, then, for a short name, what containers-registries.conf(5) says.

use super::progress::{Event, Progress};
use super::{Error, hello};
use crate::config::{Aliases, Config, Paths, Registries, ShortNameMode};
use crate::oci::{ImageName, Reference, ShortName};
use crate::storage::image::ImageRecord;
use crate::storage::{self, Store};

/// The local image that `name` stands for: a reference, a short name, an ID or the beginning of one.
pub fn find_local(store: &Store, paths: &Paths, name: &str) -> Result<Option<ImageRecord>, Error> {
    let bare = name.strip_prefix("containers-storage:").or_else(|| name.strip_prefix("docker://")).unwrap_or(name);
    match bare.parse::<ImageName>() {
        Ok(ImageName::Qualified(reference)) => {
            if let Some(record) = by_reference(store, &reference)? {
                return Ok(Some(record));
            }
        }
        Ok(ImageName::Short(short)) => {
            // The commonest two first: registries.conf is only read where they do not help.
            for candidate in [short.at("localhost"), short.at("docker.io")].into_iter().flatten() {
                if let Some(record) = by_reference(store, &candidate)? {
                    return Ok(Some(record));
                }
            }
            for candidate in configured_candidates(paths, &short)? {
                if let Some(record) = by_reference(store, &candidate)? {
                    return Ok(Some(record));
                }
            }
        }
        Err(_) => {}
    }
    Ok(storage::image::by_id(store, bare)?)
}

fn by_reference(store: &Store, reference: &Reference) -> Result<Option<ImageRecord>, Error> {
    Ok(storage::image::by_name(store, &reference.clone().without_redundant_tag().with_default_tag())?)
}

/// What registries.conf makes of a short name.
fn configured_candidates(paths: &Paths, short: &ShortName) -> Result<Vec<Reference>, Error> {
    let registries = Registries::load(paths)?;
    let alias = registries.aliases.get(short.repository()).and_then(|alias| short.aliased(alias).ok());
    let searched = registries.unqualified_search.iter().filter_map(|registry| short.at(registry).ok());
    Ok(alias.into_iter().chain(searched).collect())
}

/// The references to try in order for a name that has to be fetched.
#[derive(Clone, Debug)]
pub struct Remote {
    pub candidates: Vec<Reference>,
    /// A choice that is to be recorded once it has worked.
    pub record: Option<ShortName>,
}

/// Resolves `name` for a pull.
pub fn resolve_remote(config: &Config, name: &str, progress: &dyn Progress) -> Result<Remote, Error> {
    let short = match name.parse::<ImageName>()? {
        ImageName::Qualified(reference) => return Ok(Remote { candidates: vec![fetchable(reference)], record: None }),
        ImageName::Short(short) => short,
    };
    let registries = config.registries()?;
    let aliases = Aliases::load(&config.paths)?;
    let alias = aliases.get(short.repository()).or_else(|| registries.aliases.get(short.repository()).map(String::as_str));
    if let Some(alias) = alias.filter(|_| registries.short_name_mode != ShortNameMode::Disabled) {
        let reason = format!("Resolved {:?} as an alias ({})", short.repository(), registries.path.display());
        progress.event(Event::Resolved { name, reason: &reason });
        return Ok(Remote { candidates: vec![fetchable(short.aliased(alias)?)], record: None });
    }
    let search = &registries.unqualified_search;
    let candidates = search.iter().map(|registry| Ok(fetchable(short.at(registry)?))).collect::<Result<Vec<_>, Error>>()?;
    match (candidates.len(), registries.short_name_mode) {
        (0, _) => Err(Error::ShortName(format!(
            "short-name {name:?} did not resolve to an alias and no unqualified-search registries are defined in {:?}",
            if registries.path.as_os_str().is_empty() { std::path::Path::new("/etc/containers/registries.conf") } else { &registries.path }
        ))),
        (1, _) | (_, ShortNameMode::Disabled) => {
            let reason = format!("Resolving {name:?} using unqualified-search registries ({})", registries.path.display());
            progress.event(Event::Resolved { name, reason: &reason });
            Ok(Remote { candidates, record: None })
        }
        (_, mode) => {
            let choices: Vec<String> = candidates.iter().map(ToString::to_string).collect();
            match progress.choose("Please select an image", &choices).and_then(|index| candidates.get(index)) {
                Some(chosen) => Ok(Remote { candidates: vec![chosen.clone()], record: Some(short) }),
                None if mode == ShortNameMode::Permissive => Ok(Remote { candidates, record: None }),
                None => Err(Error::ShortName(format!(
                    "short-name resolution enforced but cannot prompt without a TTY: {name:?} could be {}",
                    choices.join(", ")
                ))),
            }
        }
    }
}

fn fetchable(reference: Reference) -> Reference {
    reference.without_redundant_tag().with_default_tag()
}

/// Whether `name` means the embedded image, where nothing else is called so.
pub fn is_hello(name: &str) -> bool {
    matches!(name, "hello" | "hello:latest" | "localhost/hello" | hello::NAME)
}
