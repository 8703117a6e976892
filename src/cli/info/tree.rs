//! What `info` shows, as a tree that is printed as YAML, as JSON or by a template.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use crate::cli::template::{Object, Value, from_serialize, list};

/// A node of the tree.
#[derive(Clone, Debug)]
pub enum Node {
    Scalar(Json),
    List(Vec<Node>),
    /// A map of strings, whose keys are the same everywhere.
    Map(Vec<(String, Node)>),
    Struct(Struct),
}

/// A struct: its Go type, and of each field the name in JSON and in templates.
#[derive(Clone, Debug)]
pub struct Struct {
    kind: &'static str,
    fields: Vec<(&'static str, &'static str, Node)>,
}

impl Struct {
    pub fn new(kind: &'static str) -> Self {
        Self { kind, fields: Vec::new() }
    }

    /// Adds a field that is `json` in JSON and YAML and `go` in templates.
    pub fn field(mut self, json: &'static str, go: &'static str, node: impl Into<Node>) -> Self {
        self.fields.push((json, go, node.into()));
        self
    }
}

impl From<Struct> for Node {
    fn from(value: Struct) -> Self {
        Self::Struct(value)
    }
}

impl<T: Into<Json>> From<T> for Node {
    fn from(value: T) -> Self {
        Self::Scalar(value.into())
    }
}

impl Node {
    /// A list of strings.
    pub fn strings<T: AsRef<str>>(items: &[T]) -> Self {
        Self::List(items.iter().map(|item| item.as_ref().into()).collect())
    }

    /// The value for a template.
    pub fn value(&self) -> Value {
        match self {
            Self::Scalar(scalar) => from_serialize(scalar),
            Self::List(items) => list(items.iter().map(Self::value)),
            Self::Map(entries) => {
                Value::Map(std::sync::Arc::new(entries.iter().map(|(key, node)| (key.as_str().into(), node.value())).collect()))
            }
            Self::Struct(Struct { kind, fields }) => {
                let object = fields.iter().fold(Object::new(kind), |object, (_, go, node)| object.field(go, node.value()));
                object.json(&serde_json::to_value(self).unwrap_or_default()).build()
            }
        }
    }

    /// YAML with sorted keys, as Go's encoder writes it.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    fn entries(&self) -> Option<Vec<(&str, &Node)>> {
        let mut entries: Vec<_> = match self {
            Self::Struct(value) => value.fields.iter().map(|(json, _, node)| (*json, node)).collect(),
            Self::Map(entries) => entries.iter().map(|(key, node)| (key.as_str(), node)).collect(),
            _ => return None,
        };
        entries.sort_by_key(|(key, _)| *key);
        Some(entries)
    }

    fn write(&self, text: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        for (key, node) in self.entries().unwrap_or_default() {
            text.push_str(&format!("{indent}{}:", plain(key)));
            match node {
                Self::Scalar(scalar) => text.push_str(&format!(" {}\n", self::scalar(scalar, &indent))),
                Self::List(items) if items.is_empty() => text.push_str(" []\n"),
                Self::List(items) => {
                    text.push('\n');
                    items.iter().for_each(|item| item.write_item(text, depth));
                }
                node if node.entries().is_some_and(|entries| entries.is_empty()) => text.push_str(" {}\n"),
                node => {
                    text.push('\n');
                    node.write(text, depth + 1);
                }
            }
        }
    }

    fn write_item(&self, text: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        match self {
            Self::Scalar(scalar) => text.push_str(&format!("{indent}- {}\n", self::scalar(scalar, &indent))),
            node => {
                let mut inner = String::new();
                node.write(&mut inner, depth + 1);
                // The first line carries the dash.
                text.push_str(&format!("{indent}- {}", inner.trim_start()));
            }
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(scalar) => scalar.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, node) in entries {
                    map.serialize_entry(key, node)?;
                }
                map.end()
            }
            Self::Struct(Struct { fields, .. }) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (json, _, node) in fields {
                    map.serialize_entry(json, node)?;
                }
                map.end()
            }
        }
    }
}

fn scalar(value: &Json, indent: &str) -> String {
    let Json::String(text) = value else { return value.to_string() };
    if text.contains('\n') {
        let mark = if text.ends_with('\n') { "|" } else { "|-" };
        let lines = text.trim_end_matches('\n').lines().map(|line| format!("\n{indent}  {line}"));
        return format!("{mark}{}", lines.collect::<String>());
    }
    plain(text)
}

/// A string as it is where YAML takes it for one, in quotes otherwise.
fn plain(text: &str) -> String {
    let special = text.starts_with(['-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', ' ']);
    let ambiguous = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    let other = text.parse::<f64>().is_ok() || matches!(text, "true" | "false" | "null" | "~" | "yes" | "no" | "on" | "off");
    match text {
        "" => "\"\"".to_owned(),
        _ if other => format!("\"{text}\""),
        _ if special || ambiguous => format!("'{}'", text.replace('\'', "''")),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Node {
        let mapping = |id: u32| Struct::new("idtools.IDMap").field("size", "Size", 1).field("host_id", "HostID", id).into();
        Struct::new("*define.Info")
            .field("version", "Version", "a: b")
            .field("host", "Host", Struct::new("*define.HostInfo").field("arch", "Arch", "amd64").field("text", "Text", "one\ntwo"))
            .field("list", "List", Node::List(vec![mapping(7), mapping(8)]))
            .field("empty", "Empty", Node::List(Vec::new()))
            .field("none", "None", Node::Map(Vec::new()))
            .field("number", "Number", Node::Map(vec![("backing".into(), "true".into())]))
            .into()
    }

    #[test]
    fn yaml_is_gos() {
        assert_eq!(
            tree().yaml(),
            "empty: []\nhost:\n  arch: amd64\n  text: |-\n    one\n    two\nlist:\n- host_id: 7\n  size: 1\n- host_id: 8\n  size: 1\nnone: {}\n\
             number:\n  backing: \"true\"\nversion: 'a: b'\n"
        );
    }

    #[test]
    fn json_keeps_the_order_of_the_fields() {
        let text = serde_json::to_string(&tree()).unwrap();
        assert!(text.starts_with("{\"version\":\"a: b\",\"host\":{\"arch\":\"amd64\","), "{text}");
    }

    #[test]
    fn templates_use_gos_names() {
        let format = crate::cli::template::Format::single("info", "{{.Host.Arch}} {{range .List}}{{.HostID}} {{end}}").unwrap();
        assert_eq!(format.render(&tree().value()).unwrap().trim_end(), "amd64 7 8");
    }
}
