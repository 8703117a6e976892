//! Parses a template and puts our own functions where Go's semantics need them.

use gotmpl::parse::{BranchNode, CommandNode, Expr, ListNode, Node, PipeNode, Pos, SmolStr};
use gotmpl::{Template, TemplateError};

use super::{Error, functions};

/// Parses `source` as the template `name`.
pub(super) fn parse(name: &str, source: &str) -> Result<Template, Error> {
    let parsed = Template::new(name).parse(source).map_err(|error| Error {
        partial: String::new(),
        message: match error {
            TemplateError::Parse { line, message, .. } | TemplateError::Lex { line, message, .. } => {
                format!("template: {name}:{line}: {}", in_gos_words(&message))
            }
            other => format!("template: {name}: {other}"),
        },
    })?;
    let rewriter = Rewriter { name, source };
    let names: Vec<String> = parsed.templates().into_iter().map(str::to_owned).collect();
    // The template itself is unnamed: under a name of its own it would take the place of the tree with that name.
    let mut template = Template::new("").funcs(functions::all());
    for tree in names.iter().map(String::as_str) {
        let Some(nodes) = parsed.lookup(tree) else { continue };
        let mut nodes = nodes.clone();
        rewriter.list(&mut nodes)?;
        template = template.add_parse_tree(tree, nodes);
    }
    let body = if names.iter().any(|tree| tree == name) { format!("{{{{template {name:?} .}}}}") } else { String::new() };
    template.parse(&body).map_err(|error| Error { partial: String::new(), message: format!("template: {name}: {error}") })
}

/// A complaint of gotmpl's lexer as Go's has it.
fn in_gos_words(message: &str) -> String {
    match message.strip_prefix("unexpected character: '").and_then(|rest| rest.chars().next()) {
        Some(character) => format!("bad character U+{:04X} {character:?}", u32::from(character)),
        None => message.to_owned(),
    }
}

struct Rewriter<'a> {
    name: &'a str,
    source: &'a str,
}

