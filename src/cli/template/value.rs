//! Template data: what Go would have as structs, maps, slices and times.
//!
//! A struct is a map with one key more, [`STRUCT`], that holds the Go type's name, the order of the fields and, where it differs from the
//! fields, the JSON form. A time is a map with the key [`TIME`]. No field of podman's begins with a control character.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::serializer::Serializer;

pub use gotmpl::Value;

pub(super) const STRUCT: &str = "\u{0}struct";
pub(super) const TIME: &str = "\u{0}time";

/// Builds a struct for a template.
pub struct Object {
    kind: &'static str,
    fields: BTreeMap<Arc<str>, Value>,
    order: Vec<Value>,
    json: Value,
}

impl Object {
    /// `kind` is the Go type that errors name.
    pub fn new(kind: &'static str) -> Self {
        Self { kind, fields: BTreeMap::new(), order: Vec::new(), json: Value::Nil }
    }

    pub fn field(mut self, name: &str, value: impl Into<Field>) -> Self {
        self.order.push(text(name));
        self.fields.insert(name.into(), value.into().0);
        self
    }

    /// What the function `json` gives for the struct, where that is not its fields.
    pub fn json(self, json: &serde_json::Value) -> Self {
        Self { json: text(&json.to_string()), ..self }
    }

    pub fn build(mut self) -> Value {
        let description = Value::List(Arc::from([text(self.kind), Value::List(self.order.into()), self.json]));
        self.fields.insert(STRUCT.into(), description);
        Value::Map(Arc::new(self.fields))
    }
}

/// Anything that can be a field.
pub struct Field(Value);

impl From<Value> for Field {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl From<&str> for Field {
    fn from(value: &str) -> Self {
        Self(text(value))
    }
}

impl From<&String> for Field {
    fn from(value: &String) -> Self {
        Self(text(value))
    }
}

impl From<String> for Field {
    fn from(value: String) -> Self {
        Self(Value::String(value.into()))
    }
}

impl From<bool> for Field {
    fn from(value: bool) -> Self {
        Self(Value::Bool(value))
    }
}

impl From<i64> for Field {
    fn from(value: i64) -> Self {
        Self(Value::Int(value))
    }
}

impl From<u64> for Field {
    fn from(value: u64) -> Self {
        Self(i64::try_from(value).map_or(Value::Uint(value), Value::Int))
    }
}

impl From<i32> for Field {
    fn from(value: i32) -> Self {
        Self(Value::Int(value.into()))
    }
}

impl From<&[String]> for Field {
    fn from(value: &[String]) -> Self {
        Self(list(value.iter().map(|item| text(item))))
    }
}

impl From<&BTreeMap<String, String>> for Field {
    fn from(value: &BTreeMap<String, String>) -> Self {
        Self(Value::Map(Arc::new(value.iter().map(|(key, value)| (Arc::from(key.as_str()), text(value))).collect())))
    }
}

pub fn text(value: &str) -> Value {
    Value::String(value.into())
}

pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}

/// A time, from RFC 3339.
pub fn time(rfc3339: &str) -> Value {
    Value::Map(Arc::new(BTreeMap::from([(TIME.into(), text(rfc3339))])))
}

/// A header line's data: a field's name stands for its header, a field without one prints as `<no value>`.
pub(super) fn headers(pairs: &[(&str, &str)]) -> Value {
    Value::Map(Arc::new(pairs.iter().map(|(name, header)| (Arc::from(*name), text(header))).collect()))
}

/// The template's view of what `inspect` and the like print as JSON: the same names.
pub fn from_serialize(data: &impl Serialize) -> Value {
    data.serialize(Serializer).unwrap_or(Value::Nil)
}

/// The Go type of a value, as an error names it.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Map(map) => match (map.get(STRUCT), map.contains_key(TIME)) {
            (Some(Value::List(description)), _) => description.first().map(ToString::to_string).unwrap_or_default(),
            (_, true) => "time.Time".into(),
            _ => "map[string]string".into(),
        },
        Value::List(_) => "[]string".into(),
        Value::Nil => "interface {}".into(),
        other => other.type_name().into(),
    }
}

/// The fields of a struct in their order; `None` for anything else.
pub(super) fn fields(value: &Value) -> Option<Vec<(&str, &Value)>> {
    let Value::Map(map) = value else { return None };
    let Some(Value::List(description)) = map.get(STRUCT) else { return None };
    let Some(Value::List(order)) = description.get(1) else { return None };
    Some(order.iter().filter_map(|name| name.as_str()).filter_map(|name| Some((name, map.get(name)?))).collect())
}

/// A field by its Go name, which has `ID` where the JSON name has `Id`.
pub(super) fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Map(map) = value else { return None };
    map.get(name).or_else(|| {
        fields(value)?.into_iter().find(|(field, _)| field.replace("Id", "ID") == name.replace("Id", "ID")).map(|(_, value)| value)
    })
}

/// A value as Go's `%v` prints it.
pub(super) fn display(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(" ");
    match value {
        Value::List(items) => format!("[{}]", joined(items.iter().map(display).collect())),
        Value::Map(map) => {
            if let Some(Value::String(time)) = map.get(TIME) {
                return crate::cli::human::go_time(time);
            }
            if let Some(fields) = fields(value) {
                return format!("{{{}}}", joined(fields.into_iter().map(|(_, value)| display(value)).collect()));
            }
            format!("map[{}]", joined(map.iter().map(|(key, value)| format!("{key}:{}", display(value))).collect()))
        }
        other => other.to_string(),
    }
}

/// A value as JSON.
pub(super) fn json(value: &Value) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        Value::Nil | Value::Function(_) => "null".into(),
        Value::String(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(",")),
        Value::Map(map) => {
            if let Some(Value::String(time)) = map.get(TIME) {
                return quoted(time);
            }
            if let Some(Value::List(description)) = map.get(STRUCT)
                && let Some(Value::String(json)) = description.get(2)
            {
                return json.to_string();
            }
            let pairs: Vec<String> = match fields(value) {
                Some(fields) => fields.into_iter().map(|(name, value)| format!("{}:{}", quoted(name), json(value))).collect(),
                None => map.iter().map(|(key, value)| format!("{}:{}", quoted(key), json(value))).collect(),
            };
            format!("{{{}}}", pairs.join(","))
        }
        other => other.to_string(),
    }
}
