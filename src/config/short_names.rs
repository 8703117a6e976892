//! The machine-written cache of short-name aliases, `short-name-aliases.conf`: what a user chose when asked.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::read;
use super::{Error, Paths};

/// Aliases that were recorded after a question on the terminal.
#[derive(Clone, Debug, Default)]
pub struct Aliases {
    path: PathBuf,
    aliases: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    aliases: BTreeMap<String, String>,
}

impl Aliases {
    /// Reads `$XDG_CACHE_HOME/containers/short-name-aliases.conf`, which other tools share.
    pub fn load(paths: &Paths) -> Result<Self, Error> {
        let cache = paths.cache.parent().unwrap_or(&paths.cache);
        let path = cache.join("containers/short-name-aliases.conf");
        let document = match read(&path)? {
            Some(text) => toml::from_str(&text).map_err(|error| Error::Toml(path.clone(), Box::new(error)))?,
            None => Document::default(),
        };
        Ok(Self { path, aliases: document.aliases })
    }

    /// The repository recorded for `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.aliases.get(name).map(String::as_str)
    }

    /// Records that `name` stands for `target`.
    pub fn record(&mut self, name: &str, target: &str) -> Result<(), Error> {
        self.aliases.insert(name.into(), target.into());
        let mut text = String::from("[aliases]\n");
        // Names and targets are of the reference grammar: nothing in them needs quoting within a quoted string.
        self.aliases.iter().for_each(|(name, target)| text.push_str(&format!("  \"{name}\" = \"{target}\"\n")));
        write(&self.path, &text).map_err(|error| Error::Write(self.path.clone(), error))
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
