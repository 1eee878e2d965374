//! Matchers of Envoy that say whether a filter runs.

use super::graph::{At, ConfigPlaces};
use super::paths::{Answer, Expression};

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
    /// Of an `ExtensionWithMatcher`; `inner` = the filter that runs where nothing matches, if it is
    /// this one.
    pub fn of(extension: At<'_>, configs: &ConfigPlaces) -> Self {
        let inner =
            extension.member("extension_config").and_then(|inner| configs.within(inner)).is_some();
        let matcher = extension.member("xds_matcher").or_else(|| extension.member("matcher"));
        matcher.map_or(Self::Leaf(inner), |matcher| Self::of_matcher(matcher, inner, configs))
    }

    /// Of an `ExtensionWithMatcherPerRoute`; `otherwise` = whether this filter runs where nothing
    /// matches.
    pub fn of_route(over: At<'_>, otherwise: bool, configs: &ConfigPlaces) -> Self {
        over.member("xds_matcher")
            .map_or(Self::Unknown, |matcher| Self::of_matcher(matcher, otherwise, configs))
    }

    fn of_matcher(matcher: At<'_>, otherwise: bool, configs: &ConfigPlaces) -> Self {
        let last = matcher
            .member("on_no_match")
            .map_or(Self::Leaf(otherwise), |on| Self::of_match(on, otherwise, configs));
        let mut cases = Vec::new();
        for one in matcher.path(&["matcher_list", "matchers"]).into_iter().flat_map(At::elements) {
            let test = one.member("predicate").map_or(MatcherTest::Unknown, MatcherTest::of);
            let on = one
                .member("on_match")
                .map_or(Self::Unknown, |on| Self::of_match(on, otherwise, configs));
            cases.push((test, on));
        }
        if let Some(tree) = matcher.member("matcher_tree") {
            let reads_path = tree.member("input").is_some_and(reads_path);
            for (name, is_exact) in [("exact_match_map", true), ("prefix_match_map", false)] {
                for (key, on) in tree.path(&[name, "map"]).into_iter().flat_map(At::members) {
                    let test = match (reads_path, is_exact) {
                        (false, _) => MatcherTest::Unknown,
                        (true, true) => MatcherTest::Exact(key.to_owned(), false),
                        (true, false) => MatcherTest::Prefix(key.to_owned(), false),
                    };
                    cases.push((test, Self::of_match(on, otherwise, configs)));
                }
            }
            if tree.member("custom_match").is_some() {
                cases.push((MatcherTest::Unknown, Self::Unknown));
            }
        }
        Self::First(cases, Box::new(last))
    }

    fn of_match(on: At<'_>, otherwise: bool, configs: &ConfigPlaces) -> Self {
        if let Some(matcher) = on.member("matcher") {
            return Self::of_matcher(matcher, otherwise, configs);
        }
        let Some(action) = on.member("action") else { return Self::Unknown };
        let kind = action.path(&["typed_config", "@type"]).and_then(At::text).unwrap_or_default();
        if kind.ends_with(".SkipFilter") {
            return Self::Leaf(false);
        }
        match configs.within(action) {
            Some(_) if action.path(&["typed_config", "sample_percent"]).is_none() => {
                Self::Leaf(true)
            }
            Some(_) => Self::Unknown,
            // Another filter runs in the place of this one.
            None if kind.ends_with(".ExecuteFilterAction")
                && action.path(&["typed_config", "dynamic_config"]).is_none() =>
            {
                Self::Leaf(false)
            }
            None => Self::Unknown,
        }
    }

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
    fn of(predicate: At<'_>) -> Self {
        let several = |name: &str| {
            predicate.path(&[name, "predicate"]).map(|all| all.elements().map(Self::of).collect())
        };
        if let Some(all) = several("and_matcher") {
            return Self::All(all);
        }
        if let Some(any) = several("or_matcher") {
            return Self::Any(any);
        }
        if let Some(not) = predicate.member("not_matcher") {
            return Self::Not(Box::new(Self::of(not)));
        }
        let single = predicate.member("single_predicate");
        let value = single.filter(|single| single.member("input").is_some_and(reads_path));
        value.and_then(|single| single.member("value_match")).map_or(Self::Unknown, Self::of_string)
    }

    fn of_string(text: At<'_>) -> Self {
        let ignores_case = text.is_true("ignore_case");
        let said = |name: &str| text.said(name).map(str::to_owned);
        None.or_else(|| said("exact").map(|text| Self::Exact(text, ignores_case)))
            .or_else(|| said("prefix").map(|text| Self::Prefix(text, ignores_case)))
            .or_else(|| said("suffix").map(|text| Self::Suffix(text, ignores_case)))
            .or_else(|| said("contains").map(|text| Self::Contains(text, ignores_case)))
            .or_else(|| {
                text.path(&["safe_regex", "regex"])
                    .and_then(At::text)
                    .map(|text| Self::Regex(Expression::whole(text)))
            })
            .unwrap_or(Self::Unknown)
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

/// Whether a matcher's input is the request target.
fn reads_path(input: At<'_>) -> bool {
    let config = input.member("typed_config");
    let kind = config.and_then(|config| config.said("@type")).unwrap_or_default();
    kind.ends_with(".HttpRequestHeaderMatchInput")
        && config.and_then(|config| config.said("header_name")) == Some(":path")
}
