//! Which paths a route takes, and what it makes of them.

use regex_lite::Regex;

/// Whether something is so of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    /// The files do not say.
    Maybe,
}

impl From<bool> for Answer {
    fn from(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}

#[derive(Clone, Debug)]
pub struct PathMatch {
    pub pattern: Pattern,
    pub ignores_case: bool,
}

#[derive(Clone, Debug)]
pub enum Pattern {
    Exact(String),
    Prefix(String),
    /// A prefix of whole segments, without a slash at the end.
    Segments(String),
    Regex(Expression),
    /// It is not understood.
    Unknown,
}

/// A regular expression for whole paths.
#[derive(Clone, Debug)]
pub struct Expression {
    /// As it is written.
    pub text: String,
    /// None: this program cannot read it.
    regex: Option<Regex>,
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Rewrite {
    None,
    /// In place of what the route matched: the prefix, or else the whole path.
    Matched(String),
    /// In place of the whole path.
    Full(String),
    /// RE2's replacement of every place that matches.
    Regex {
        pattern: Expression,
        /// With `\1`.
        substitution: String,
    },
    Unknown(&'static str),
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

    /// Whether it stands for one path, or for all that begin with it.
    fn is_literal(&self) -> bool {
        let text = self.text.trim_start_matches('^').trim_end_matches('$');
        let tails = ["(/.*)?", "/?", "/.*", ".*"];
        let text = tails.iter().find_map(|tail| text.strip_suffix(tail)).unwrap_or(text);
        let literal = self.literal_prefix();
        text == literal
            || text == regex_lite::escape(&literal)
            || text.replace("\\/", "/") == regex_lite::escape(&literal)
    }

    /// Whether nothing of a path is left over, whichever alternative matches.
    fn is_of_whole_paths(&self) -> bool {
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

impl PathMatch {
    /// Whether a path, without query, is taken.
    pub fn takes(&self, path: &str) -> Answer {
        let fold = |text: &str| {
            if self.ignores_case { text.to_ascii_lowercase() } else { text.to_owned() }
        };
        let folded = fold(path);
        match &self.pattern {
            Pattern::Unknown => Answer::Maybe,
            Pattern::Exact(exact) => (folded == fold(exact)).into(),
            Pattern::Prefix(prefix) => folded.starts_with(&fold(prefix)).into(),
            Pattern::Segments(prefix) => {
                let rest = folded
                    .strip_prefix(&fold(prefix))
                    .map(|rest| rest.is_empty() || rest.starts_with('/'));
                rest.unwrap_or(false).into()
            }
            Pattern::Regex(regex) if self.ignores_case => match regex.is_match(path) {
                Answer::No => Answer::Maybe,
                other => other,
            },
            Pattern::Regex(regex) => regex.is_match(path),
        }
    }

    /// What the paths that it takes begin with.
    pub fn hint(&self) -> String {
        match &self.pattern {
            Pattern::Unknown => String::new(),
            Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Segments(text) => text.clone(),
            Pattern::Regex(regex) => regex.literal_prefix(),
        }
    }

    /// As an operator would recognise it.
    pub fn printed(&self) -> String {
        match &self.pattern {
            Pattern::Unknown => "paths that are not understood".to_owned(),
            Pattern::Exact(text) => format!("the path {text}"),
            Pattern::Prefix(text) => format!("paths that begin with {text}"),
            Pattern::Segments(text) if text.is_empty() => "every path".to_owned(),
            Pattern::Segments(text) => format!("{text} and paths below it"),
            Pattern::Regex(regex) => format!("paths that match {}", regex.text),
        }
    }
}

impl Rewrite {
    /// By a template of the new path, for one whose variables have these names.
    pub fn template(template: &str, matched: Expression, names: &[String]) -> Self {
        let mut substitution = template.replace('\\', "\\\\");
        for (index, name) in names.iter().enumerate().take(9) {
            substitution =
                substitution.replace(&format!("{{{name}}}"), &format!("\\{}", index + 1));
        }
        Self::Regex { pattern: matched, substitution }
    }

    /// What the backend gets in place of a path that `taken` takes.
    pub fn of(&self, taken: &PathMatch, path: &str) -> Result<String, &'static str> {
        match self {
            Self::None => Ok(path.to_owned()),
            Self::Full(whole) => Ok(whole.clone()),
            Self::Matched(new) => match &taken.pattern {
                Pattern::Prefix(prefix) => {
                    Ok(format!("{new}{}", path.get(prefix.len()..).unwrap_or_default()))
                }
                Pattern::Segments(prefix) => {
                    let rest = path.get(prefix.len()..).unwrap_or_default();
                    // As Envoy Gateway and Istio do: one slash between the two.
                    Ok(if rest.starts_with('/') {
                        format!("{}{rest}", new.trim_end_matches('/'))
                    } else {
                        format!("{new}{rest}")
                    })
                }
                Pattern::Exact(_) | Pattern::Regex(_) => Ok(new.clone()),
                Pattern::Unknown => Err("what the route matches is not understood"),
            },
            Self::Regex { pattern, substitution } => {
                let regex =
                    pattern.regex.as_ref().ok_or("the regular expression is not understood")?;
                Ok(regex
                    .replace_all(path, |groups: &regex_lite::Captures<'_>| {
                        expanded(substitution, groups)
                    })
                    .into_owned())
            }
            Self::Unknown(why) => Err(why),
        }
    }

    /// Whether a few trials tell what becomes of every path. What comes out of any number of paths
    /// must be no endpoint.
    pub fn is_followed(&self, taken: &PathMatch, is_endpoint: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::None => true,
            Self::Matched(new) | Self::Full(new) => match &taken.pattern {
                Pattern::Regex(regex) => regex.is_literal() || !is_endpoint(new),
                Pattern::Unknown => matches!(self, Self::Full(_)) || !is_endpoint(new),
                Pattern::Exact(_) | Pattern::Prefix(_) | Pattern::Segments(_) => true,
            },
            Self::Unknown(_) => false,
            // A prefix that is replaced, or a whole path; everything else needs more than a few
            // trials.
            Self::Regex { pattern, substitution } => {
                !has_groups(substitution)
                    && pattern.text.starts_with('^')
                    && (pattern.is_literal()
                        || (pattern.is_of_whole_paths() && !is_endpoint(substitution)))
            }
        }
    }

    /// Whether groups of a regular expression decide what comes out.
    pub fn has_groups(&self) -> bool {
        matches!(self, Self::Regex { substitution, .. } if has_groups(substitution))
    }

    /// Beginnings that paths may have before the rewrite which would come out as `path`, that
    /// begins with `new`.
    pub fn sources(&self, taken: &PathMatch, path: &str) -> Vec<String> {
        let matched = taken.hint();
        let joined = |front: &str, rest: &str| {
            let slash = format!("{}/{}", front.trim_end_matches('/'), rest.trim_start_matches('/'));
            [format!("{front}{rest}"), slash]
        };
        let mut sources = vec![];
        match self {
            Self::None => sources.push(path.to_owned()),
            Self::Matched(new)
                if matches!(taken.pattern, Pattern::Prefix(_) | Pattern::Segments(_)) =>
            {
                for new in [new.as_str(), new.trim_end_matches('/')] {
                    let front =
                        path.get(..new.len()).filter(|front| front.eq_ignore_ascii_case(new));
                    if front.is_some() {
                        sources.extend(joined(&matched, path.get(new.len()..).unwrap_or_default()));
                    }
                }
            }
            Self::Matched(_) | Self::Full(_) => {
                sources.push(matched.clone());
                sources.extend(joined(&matched, "x"));
                sources.extend(joined(&matched, path));
            }
            Self::Regex { pattern, .. } => {
                let literal = pattern.literal_prefix();
                for front in ["", matched.as_str(), literal.as_str(), "/x", "/x/x"] {
                    sources.extend(joined(front, path));
                }
                sources.extend([matched.clone(), literal]);
            }
            Self::Unknown(_) => {}
        }
        sources
    }
}

fn has_groups(substitution: &str) -> bool {
    substitution.as_bytes().windows(2).any(|pair| matches!(pair, [b'\\', b'0'..=b'9']))
}

fn expanded(substitution: &str, groups: &regex_lite::Captures<'_>) -> String {
    let (mut out, mut rest) = (String::new(), substitution.chars());
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    let group = digit.to_digit(10).and_then(|digit| groups.get(digit as usize));
                    out.push_str(group.map_or("", |group| group.as_str()));
                }
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// Paths that an entry of `endpoints` stands for, `*` and `/**` filled so that they begin with
/// `hint` if they can.
pub fn samples(entry: &str, hint: &str) -> Vec<String> {
    let wanted: Vec<&str> = hint.split('/').collect();
    let last = wanted.len().saturating_sub(1);
    let mut found = vec![String::new()];
    let segments: Vec<&str> = entry.split('/').collect();
    for (index, segment) in segments.iter().enumerate().skip(1) {
        let given = wanted.get(index).copied().unwrap_or_default();
        let filled = match *segment {
            "**" if index + 1 == segments.len() => {
                let rest = wanted.get(index..).unwrap_or_default().join("/");
                let base = found.clone();
                let below = if rest.is_empty() { "x".to_owned() } else { rest };
                found.iter_mut().for_each(|path| path.push_str(&format!("/{below}")));
                found.extend(base);
                break;
            }
            "*" if given.is_empty() => "x".to_owned(),
            "*" => given.to_owned(),
            literal if literal.eq_ignore_ascii_case(given) => given.to_owned(),
            literal
                if index == last
                    && literal
                        .get(..given.len())
                        .is_some_and(|front| front.eq_ignore_ascii_case(given)) =>
            {
                format!("{given}{}", literal.get(given.len()..).unwrap_or_default())
            }
            literal => literal.to_owned(),
        };
        found.iter_mut().for_each(|path| path.push_str(&format!("/{filled}")));
    }
    if !hint.is_empty() {
        found.push(hint.to_owned());
        // The route's own spelling of the beginning.
        let entry = found.first().cloned().unwrap_or_default();
        let tails = (1..=entry.len()).filter_map(|at| entry.get(at..));
        if !hint.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b)) {
            found.extend(tails.map(|tail| format!("{hint}{tail}")).collect::<Vec<_>>());
        }
    }
    found.retain(|path| path.starts_with('/'));
    found
}

