//! The functions a template can call: podman's own beside Go's, and those that [`super::rewrite`] puts in.

use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value, ValueFunc};

use super::methods;
use super::value::{self, TIME, display, fields, kind, member, text};

/// Field access or method call: the place in the template, the value, the names; then the arguments of a method.
pub(super) const FIELD: &str = "\u{1}field";
/// What is printed.
pub(super) const PRINT: &str = "\u{1}print";
/// A struct or time as the text that Go's `%v` makes of it; other values as they are.
pub(super) const PLAIN: &str = "\u{1}plain";
/// What `range` may run over.
pub(super) const ITERABLE: &str = "\u{1}iterable";

/// Go's own functions, which gotmpl brings.
pub(super) const BUILT_IN: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf", "println", "slice",
    "urlquery",
];

/// podman's.
pub(super) const OWN: [&str; 8] = ["join", "json", "lower", "pad", "split", "title", "truncate", "upper"];

pub(super) fn all() -> FuncMap {
    let mut map = FuncMap::new();
    let mut add = |name: &str, function: fn(&[Value]) -> Result<Value, TemplateError>| {
        map.insert(name.into(), Arc::new(function) as ValueFunc);
    };
    add(FIELD, field);
    add(PRINT, |arguments| {
        Ok(text(&match arguments.first() {
            None | Some(Value::Nil) => "<no value>".into(),
            Some(value) => display(value),
        }))
    });
    add(PLAIN, |arguments| Ok(arguments.first().map_or(Value::Nil, plain)));
    add(ITERABLE, iterable);
    add("json", |arguments| Ok(text(&value::json(first(arguments, "json")?))));
    add("lower", |arguments| Ok(text(&string(arguments, 0, "lower")?.to_lowercase())));
    add("upper", |arguments| Ok(text(&string(arguments, 0, "upper")?.to_uppercase())));
    add("title", |arguments| Ok(text(&title(&string(arguments, 0, "title")?))));
    add("join", |arguments| match first(arguments, "join")? {
        Value::List(items) => Ok(text(&items.iter().map(display).collect::<Vec<_>>().join(&string(arguments, 1, "join")?))),
        other => Err(wrong("[]string", other)),
    });
    add("split", |arguments| {
        let (source, separator) = (string(arguments, 0, "split")?, string(arguments, 1, "split")?);
        Ok(match separator.is_empty() {
            true => value::list(source.chars().map(|character| text(character.encode_utf8(&mut [0; 4])))),
            false => value::list(source.split(&separator).map(text)),
        })
    });
    add("truncate", |arguments| {
        let (source, length) = (string(arguments, 0, "truncate")?, number(arguments, 1, "truncate")?);
        Ok(text(&source.chars().take(length).collect::<String>()))
    });
    add("pad", |arguments| {
        let source = string(arguments, 0, "pad")?;
        if source.is_empty() {
            return Ok(text(""));
        }
        let blanks = |index| Ok::<_, TemplateError>(" ".repeat(number(arguments, index, "pad")?));
        Ok(text(&format!("{}{source}{}", blanks(1)?, blanks(2)?)))
    });
    map
}

fn field(arguments: &[Value]) -> Result<Value, TemplateError> {
    let [Value::String(place), base, Value::List(names), rest @ ..] = arguments else {
        return Err(TemplateError::Exec("template: malformed field access".into()));
    };
    let failed = |message: String| TemplateError::Exec(format!("{place}: {message}"));
    let mut current = base.clone();
    for (index, name) in names.iter().filter_map(Value::as_str).enumerate() {
        let last = index + 1 == names.len();
        current = match &current {
            Value::Map(map) if map.contains_key(TIME) => {
                let time = map.get(TIME).and_then(Value::as_str).unwrap_or_default();
                match methods::call(time, name, if last { rest } else { &[] }) {
                    Some(result) => result?,
                    None => return Err(failed(format!("can't evaluate field {name} in type time.Time"))),
                }
            }
            Value::Map(_) => match (member(&current, name), fields(&current)) {
                (Some(Value::Function(method)), _) => method(if last { rest } else { &[] })?,
                (Some(found), _) => found.clone(),
                (None, None) => Value::Nil,
                _ => return Err(failed(format!("can't evaluate field {name} in type {}", kind(&current)))),
            },
            Value::Nil => return Err(failed(format!("nil pointer evaluating interface {{}}.{name}"))),
            other => return Err(failed(format!("can't evaluate field {name} in type {}", kind(other)))),
        };
    }
    Ok(current)
}

fn iterable(arguments: &[Value]) -> Result<Value, TemplateError> {
    match arguments {
        [Value::String(place), value] if matches!(value, Value::String(_) | Value::Bool(_)) || fields(value).is_some() => {
            Err(TemplateError::Exec(format!("{place}: range can't iterate over {}", display(value))))
        }
        [_, value] => Ok(value.clone()),
        _ => Ok(Value::Nil),
    }
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Map(_) | Value::List(_) => text(&display(value)),
        other => other.clone(),
    }
}

fn first<'a>(arguments: &'a [Value], name: &str) -> Result<&'a Value, TemplateError> {
    arguments.first().ok_or_else(|| missing(name, 1, 0))
}

fn string(arguments: &[Value], index: usize, name: &str) -> Result<String, TemplateError> {
    match arguments.get(index) {
        Some(Value::String(text)) => Ok(text.to_string()),
        Some(other) => Err(wrong("string", other)),
        None => Err(missing(name, index + 1, arguments.len())),
    }
}

fn number(arguments: &[Value], index: usize, name: &str) -> Result<usize, TemplateError> {
    match arguments.get(index) {
        Some(value) => value.as_int().and_then(|number| usize::try_from(number).ok()).ok_or_else(|| wrong("int", value)),
        None => Err(missing(name, index + 1, arguments.len())),
    }
}

fn wrong(expected: &str, got: &Value) -> TemplateError {
    TemplateError::Exec(format!("wrong type for value; expected {expected}; got {}", kind(got)))
}

fn missing(name: &str, expected: usize, got: usize) -> TemplateError {
    TemplateError::Exec(format!("wrong number of args for {name}: want {expected} got {got}"))
}

/// The first letter of each word in upper case.
fn title(source: &str) -> String {
    let mut previous = ' ';
    source
        .chars()
        .map(|character| {
            let starts = !previous.is_alphanumeric() && previous != '_' && previous != '\'';
            previous = character;
            if starts { character.to_uppercase().to_string() } else { character.to_string() }
        })
        .collect()
}
