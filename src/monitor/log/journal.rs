//! The `journald` driver: entries in the journal, by its native protocol (a datagram of fields, JOURNAL_NATIVE_PROTOCOL).

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::super::LogConfig;
use super::Error;
use super::lines;

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// syslog's levels: errors are "err", output is "info".
const PRIORITY_ERRORS: &[u8] = b"3";
const PRIORITY_OUTPUT: &[u8] = b"6";

pub struct JournalLog {
    socket: UnixDatagram,
    /// The fields that are the same in every entry.
    fixed: Vec<u8>,
    entry: Vec<u8>,
}

impl JournalLog {
    pub fn open(config: &LogConfig) -> Result<Self, Error> {
        Self::open_at(Path::new(SOCKET), config)
    }

    fn open_at(path: &Path, config: &LogConfig) -> Result<Self, Error> {
        let failed = |source| Error::Journal { path: path.to_owned(), source };
        let socket = UnixDatagram::unbound().map_err(failed)?;
        socket.connect(path).map_err(failed)?;
        let mut fixed = Vec::new();
        let short = config.id.get(..12).unwrap_or(&config.id);
        put(&mut fixed, "CONTAINER_ID", short.as_bytes());
        put(&mut fixed, "CONTAINER_ID_FULL", config.id.as_bytes());
        put(&mut fixed, "CONTAINER_NAME", config.name.as_bytes());
        put(&mut fixed, "SYSLOG_IDENTIFIER", if config.tag.is_empty() { short.as_bytes() } else { config.tag.as_bytes() });
        if !config.tag.is_empty() {
            put(&mut fixed, "CONTAINER_TAG", config.tag.as_bytes());
        }
        for (key, value) in &config.labels {
            put(&mut fixed, &field_name(key), value.as_bytes());
        }
        Ok(Self { socket, fixed, entry: Vec::new() })
    }

    /// Sends an entry per line of `bytes`, waiting for a journal that is busy.
    pub fn write(&mut self, bytes: &[u8], errors: bool) -> Result<(), Error> {
        let mut result = Ok(());
        for (line, complete) in lines(bytes) {
            self.entry.clear();
            self.entry.extend_from_slice(&self.fixed);
            put(&mut self.entry, "PRIORITY", if errors { PRIORITY_ERRORS } else { PRIORITY_OUTPUT });
            if !complete {
                put(&mut self.entry, "CONTAINER_PARTIAL_MESSAGE", b"true");
            }
            put(&mut self.entry, "MESSAGE", line);
            if let Err(source) = self.socket.send(&self.entry) {
                result = Err(Error::Log { path: SOCKET.into(), source });
            }
        }
        result
    }

    pub fn release_memory(&mut self) {
        self.entry = Vec::new();
    }
}

/// Appends a field in the form that takes any bytes: name, newline, length (u64, little endian), value, newline.
fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A label's key as a field name: capital letters, digits and underscores, at most 64, not beginning with `_` (journald's own) or a digit.
fn field_name(key: &str) -> String {
    let name: String = key.chars().map(|key| if key.is_ascii_alphanumeric() { key.to_ascii_uppercase() } else { '_' }).take(62).collect();
    match name.as_bytes().first() {
        Some(first) if first.is_ascii_uppercase() => name,
        _ => format!("L_{}", name.trim_start_matches('_')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of an entry as a journal would see them.
    fn fields(mut entry: &[u8]) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        while let Some(end) = entry.iter().position(|byte| *byte == b'\n') {
            let (name, rest) = entry.split_at(end);
            let (length, rest) = rest[1..].split_first_chunk::<8>().unwrap();
            let (value, rest) = rest.split_at(u64::from_le_bytes(*length) as usize);
            fields.push((String::from_utf8(name.to_vec()).unwrap(), String::from_utf8_lossy(value).into_owned()));
            entry = rest.strip_prefix(b"\n").unwrap();
        }
        fields
    }

    #[test]
    fn an_entry_names_the_container_and_carries_any_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let config = LogConfig {
            id: "0123456789abcdef".repeat(4),
            name: "web".into(),
            tag: "shop".into(),
            labels: vec![("com.example/x".into(), "y".into())],
            ..LogConfig::default()
        };
        let mut log = JournalLog::open_at(&path, &config).unwrap();
        log.write(b"first\nsecond", true).unwrap();
        let mut buffer = [0; 4096];
        let count = journal.recv(&mut buffer).unwrap();
        let first = fields(&buffer[..count]);
        let value = |fields: &[(String, String)], name: &str| fields.iter().find(|field| field.0 == name).map(|field| field.1.clone());
        assert_eq!(value(&first, "MESSAGE").unwrap(), "first");
        assert_eq!(value(&first, "PRIORITY").unwrap(), "3");
        assert_eq!(value(&first, "CONTAINER_ID").unwrap(), "0123456789ab");
        assert_eq!(value(&first, "CONTAINER_ID_FULL").unwrap(), config.id);
        assert_eq!(value(&first, "CONTAINER_NAME").unwrap(), "web");
        assert_eq!(value(&first, "SYSLOG_IDENTIFIER").unwrap(), "shop");
        assert_eq!(value(&first, "COM_EXAMPLE_X").unwrap(), "y");
        assert_eq!(value(&first, "CONTAINER_PARTIAL_MESSAGE"), None);
        let count = journal.recv(&mut buffer).unwrap();
        assert_eq!(value(&fields(&buffer[..count]), "CONTAINER_PARTIAL_MESSAGE").unwrap(), "true");
    }

    #[test]
    fn a_field_name_is_one_that_journald_accepts() {
        assert_eq!(field_name("a-b"), "A_B");
        assert_eq!(field_name("_x"), "L_X");
        assert_eq!(field_name("9"), "L_9");
    }
}
