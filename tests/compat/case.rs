//! The cases as they are written down.
//!
//! ```text
//! # A remark.
//! name: run --rm busybox true
//! name [sort, differs the reason]:
//!     printf 'A=1\n' >file
//!     engine run --rm --env-file file busybox env
//! ```
//!
//! A case is one command line of the engine, or an indented script in which the engine is called `engine`. The options say what is
//! compared besides the exit status and the standard output:
//!
//! - `sort`: the lines of the output in any order
//! - `words`: the output but for the number of blanks (tables, whose columns grow with what is in them)
//! - `status`: not the output
//! - `stderr`: the standard error, too
//! - `everything`: the image with every kind of entry is there as well
//! - `differs REASON`: the engines are meant to differ; the case fails where they no longer do

/// One case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    pub name: String,
    pub script: String,
    pub sort: bool,
    pub words: bool,
    pub status_only: bool,
    pub stderr: bool,
    pub everything: bool,
    /// Why the engines are meant to differ.
    pub differs: Option<String>,
}

/// Reads a file of cases; an error names the line.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(script) = line.strip_prefix("    ") {
            let case = cases.last_mut().ok_or_else(|| format!("line {}: a script without a case", number + 1))?;
            case.script += script;
            case.script.push('\n');
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            cases.push(head(line).ok_or_else(|| format!("line {}: not of the form `name [options]: command`: {line}", number + 1))?);
        }
    }
    match cases.iter().find(|case| case.script.is_empty()) {
        Some(empty) => Err(format!("case {} runs nothing", empty.name)),
        None => Ok(cases),
    }
}

fn head(line: &str) -> Option<Case> {
    let end = line.find([' ', ':'])?;
    let mut case = Case { name: line[..end].to_owned(), ..Case::default() };
    let mut rest = line[end..].trim_start();
    if let Some(options) = rest.strip_prefix('[') {
        let end = options.find("]:")?;
        rest = &options[end + 1..];
        case.set(&options[..end])?;
    }
    let command = rest.strip_prefix(':')?.trim();
    if !command.is_empty() {
        case.script = format!("engine {command}\n");
    }
    Some(case)
}

impl Case {
    fn set(&mut self, options: &str) -> Option<()> {
        let mut rest = options;
        while !rest.is_empty() {
            // A reason runs to the end and may contain commas.
            if let Some(reason) = rest.strip_prefix("differs ") {
                self.differs = Some(reason.to_owned());
                return Some(());
            }
            let (option, tail) = rest.split_once(',').unwrap_or((rest, ""));
            match option.trim() {
                "sort" => self.sort = true,
                "words" => self.words = true,
                "status" => self.status_only = true,
                "stderr" => self.stderr = true,
                "everything" => self.everything = true,
                _ => return None,
            }
            rest = tail.trim_start();
        }
        Some(())
    }
}
