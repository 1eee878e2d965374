//! Matchers that say whether a filter runs.

use crate::lint::paths::{Answer, Expression};

/// No more texts of a matcher are tried in queries.
const MOST_WANTED: usize = 48;

/// What comes of a request, as far as this filter is concerned.
#[derive(Clone, Debug, PartialEq)]
pub enum MatcherTree {
    /// It runs, or not.
    Leaf(bool),
    /// Either.
    Unknown,
    /// It is as if the test before it did not hold.
    GoesOn,
    /// The first test that holds and does not go on, or else the last tree.
    First(Vec<(MatcherTest, MatcherTree)>, Box<MatcherTree>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum MatcherTest {
    Exact(String, bool),
    Prefix(String, bool),
    Suffix(String, bool),
    Contains(String, bool),
    Regex(Expression),
    All(Vec<MatcherTest>),
    Any(Vec<MatcherTest>),
    Not(Box<MatcherTest>),
    /// Of something else than the path, or not understood.
    Unknown,
}

impl MatcherTree {
    /// Whether a request for this path, with a query of the client's choice, may come to it or past
    /// it.
    pub fn skips(&self, path: &str) -> Answer {
        let targets = self.targets(path);
        let answers = targets.iter().filter_map(|target| self.of_target(target));
        answers.fold(Answer::No, |all, one| match (all, one) {
            (Answer::Yes, _) | (_, Answer::Yes) => Answer::Yes,
            (Answer::Maybe, _) | (_, Answer::Maybe) => Answer::Maybe,
            _ => Answer::No,
        })
    }

    /// The path with queries that may satisfy the tests, alone and together.
    fn targets(&self, path: &str) -> Vec<String> {
        let mut wanted = Vec::new();
        self.add_wanted(&mut wanted);
        let mut targets = vec![path.to_owned(), format!("{path}?x")];
        let all: String = wanted.iter().map(String::as_str).collect();
        for text in &wanted {
            let queries = [format!("{path}?x{text}"), format!("{path}?x{all}{text}")];
            targets.extend(queries);
            // It has a path and a query itself.
            if let Some((_, query)) = text.split_once('?') {
                targets.push(format!("{path}?{query}"));
            }
        }
        targets
    }

    fn add_wanted(&self, wanted: &mut Vec<String>) {
        if let Self::First(cases, last) = self {
            for (test, tree) in cases {
                test.add_wanted(wanted);
                tree.add_wanted(wanted);
            }
            last.add_wanted(wanted);
        }
    }

    /// Whether regular expressions decide, so that a few trials do not show all.
    pub fn has_expressions(&self) -> bool {
        let Self::First(cases, last) = self else { return false };
        let mut cases = cases.iter();
        last.has_expressions()
            || cases.any(|(test, tree)| test.has_expressions() || tree.has_expressions())
    }

    /// Whether it runs for no request at all, or for each.
    pub fn can_skip(&self) -> bool {
        match self {
            Self::Leaf(runs) => !runs,
            Self::Unknown => true,
            Self::GoesOn => false,
            Self::First(cases, last) => {
                last.can_skip() || cases.iter().any(|(_, tree)| tree.can_skip())
            }
        }
    }

    /// Whether some request goes on.
    pub fn can_go_on(&self) -> bool {
        match self {
            Self::GoesOn => true,
            Self::Leaf(_) | Self::Unknown => false,
            Self::First(_, last) => last.can_go_on(),
        }
    }

    /// None: it goes on.
    fn of_target(&self, target: &str) -> Option<Answer> {
        match self {
            Self::Leaf(runs) => Some((!runs).into()),
            Self::Unknown => Some(Answer::Maybe),
            Self::GoesOn => None,
            Self::First(cases, last) => {
                // Who can choose a header chooses the branch: what any branch does counts.
                let mut is_sure = true;
                for (test, tree) in cases {
                    let held = test.holds(target);
                    let of_tree = || tree.of_target(target);
                    let Some(skips) = (held != Answer::No).then(of_tree).flatten() else {
                        continue;
                    };
                    match (held, skips) {
                        (Answer::Yes, _) if is_sure => return Some(skips),
                        (Answer::Yes, Answer::No) => return Some(Answer::No),
                        (_, Answer::No) => is_sure = false,
                        _ => return Some(Answer::Yes),
                    }
                }
                last.of_target(target)
            }
        }
    }
}

impl MatcherTest {
    /// Texts that the request target may have to have somewhere.
    fn add_wanted(&self, wanted: &mut Vec<String>) {
        let mut add = |text: &String| {
            if wanted.len() < MOST_WANTED && !wanted.contains(text) {
                wanted.push(text.clone());
            }
        };
        match self {
            Self::Exact(text, _)
            | Self::Prefix(text, _)
            | Self::Suffix(text, _)
            | Self::Contains(text, _) => add(text),
            Self::Regex(regex) => regex.examples().iter().for_each(add),
            Self::All(tests) | Self::Any(tests) => {
                tests.iter().for_each(|test| test.add_wanted(wanted));
            }
            Self::Not(test) => test.add_wanted(wanted),
            Self::Unknown => {}
        }
    }

    fn has_expressions(&self) -> bool {
        match self {
            Self::Regex(_) => true,
            Self::All(tests) | Self::Any(tests) => tests.iter().any(Self::has_expressions),
            Self::Not(test) => test.has_expressions(),
            _ => false,
        }
    }

    fn holds(&self, target: &str) -> Answer {
        let fold = |text: &str, ignores: bool| {
            if ignores { text.to_ascii_lowercase() } else { text.to_owned() }
        };
        let all = |tests: &[Self], stop: Answer| {
            tests.iter().map(|test| test.holds(target)).fold(opposite(stop), |all, one| {
                match (all, one) {
                    _ if all == stop || one == stop => stop,
                    (Answer::Maybe, _) | (_, Answer::Maybe) => Answer::Maybe,
                    _ => opposite(stop),
                }
            })
        };
        match self {
            Self::Exact(text, ignores) => (fold(target, *ignores) == fold(text, *ignores)).into(),
            Self::Prefix(text, ignores) => {
                fold(target, *ignores).starts_with(&fold(text, *ignores)).into()
            }
            Self::Suffix(text, ignores) => {
                fold(target, *ignores).ends_with(&fold(text, *ignores)).into()
            }
            Self::Contains(text, ignores) => {
                fold(target, *ignores).contains(&fold(text, *ignores)).into()
            }
            Self::Regex(regex) => regex.is_match(target),
            Self::All(tests) => all(tests, Answer::No),
            Self::Any(tests) => all(tests, Answer::Yes),
            Self::Not(test) => opposite(test.holds(target)),
            Self::Unknown => Answer::Maybe,
        }
    }
}

fn opposite(answer: Answer) -> Answer {
    match answer {
        Answer::Yes => Answer::No,
        Answer::No => Answer::Yes,
        Answer::Maybe => Answer::Maybe,
    }
}
