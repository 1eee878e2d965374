//! What a route makes of a path.

use regex_lite::Captures;

use super::{Expression, PathMatch, Pattern};

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
                    .replace_all(path, |groups: &Captures<'_>| expanded(substitution, groups))
                    .into_owned())
            }
            Self::Unknown(why) => Err(why),
        }
    }

    /// Whether a few trials show what becomes of every path. What several paths become must be no
    /// endpoint.
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

    /// What it puts in place of what it finds, where that is always the same.
    pub fn constant(&self) -> Option<String> {
        match self {
            Self::Matched(new) | Self::Full(new) => Some(new.clone()),
            // A backslash that is no group stands before another one.
            Self::Regex { substitution, .. } if !self.has_groups() => {
                Some(substitution.replace("\\\\", "\\"))
            }
            Self::None | Self::Regex { .. } | Self::Unknown(_) => None,
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
                let put = self.constant().filter(|put| !put.is_empty());
                // What the substitution wrote is no part of what was sent.
                let put = put.as_deref();
                let front =
                    put.and_then(|put| Some((put, path.get(..put.len())?, path.get(put.len()..)?)));
                let rest = front.filter(|(put, front, _)| front.eq_ignore_ascii_case(put));
                let rests = [Some(path), rest.map(|(_, _, rest)| rest)];
                for front in ["", matched.as_str(), literal.as_str(), "/x", "/x/x"] {
                    sources.extend(rests.iter().flatten().flat_map(|rest| joined(front, rest)));
                }
                for (at, put) in put.into_iter().flat_map(|put| path.match_indices(put)) {
                    let (front, rest) = (path.get(..at), path.get(at + put.len()..));
                    let whole =
                        front.zip(rest).map(|(front, rest)| format!("{front}{literal}{rest}"));
                    sources.extend(whole);
                }
                sources.extend([matched.clone(), literal]);
            }
            Self::Unknown(_) => {}
        }
        sources
    }
}

impl Rewrite {
    /// Paths that leave by dot segments what a rewrite puts in place of a prefix, and come out as
    /// `path`: `/x/y/../token` where `/a` takes the place of `/x/y`. The filter sees the former,
    /// and a backend that resolves dot segments the latter.
    pub fn climbing_sources(&self, taken: &PathMatch, path: &str) -> Vec<String> {
        let (Self::Matched(new), Pattern::Prefix(_) | Pattern::Segments(_)) =
            (self, &taken.pattern)
        else {
            return Vec::new();
        };
        let mut parent = new.trim_end_matches('/');
        let mut climb = taken.hint().trim_end_matches('/').to_owned();
        let mut sources = Vec::new();
        while let Some((above, _)) = parent.rsplit_once('/') {
            parent = above;
            climb.push_str("/..");
            let rest = path.strip_prefix(parent).filter(|rest| rest.starts_with('/'));
            sources.extend(rest.map(|rest| format!("{climb}{rest}")));
        }
        sources
    }
}

fn has_groups(substitution: &str) -> bool {
    substitution.as_bytes().windows(2).any(|pair| matches!(pair, [b'\\', b'0'..=b'9']))
}

fn expanded(substitution: &str, groups: &Captures<'_>) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