impl Rewriter<'_> {
    fn list(&self, list: &mut ListNode) -> Result<(), Error> {
        list.nodes.iter_mut().try_for_each(|node| self.node(node))
    }

    fn node(&self, node: &mut Node) -> Result<(), Error> {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => {
                self.pipe(&mut action.pipe)?;
                if action.pipe.decl.is_empty() {
                    action.pipe.commands.push(call(action.pos, functions::PRINT, Vec::new()));
                }
                Ok(())
            }
            Node::If(branch) | Node::With(branch) => self.branch(branch),
            Node::Range(branch) => {
                let place = branch.pipe.commands.last().and_then(|command| command.args.first()).map(|expr| self.place(expr));
                self.branch(branch)?;
                let pos = branch.pos;
                branch.pipe.commands.push(call(pos, functions::ITERABLE, vec![string(pos, &place.unwrap_or_default())]));
                Ok(())
            }
            Node::Template(template) => template.pipe.as_mut().map_or(Ok(()), |pipe| self.pipe(pipe)),
            Node::Define(define) => self.list(&mut define.body),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => Ok(()),
        }
    }

    fn branch(&self, branch: &mut BranchNode) -> Result<(), Error> {
        self.pipe(&mut branch.pipe)?;
        self.list(&mut branch.body)?;
        branch.else_body.as_mut().map_or(Ok(()), |body| self.list(body))
    }

    fn pipe(&self, pipe: &mut PipeNode) -> Result<(), Error> {
        let mut commands = Vec::with_capacity(pipe.commands.len());
        for mut command in std::mem::take(&mut pipe.commands) {
            let prints =
                matches!(command.args.first(), Some(Expr::Identifier(_, name)) if matches!(name.as_str(), "print" | "printf" | "println"));
            if prints && !commands.is_empty() {
                commands.push(call(command.pos, functions::PLAIN, Vec::new()));
            }
            self.command(&mut command, prints)?;
            commands.push(command);
        }
        pipe.commands = commands;
        Ok(())
    }

    fn command(&self, command: &mut CommandNode, prints: bool) -> Result<(), Error> {
        // A field with arguments is a method.
        let method = command.args.len() > 1 && matches!(command.args[0], Expr::Field(..) | Expr::Variable(..) | Expr::Chain(..));
        if method {
            let mut arguments = command.args.split_off(1);
            arguments.iter_mut().try_for_each(|argument| self.expression(argument))?;
            let pos = command.args[0].pos();
            let mut access = self.access(&command.args[0])?.unwrap_or_else(|| vec![command.args[0].clone()]);
            access.extend(arguments);
            command.args = vec![Expr::Identifier(pos, functions::FIELD.into())];
            command.args.extend(access);
            return Ok(());
        }
        for (index, argument) in command.args.iter_mut().enumerate() {
            self.expression(argument)?;
            if prints && index > 0 {
                let pos = argument.pos();
                *argument = piped(pos, call(pos, functions::PLAIN, vec![argument.clone()]));
            }
        }
        Ok(())
    }

    fn expression(&self, expression: &mut Expr) -> Result<(), Error> {
        if let Some(arguments) = self.access(expression)? {
            let pos = expression.pos();
            *expression = piped(pos, call(pos, functions::FIELD, arguments));
            return Ok(());
        }
        match expression {
            Expr::Pipe(_, pipe) => self.pipe(pipe),
            Expr::Identifier(pos, name) if !known(name) => Err(Error {
                partial: String::new(),
                message: format!("template: {}:{}: function {:?} not defined", self.name, pos.line, name.as_str()),
            }),
            _ => Ok(()),
        }
    }

    /// The arguments of the field function for an expression that accesses fields.
    fn access(&self, expression: &Expr) -> Result<Option<Vec<Expr>>, Error> {
        let (pos, base, names) = match expression {
            Expr::Field(pos, names) => (*pos, Expr::Dot(*pos), names),
            Expr::Variable(pos, name, names) if !names.is_empty() => (*pos, Expr::Variable(*pos, name.clone(), Vec::new()), names),
            Expr::Chain(pos, inner, names) if !names.is_empty() => {
                let mut inner = inner.as_ref().clone();
                self.expression(&mut inner)?;
                (*pos, inner, names)
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![string(pos, &self.place(expression)), base, self.names(pos, names)]))
    }

    /// A list of names as an expression: gotmpl has no list literals, `slice`d data neither, so `split` makes one.
    fn names(&self, pos: Pos, names: &[SmolStr]) -> Expr {
        let joined = names.iter().map(SmolStr::as_str).collect::<Vec<_>>().join(".");
        piped(pos, call(pos, "split", vec![string(pos, &joined), string(pos, ".")]))
    }

    /// `template: NAME:LINE:COLUMN: executing "NAME" at <EXPRESSION>`, Go's beginning of an error.
    fn place(&self, expression: &Expr) -> String {
        let pos = expression.pos();
        let (written, shift) = match expression {
            Expr::Field(_, names) => (format!(".{}", join(names)), if names.len() > 1 { names[0].len() + 1 } else { 0 }),
            Expr::Variable(_, name, names) if !names.is_empty() => (format!("{name}.{}", join(names)), name.len()),
            Expr::Variable(_, name, _) => (name.to_string(), 0),
            Expr::Chain(_, _, names) => (format!("(…).{}", join(names)), 0),
            Expr::Identifier(_, name) => (name.to_string(), 0),
            _ => (".".into(), 0),
        };
        let offset = (pos.offset + shift).min(self.source.len());
        let line_start = self.source.as_bytes()[..offset].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        format!("template: {0}:{1}:{2}: executing {0:?} at <{written}>", self.name, pos.line, offset - line_start)
    }
}

fn known(name: &str) -> bool {
    functions::BUILT_IN.contains(&name) || functions::OWN.contains(&name)
}

fn join(names: &[SmolStr]) -> String {
    names.iter().map(SmolStr::as_str).collect::<Vec<_>>().join(".")
}

fn call(pos: Pos, function: &str, arguments: Vec<Expr>) -> CommandNode {
    let mut args = vec![Expr::Identifier(pos, function.into())];
    args.extend(arguments);
    CommandNode { pos, args }
}

fn piped(pos: Pos, command: CommandNode) -> Expr {
    Expr::Pipe(pos, PipeNode { pos, decl: Vec::new(), commands: vec![command], is_assign: false })
}

fn string(pos: Pos, text: &str) -> Expr {
    Expr::String(pos, text.into())
}
