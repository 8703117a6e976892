//! `--format`: Go templates with podman's functions, field names and error messages.
//!
//! gotmpl knows maps, but not Go's structs, times and methods. So a parsed template is rewritten ([`rewrite`]): each field access becomes a
//! call of a function of ours, which tells a struct's missing field (an error) from a map's missing key (`<no value>`), and what is
//! printed goes through [`value::display`].

mod functions;
mod methods;
mod rewrite;
mod serializer;
mod value;

pub use value::{Object, Value, from_serialize, list, text, time};

use std::fmt;

use super::table;

/// A template that does not parse, or that cannot be applied to the data; the message is Go's.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What was printed before it failed.
    pub partial: String,
    message: String,
}

/// A parsed `--format`.
pub struct Format {
    name: String,
    template: gotmpl::Template,
    /// Cells are aligned.
    pub aligned: bool,
    /// A header line is wanted.
    pub table: bool,
}

impl fmt::Debug for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Format").field("aligned", &self.aligned).field("table", &self.table).finish()
    }
}

impl Format {
    /// A user's format for each of a list of objects; `name` is the command's. With the prefix `table `, blanks separate columns.
    pub fn list(name: &str, text: &str) -> Result<Self, Error> {
        let table = text.strip_prefix("table ");
        let body = match table {
            Some(rest) => with_newline(unescape(rest).replace(' ', "\t")),
            None => normalized(text),
        };
        let ranged = |body: &str| match body.starts_with("{{range .}}") || body.starts_with("{{range . -}}") {
            true => body.to_owned(),
            false => format!("{{{{range .}}}}{body}{{{{end -}}}}"),
        };
        // What does not parse is complained of as it was written.
        let template = rewrite::parse(name, &ranged(&body)).or_else(|_| rewrite::parse(name, &ranged(table.unwrap_or(text))))?;
        Ok(Self { name: name.to_owned(), template, aligned: table.is_some(), table: table.is_some() })
    }

    /// A user's format for one object.
    pub fn single(name: &str, text: &str) -> Result<Self, Error> {
        let table = text.strip_prefix("table ");
        let body = normalized(table.unwrap_or(text));
        Ok(Self { name: name.to_owned(), template: rewrite::parse(name, &body)?, aligned: table.is_some(), table: table.is_some() })
    }

    /// The format applied to `items`, below the headers where there are any.
    pub fn render_list(&self, headers: &[(&str, &str)], items: Vec<Value>) -> Result<String, Error> {
        let mut output = String::new();
        if self.table && !headers.is_empty() {
            self.execute(&mut output, &list([value::headers(headers)]))?;
        }
        let result = self.execute(&mut output, &list(items));
        let output = if self.aligned { table::align(&output) } else { output };
        match result {
            Ok(()) => Ok(output),
            Err(error) => Err(Error { partial: output, ..error }),
        }
    }

    /// The format applied to one object.
    pub fn render(&self, data: &Value) -> Result<String, Error> {
        let mut output = String::new();
        match self.execute(&mut output, data) {
            Ok(()) => Ok(if self.aligned { table::align(&output) } else { output }),
            Err(error) => Err(Error { partial: output, ..error }),
        }
    }

    fn execute(&self, output: &mut String, data: &Value) -> Result<(), Error> {
        self.template.execute_fmt(output, data).map_err(|error| Error {
            partial: output.clone(),
            message: match error {
                gotmpl::TemplateError::Exec(message) if message.starts_with("template: ") => message,
                other => format!("template: {}: {other}", self.name),
            },
        })
    }
}

/// Whether a format asks for JSON: `json` or `{{json .}}` in any spelling.
pub fn is_json(format: &str) -> bool {
    let compact: String = format.split_whitespace().collect::<Vec<_>>().join(" ");
    matches!(compact.as_str(), "json" | "{{json .}}" | "{{ json . }}" | "{{ json .}}" | "{{json . }}" | "{{json}}" | "{{ json }}")
}

/// A format with its escapes replaced and a newline at its end; one with a newline in a string of an action is left as its writer wrote
/// it, as in podman.
fn normalized(text: &str) -> String {
    let mut actions = text.split("{{").skip(1).filter_map(|action| action.split("}}").next());
    // Odd parts of an action lie between quotation marks.
    let quoted = actions.any(|action| action.split('"').skip(1).step_by(2).any(|string| string.contains("\\n")));
    if quoted { text.to_owned() } else { with_newline(unescape(text)) }
}

fn with_newline(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// The escapes that podman takes in a format, which a shell's quotes leave as they are.
fn unescape(text: &str) -> String {
    let pairs = [("\\n", "\n"), ("\\t", "\t")];
    let mut output = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        match pairs.iter().find(|(escape, _)| rest.starts_with(escape)) {
            Some((escape, meaning)) => {
                output.push_str(meaning);
                rest = &rest[escape.len()..];
            }
            None => {
                output.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    output
}

#[cfg(test)]
mod tests;
