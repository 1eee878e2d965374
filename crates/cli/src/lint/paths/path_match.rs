//! Which paths a route takes.

use super::{Answer, Expression};

#[derive(Clone, Debug, PartialEq)]
pub struct PathMatch {
    pub pattern: Pattern,
    pub ignores_case: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    Exact(String),
    Prefix(String),
    /// A prefix of whole segments, without a slash at the end.
    Segments(String),
    Regex(Expression),
    /// It is not understood.
    Unknown,
}

impl PathMatch {
    /// One that is not understood.
    pub fn unknown() -> Self {
        Self { pattern: Pattern::Unknown, ignores_case: false }
    }

    /// Whether a path, without query, is taken.
    pub fn takes(&self, path: &str) -> Answer {
        #[cfg(test)]
        crate::lint::work::count();
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

    /// Beginnings of paths that it takes, one for each alternative.
    pub fn hints(&self) -> Vec<String> {
        let mut hints = vec![self.hint()];
        if let Pattern::Regex(regex) = &self.pattern {
            hints.extend(regex.examples());
        }
        hints
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
