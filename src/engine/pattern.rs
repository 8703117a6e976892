//! Regular expressions, as far as filters are written in them: literals, `.`, classes, groups, `|`, `*`, `+`, `?`, `^`, `$`.

/// A pattern that is looked for anywhere in a text.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Vec<Piece>>);

#[derive(Clone, Debug)]
struct Piece {
    atom: Atom,
    minimum: usize,
    maximum: usize,
}

#[derive(Clone, Debug)]
enum Atom {
    Literal(char),
    Any,
    Start,
    End,
    Class { negated: bool, ranges: Vec<(char, char)> },
    Group(Vec<Vec<Piece>>),
}

/// Deepest nesting of groups: a pattern is the user's own, but must not exhaust the stack.
const MAX_DEPTH: usize = 50;
/// Steps after which a search gives up: the matcher goes back and tries again, which some patterns make take for ever.
const MAX_STEPS: usize = 1_000_000;

impl Pattern {
    /// Compiles `text`; `None` where it is no regular expression of the kind.
    pub fn new(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text.chars().collect(), position: 0 };
        let alternatives = parser.alternatives(0)?;
        (parser.position == parser.rest.len()).then_some(Self(alternatives))
    }

    /// Whether the pattern occurs in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let mut steps = MAX_STEPS;
        (0..=text.len()).any(|start| self.0.iter().any(|pieces| matches(pieces, &text, start, &mut steps, &mut |_, _| true)))
    }
}

struct Parser {
    rest: Vec<char>,
    position: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.position).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += 1;
        Some(next)
    }

    fn alternatives(&mut self, depth: usize) -> Option<Vec<Vec<Piece>>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut alternatives = vec![Vec::new()];
        while let Some(character) = self.peek() {
            match character {
                ')' => break,
                '|' => {
                    self.position += 1;
                    alternatives.push(Vec::new());
                }
                _ => {
                    let atom = self.atom(depth)?;
                    let (minimum, maximum) = match self.peek() {
                        Some('*') => (0, usize::MAX),
                        Some('+') => (1, usize::MAX),
                        Some('?') => (0, 1),
                        _ => (1, 1),
                    };
                    if (minimum, maximum) != (1, 1) {
                        self.position += 1;
                    }
                    alternatives.last_mut()?.push(Piece { atom, minimum, maximum });
                }
            }
        }
        Some(alternatives)
    }

    fn atom(&mut self, depth: usize) -> Option<Atom> {
        Some(match self.next()? {
            '.' => Atom::Any,
            '^' => Atom::Start,
            '$' => Atom::End,
            '*' | '+' | '?' => return None,
            '(' => {
                if self.rest[self.position..].starts_with(&['?', ':']) {
                    self.position += 2;
                }
                let inner = self.alternatives(depth + 1)?;
                (self.next()? == ')').then_some(Atom::Group(inner))?
            }
            '[' => self.class()?,
            '\\' => match self.next()? {
                'd' => Atom::Class { negated: false, ranges: vec![('0', '9')] },
                'w' => Atom::Class { negated: false, ranges: vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')] },
                's' => Atom::Class { negated: false, ranges: vec![(' ', ' '), ('\t', '\r')] },
                other if other.is_alphanumeric() => return None,
                other => Atom::Literal(other),
            },
            other => Atom::Literal(other),
        })
    }

    fn class(&mut self) -> Option<Atom> {
        let negated = self.peek() == Some('^');
        self.position += usize::from(negated);
        let mut ranges = Vec::new();
        loop {
            let mut low = self.next()?;
            if low == ']' && !ranges.is_empty() {
                return Some(Atom::Class { negated, ranges });
            }
            if low == '\\' {
                low = self.next()?;
            }
            let is_range = self.peek() == Some('-') && self.rest.get(self.position + 1).is_some_and(|next| *next != ']');
            let high = if is_range {
                self.position += 1;
                self.next()?
            } else {
                low
            };
            ranges.push((low, high));
        }
    }
}

/// Calls `after` with each position where `pieces` can end when they begin at `at`, until it says yes.
fn matches(pieces: &[Piece], text: &[char], at: usize, steps: &mut usize, after: &mut dyn FnMut(usize, &mut usize) -> bool) -> bool {
    match pieces.split_first() {
        None => after(at, steps),
        Some((piece, rest)) => repeat(piece, rest, text, at, 0, steps, after),
    }
}

fn repeat(
    piece: &Piece,
    rest: &[Piece],
    text: &[char],
    at: usize,
    count: usize,
    steps: &mut usize,
    after: &mut dyn FnMut(usize, &mut usize) -> bool,
) -> bool {
    if *steps == 0 {
        return false;
    }
    *steps -= 1;
    if count < piece.maximum {
        let once = |end: usize| end > at || count < piece.minimum;
        let found = match &piece.atom {
            Atom::Group(alternatives) => alternatives.iter().any(|inner| {
                matches(inner, text, at, steps, &mut |end, steps| once(end) && repeat(piece, rest, text, end, count + 1, steps, after))
            }),
            simple => match end_of(simple, text, at) {
                Some(end) => once(end) && repeat(piece, rest, text, end, count + 1, steps, after),
                None => false,
            },
        };
        if found {
            return true;
        }
    }
    count >= piece.minimum && matches(rest, text, at, steps, after)
}

fn end_of(atom: &Atom, text: &[char], at: usize) -> Option<usize> {
    let character = text.get(at).copied();
    let fits = match atom {
        Atom::Start => return (at == 0).then_some(at),
        Atom::End => return (at == text.len()).then_some(at),
        Atom::Any => character.is_some(),
        Atom::Literal(literal) => character == Some(*literal),
        Atom::Class { negated, ranges } => {
            character.is_some_and(|character| ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != *negated)
        }
        Atom::Group(_) => false,
    };
    fits.then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_anywhere_unless_anchored() {
        let cases = [
            ("web", "my-web-1", true),
            ("^web", "my-web-1", false),
            ("^my.*1$", "my-web-1", true),
            ("web-[0-9]+$", "my-web-12", true),
            ("web-[^0-9]", "web-1", false),
            ("(a|b)+c", "xababc", true),
            ("^(a|b)+c$", "xababc", false),
            ("colou?r", "color", true),
            ("a\\.b", "axb", false),
            ("\\d\\w", "x1_", true),
            ("", "", true),
            ("^$", "x", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Pattern::new(pattern).is_some_and(|pattern| pattern.is_match(text)), expected, "{pattern} in {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_and_what_would_take_for_ever_ends() {
        for pattern in ["*", "(", "a)", "[", "[]", "a|(", "\\"] {
            assert!(Pattern::new(pattern).is_none(), "{pattern}");
        }
        assert!(!Pattern::new("(a*)*b").is_some_and(|pattern| pattern.is_match(&"a".repeat(200))));
    }
}
