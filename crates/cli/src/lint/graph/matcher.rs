//! Matchers that say whether a filter runs.

use crate::lint::paths::{Answer, Expression};

/// What comes of a request, as far as this filter is concerned.
#[derive(Clone, Debug, PartialEq)]
pub enum MatcherTree {
    /// It runs, or not.
    Leaf(bool),
    /// Either.
    Unknown,
    /// The first test that holds, or else the last tree.
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
        [self.of_target(path), self.of_target(&format!("{path}?x"))].into_iter().fold(
            Answer::No,
            |all, one| match (all, one) {
                (Answer::Yes, _) | (_, Answer::Yes) => Answer::Yes,
                (Answer::Maybe, _) | (_, Answer::Maybe) => Answer::Maybe,
                _ => Answer::No,
            },
        )
    }

    /// Whether it runs for no request at all, or for each.
    pub fn can_skip(&self) -> bool {
        match self {
            Self::Leaf(runs) => !runs,
            Self::Unknown => true,
            Self::First(cases, last) => {
                last.can_skip() || cases.iter().any(|(_, tree)| tree.can_skip())
            }
        }
    }

    fn of_target(&self, target: &str) -> Answer {
        match self {
            Self::Leaf(runs) => (!runs).into(),
            Self::Unknown => Answer::Maybe,
            Self::First(cases, last) => {
                // Who can choose a header chooses the branch: what any branch does counts.
                let mut is_sure = true;
                for (test, tree) in cases {
                    match test.holds(target) {
                        Answer::No => {}
                        Answer::Yes if is_sure => return tree.of_target(target),
                        Answer::Yes => {
                            return if tree.of_target(target) == Answer::No {
                                Answer::No
                            } else {
                                Answer::Yes
                            };
                        }
                        Answer::Maybe if tree.of_target(target) != Answer::No => {
                            return Answer::Yes;
                        }
                        Answer::Maybe => is_sure = false,
                    }
                }
                last.of_target(target)
            }
        }
    }
}

impl MatcherTest {
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