/// Other spellings that nearly every backend reads as the same, and few routes do.
pub fn spellings(paths: &[String]) -> Vec<String> {
    paths
        .iter()
        .flat_map(|path| [format!("{}/", path.trim_end_matches('/')), path.to_ascii_uppercase()])
        .collect()
}

/// What an entry of `endpoints` stands for, in words.
pub fn gated_by(entry: &str) -> String {
    let (base, below) =
        entry.strip_suffix("/**").map_or((entry, ""), |base| (base, " and everything below it"));
    let segments: Vec<&str> = base
        .split('/')
        .map(|segment| if segment == "*" { "<one segment>" } else { segment })
        .collect();
    let path = segments.join("/");
    if path.is_empty() && !below.is_empty() {
        return "every path".to_owned();
    }
    format!("{}{below} in every spelling", if path.is_empty() { "/" } else { &path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_filled_towards_a_route() {
        for (entry, hint, wanted) in [
            ("/token", "", "/token"),
            ("/token", "/to", "/token"),
            ("/token", "/TO", "/TOken"),
            ("/realms/*/token", "/realms/bank/", "/realms/bank/token"),
            ("/realms/*/token", "", "/realms/x/token"),
            ("/oauth/**", "/oauth/a/b", "/oauth/a/b"),
            ("/oauth/**", "", "/oauth"),
            ("/a/b/", "", "/a/b/"),
            ("/token", "/%74o", "/%74oken"),
        ] {
            assert!(
                samples(entry, hint).iter().any(|path| path == wanted),
                "{entry} {hint}: {:?}",
                samples(entry, hint)
            );
        }
    }

    #[test]
    fn rewrites_are_those_of_envoy() {
        let prefix = |text: &str| PathMatch {
            pattern: Pattern::Prefix(text.to_owned()),
            ignores_case: false,
        };
        let segments = |text: &str| PathMatch {
            pattern: Pattern::Segments(text.to_owned()),
            ignores_case: false,
        };
        let exact = |text: &str| PathMatch {
            pattern: Pattern::Exact(text.to_owned()),
            ignores_case: false,
        };
        let (template, names) = Expression::template("/auth/{a}/{rest=**}");
        let regex = |pattern: &str, substitution: &str| Rewrite::Regex {
            pattern: Expression::anywhere(pattern),
            substitution: substitution.to_owned(),
        };
        for (taken, rewrite, path, wanted) in [
            (prefix("/auth/"), Rewrite::Matched("/".to_owned()), "/auth/token", Ok("/token")),
            (prefix("/auth"), Rewrite::Matched("/".to_owned()), "/auth/token", Ok("//token")),
            (segments("/auth"), Rewrite::Matched("/".to_owned()), "/auth/token", Ok("/token")),
            (exact("/a"), Rewrite::Matched("/token".to_owned()), "/a", Ok("/token")),
            (prefix("/a"), Rewrite::Full("/token".to_owned()), "/abc", Ok("/token")),
            (prefix("/"), regex("^/x/(.*)$", "/\\1"), "/x/token", Ok("/token")),
            (prefix("/"), regex("^/x/(.*)$", "/\\1"), "/y/token", Ok("/y/token")),
            (prefix("/"), regex("a", "b\\\\"), "/aa", Ok("/b\\b\\")),
            (prefix("/"), regex("(", "b"), "/aa", Err("the regular expression is not understood")),
            (
                prefix("/"),
                Rewrite::template("/{rest}", template, &names),
                "/auth/x/y/z",
                Ok("/y/z"),
            ),
        ] {
            assert_eq!(rewrite.of(&taken, path), wanted.map(str::to_owned), "{rewrite:?} {path}");
        }
    }

    #[test]
    fn routes_take_what_envoy_takes() {
        use Answer::{Maybe, No, Yes};
        let regex = |text: &str| Pattern::Regex(Expression::whole(text));
        for (pattern, ignores_case, path, wanted) in [
            (Pattern::Exact("/a".to_owned()), false, "/A", No),
            (Pattern::Exact("/a".to_owned()), true, "/A", Yes),
            (Pattern::Prefix("/a".to_owned()), false, "/ab", Yes),
            (Pattern::Segments("/a".to_owned()), false, "/ab", No),
            (Pattern::Segments("/a".to_owned()), false, "/a/b", Yes),
            (Pattern::Segments(String::new()), false, "/a/b", Yes),
            (regex("/a|/b"), false, "/b", Yes),
            (regex("/a|/b"), false, "/bc", No),
            (regex(r"\p{Lu}"), false, "/b", Maybe),
            (Pattern::Unknown, false, "/b", Maybe),
        ] {
            assert_eq!(
                PathMatch { pattern: pattern.clone(), ignores_case }.takes(path),
                wanted,
                "{pattern:?} {path}"
            );
        }
    }

    #[test]
    fn entries_in_words() {
        for (entry, wanted) in [
            ("/token", "/token in every spelling"),
            (
                "/realms/*/protocol/openid-connect/token",
                "/realms/<one segment>/protocol/openid-connect/token in every spelling",
            ),
            ("/oauth/**", "/oauth and everything below it in every spelling"),
            ("/**", "every path"),
            ("/", "/ in every spelling"),
        ] {
            assert_eq!(gated_by(entry), wanted);
        }
    }

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
