//! Regular expressions and URI templates for paths.

use regex_lite::Regex;

use super::{Answer, examples};

/// A regular expression for whole paths.
#[derive(Clone, Debug)]
pub struct Expression {
    /// As it is written.
    pub text: String,
    /// None: this program cannot read it.
    pub(super) regex: Option<Regex>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expression {
    /// One that must match a whole path.
    pub fn whole(text: &str) -> Self {
        Self { text: text.to_owned(), regex: Regex::new(&format!("^(?:{text})$")).ok() }
    }

    /// One that matches anywhere.
    pub fn anywhere(text: &str) -> Self {
        Self { text: text.to_owned(), regex: Regex::new(text).ok() }
    }

    /// A URI template of Envoy: `/a/{b}/*/{c=**}`; groups in the order of its variables. With the
    /// names of the variables.
    pub fn template(template: &str) -> (Self, Vec<String>) {
        let (mut text, mut names, mut rest) = (String::new(), Vec::new(), template);
        while let Some(first) = rest.chars().next() {
            if let Some((variable, behind)) =
                rest.strip_prefix('{').and_then(|inner| inner.split_once('}'))
            {
                let (name, value) = variable.split_once('=').unwrap_or((variable, "*"));
                names.push(name.to_owned());
                let value = value.replace("**", "\0").replace('*', "[^/]+").replace('\0', ".*");
                text.push_str(&format!("({value})"));
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix("**") {
                text.push_str(".*");
                rest = behind;
            } else if first == '*' {
                text.push_str("[^/]+");
                rest = rest.get(1..).unwrap_or_default();
            } else {
                text.push_str(&regex_lite::escape(&first.to_string()));
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        (Self::whole(&text), names)
    }

    pub fn is_match(&self, path: &str) -> Answer {
        self.regex.as_ref().map_or(Answer::Maybe, |regex| regex.is_match(path).into())
    }

    /// Texts that it may match.
    pub fn examples(&self) -> Vec<String> {
        examples(&self.text)
    }

    /// Whether it matches one path, or all that begin with one text.
    pub(super) fn is_literal(&self) -> bool {
        let text = self.text.trim_start_matches('^').trim_end_matches('$');
        let tails = ["(/.*)?", "/?", "/.*", ".*"];
        let text = tails.iter().find_map(|tail| text.strip_suffix(tail)).unwrap_or(text);
        let literal = self.literal_prefix();
        text == literal
            || text == regex_lite::escape(&literal)
            || text.replace("\\/", "/") == regex_lite::escape(&literal)
    }

    /// Whether nothing of a path is left over, whichever alternative matches.
    pub(super) fn is_of_whole_paths(&self) -> bool {
        let (mut depth, mut is_escaped, mut has_alternatives) = (0_usize, false, false);
        for c in self.text.chars() {
            match c {
                _ if is_escaped => {}
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                '|' if depth == 0 => has_alternatives = true,
                _ => {}
            }
            is_escaped = c == '\\' && !is_escaped;
        }
        self.text.starts_with('^')
            && self.text.ends_with('$')
            && !self.text.ends_with("\\$")
            && !has_alternatives
    }

    /// The text that every match begins with for sure; perhaps less than there is.
    pub fn sure_prefix(&self) -> String {
        // An alternative may stand anywhere, and flags may change what letters mean.
        if self.text.contains('|') || self.text.contains("(?") {
            return String::new();
        }
        self.literal_prefix()
    }

    /// The text that every match begins with, as far as it is plain to see.
    pub fn literal_prefix(&self) -> String {
        let (mut found, mut rest) = (
            String::new(),
            self.text.trim_start_matches("(?i)").trim_start_matches('^').chars().peekable(),
        );
        while let Some(c) = rest.next() {
            let literal = match c {
                '\\' => rest.next().filter(|escaped| !escaped.is_alphanumeric()),
                '.' | '[' | '(' | ')' | '*' | '+' | '?' | '{' | '|' | '^' | '$' => None,
                other => Some(other),
            };
            let Some(literal) = literal else { break };
            // What may be missing is no part of it.
            if matches!(rest.peek(), Some('*' | '?' | '{')) {
                break;
            }
            found.push(literal);
        }
        // One alternative is not all of them.
        if self.text.contains('|') && !self.text.contains('(') { String::new() } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_expression() {
        for (text, wanted) in [
            ("^/auth/(.*)$", "/auth/"),
            ("/a\\.b/.*", "/a.b/"),
            ("/ab?", "/a"),
            ("/a|/b", ""),
            ("(a|b)c", ""),
            ("/a(b|c)", "/a"),
            ("\\d", ""),
        ] {
            assert_eq!(Expression::whole(text).literal_prefix(), wanted, "{text}");
        }
    }
}
