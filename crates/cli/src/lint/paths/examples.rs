//! Texts that a regular expression matches: a few for each of its alternatives.

use std::iter::Peekable;
use std::str::Chars;

/// More than this are not made of one expression, and no repetition is longer.
const MOST: usize = 24;
/// An example that is longer, in octets, is none: repetitions within repetitions multiply.
const LONGEST: usize = 1024;
/// Groups within groups; an expression with more is not read further.
const DEEPEST: usize = 32;

/// They may be wrong where the expression has what is not read here: who uses them asks it.
pub fn examples(expression: &str) -> Vec<String> {
    Reader { rest: expression.chars().peekable() }.alternatives(0)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    /// Up to the end of the group.
    fn alternatives(&mut self, depth: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut sequence = vec![String::new()];
        while let Some(c) = self.rest.next() {
            match c {
                ')' => break,
                '|' => found.append(&mut std::mem::replace(&mut sequence, vec![String::new()])),
                _ => {
                    let atom = self.atom(c, depth);
                    let repeated = self.repeated(atom);
                    sequence = joined(&sequence, &repeated);
                }
            }
        }
        found.append(&mut sequence);
        found.truncate(MOST);
        found
    }

    fn atom(&mut self, first: char, depth: usize) -> Vec<String> {
        match first {
            '(' if depth < DEEPEST => {
                self.skip_flags();
                self.alternatives(depth + 1)
            }
            '[' => self.class(),
            '.' => vec!["x".to_owned()],
            '^' | '$' => vec![String::new()],
            '\\' => match self.rest.next() {
                Some('d') => vec!["0".to_owned()],
                Some('s') => vec![" ".to_owned()],
                Some('w' | 'D' | 'W' | 'S' | 'p' | 'P') => vec!["x".to_owned()],
                Some('b' | 'B' | 'A' | 'z') | None => vec![String::new()],
                Some(literal) => vec![literal.to_string()],
            },
            literal => vec![literal.to_string()],
        }
    }

    /// What a group begins with: `?:`, `?P<name>`, `?i:`, or `?i)`, which ends it.
    fn skip_flags(&mut self) {
        if self.rest.next_if_eq(&'?').is_none() {
            return;
        }
        while let Some(c) = self.rest.next_if(|c| *c != ')') {
            if matches!(c, ':' | '>') {
                break;
            }
        }
    }

    /// One or two characters of a class.
    fn class(&mut self) -> Vec<String> {
        let is_negated = self.rest.next_if_eq(&'^').is_some();
        let mut ranges: Vec<(char, char)> = Vec::new();
        let mut is_first = true;
        while let Some(c) = self.rest.next() {
            match c {
                ']' if !is_first => break,
                '\\' => match self.rest.next() {
                    Some('d') => ranges.push(('0', '9')),
                    Some('w') => ranges.extend([('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')]),
                    Some(literal) => ranges.push((literal, literal)),
                    None => break,
                },
                _ => {
                    let dash = self.rest.next_if_eq(&'-').is_some();
                    match self.rest.peek().copied() {
                        Some(end) if dash && end != ']' => {
                            self.rest.next();
                            ranges.push((c, end));
                        }
                        _ => {
                            ranges.push((c, c));
                            ranges.extend(dash.then_some(('-', '-')));
                        }
                    }
                }
            }
            is_first = false;
        }
        let is_in = |c: &char| ranges.iter().any(|(low, high)| low <= c && c <= high);
        let usual = ['x', 'q', '7', 'X', '/', '-'].into_iter();
        let listed = ranges.iter().map(|(low, _)| *low).filter(|_| !is_negated);
        let fitting = usual.filter(|c| is_in(c) != is_negated).chain(listed);
        fitting.take(2).map(String::from).collect()
    }

    /// By the quantifier that follows, if one does.
    fn repeated(&mut self, atom: Vec<String>) -> Vec<String> {
        let (least, may_repeat) = match self.rest.peek() {
            Some('*') => (0, true),
            Some('+') => (1, false),
            Some('?') => (0, true),
            Some('{') => return self.counted(atom),
            _ => return atom,
        };
        self.rest.next();
        // Of a lazy one.
        self.rest.next_if_eq(&'?');
        let none = (least == 0 && may_repeat).then(String::new);
        none.into_iter().chain(atom).collect()
    }

    fn counted(&mut self, atom: Vec<String>) -> Vec<String> {
        self.rest.next();
        let mut inside = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != '}') {
            inside.push(c);
        }
        self.rest.next();
        self.rest.next_if_eq(&'?');
        let least = inside.split(',').next().and_then(|number| number.trim().parse().ok());
        let least: usize = least.unwrap_or(1);
        let times = least.clamp(1, MOST);
        let none = (least == 0).then(String::new);
        let short = atom.iter().filter(|one| one.len() * times <= LONGEST);
        none.into_iter().chain(short.map(|one| one.repeat(times))).collect()
    }
}

/// Each of the beginnings with each of the ends.
fn joined(beginnings: &[String], ends: &[String]) -> Vec<String> {
    let all = ends.iter().flat_map(|end| beginnings.iter().map(move |begin| (begin, end)));
    let short = all.filter(|(begin, end)| begin.len() + end.len() <= LONGEST);
    short.map(|(begin, end)| format!("{begin}{end}")).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::paths::{Answer, Expression};

    #[test]
    fn every_alternative_has_an_example_that_matches() {
        for (expression, wanted) in [
            ("/realms/(bank|shop)/.*", &["/realms/bank/", "/realms/shop/"][..]),
            ("/realms/[a-z]{3,}/.*", &["/realms/xxx/"]),
            ("/oauth/(?:token|par)", &["/oauth/token", "/oauth/par"]),
            ("/oauth/v[0-9]+/.+", &["/oauth/v7/x"]),
            ("/a|/b", &["/a", "/b"]),
            ("/a(/b)?", &["/a", "/a/b"]),
            (r"/a\.b/[^/]+/(?P<name>c)", &["/a.b/x/c"]),
            (r"/[\w-]+/\d{2}", &["/x/00"]),
            ("/[]a]b{0,2}", &["/]", "/ab"]),
            (r".*\.css", &[".css", "x.css"]),
        ] {
            let found = examples(expression);
            for wanted in wanted {
                assert!(found.iter().any(|one| one == wanted), "{expression}: {found:?}");
            }
            for one in &found {
                let regex = Expression::whole(expression);
                assert_eq!(regex.is_match(one), Answer::Yes, "{expression}: {one}");
            }
        }
    }

    #[test]
    fn what_is_not_well_formed_ends() {
        let deep = "(".repeat(1000);
        for expression in ["[", "(", "\\", "a{", "a{2", "[a-", "(?", "(?P<", "a**", ")", &deep] {
            assert!(examples(expression).len() <= MOST, "{expression}");
        }
        assert!(examples(&"(a|b)".repeat(100)).len() <= MOST);
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), "{24})".repeat(depth));
        assert_eq!(examples(&nested(2)), ["a".repeat(24 * 24)]);
        assert_eq!(examples(&nested(7)), [""; 0]);
        assert_eq!(examples(&format!("/b|{}", nested(7))), ["/b"]);
        assert_eq!(examples(&"a".repeat(LONGEST + 1)), [""; 0]);
    }
}
