//! Envoy's matchers as the graph has them.

use std::cmp::Reverse;

use crate::lint::graph::{MatcherTest, MatcherTree};
use crate::lint::located::{At, ConfigPlaces};
use crate::lint::paths::Expression;

/// Of an `ExtensionWithMatcher`; `inner` = the filter that runs where nothing matches, if it is
/// this one.
pub fn tree(extension: At<'_>, configs: &ConfigPlaces) -> MatcherTree {
    let inner =
        extension.member("extension_config").and_then(|inner| configs.within(inner)).is_some();
    let matcher = extension.member("xds_matcher").or_else(|| extension.member("matcher"));
    let otherwise = MatcherTree::Leaf(inner);
    let of_matcher = |matcher| of_matcher(matcher, inner, otherwise.clone(), configs);
    matcher.map_or(otherwise.clone(), of_matcher)
}

/// Of an `ExtensionWithMatcherPerRoute`; `otherwise` = whether this filter runs where nothing
/// matches.
pub fn tree_of_route(over: At<'_>, otherwise: bool, configs: &ConfigPlaces) -> MatcherTree {
    over.member("xds_matcher").map_or(MatcherTree::Unknown, |matcher| {
        of_matcher(matcher, otherwise, MatcherTree::Leaf(otherwise), configs)
    })
}

/// `unmatched` = what comes of a request of which nothing in the matcher takes care.
fn of_matcher(
    matcher: At<'_>,
    otherwise: bool,
    unmatched: MatcherTree,
    configs: &ConfigPlaces,
) -> MatcherTree {
    // A matcher within this one that takes care of nothing is as if its test did not hold. Before
    // 1.34 Envoy then had nothing match at all.
    let goes_on = if otherwise { MatcherTree::GoesOn } else { MatcherTree::Leaf(false) };
    let of_case = |on: At<'_>| match on.is_true("keep_matching") {
        true => MatcherTree::GoesOn,
        false => of_match(on, otherwise, goes_on.clone(), configs),
    };
    let mut cases = Vec::new();
    for one in matcher.path(&["matcher_list", "matchers"]).into_iter().flat_map(At::elements) {
        let test = one.member("predicate").map_or(MatcherTest::Unknown, test_of);
        let on = one.member("on_match").map_or(MatcherTree::Unknown, of_case);
        cases.push((test, on));
    }
    if let Some(tree) = matcher.member("matcher_tree") {
        let reads_path = tree.member("input").is_some_and(reads_path);
        for (name, is_exact) in [("exact_match_map", true), ("prefix_match_map", false)] {
            let keys = tree.path(&[name, "map"]).into_iter().flat_map(At::members);
            let mut keys: Vec<(&str, At<'_>)> = keys.collect();
            // The longest prefix wins, wherever it is written.
            keys.sort_by_key(|(key, _)| Reverse(key.len()));
            // Whether shorter ones are tried where that goes on depends on the version.
            let mut goes_on = false;
            for (key, on) in keys {
                let test = match (reads_path, is_exact) {
                    (false, _) => MatcherTest::Unknown,
                    (true, true) => MatcherTest::Exact(key.to_owned(), false),
                    (true, false) => MatcherTest::Prefix(key.to_owned(), false),
                };
                let test = match goes_on && !is_exact {
                    true => MatcherTest::All(vec![test, MatcherTest::Unknown]),
                    false => test,
                };
                let on = of_case(on);
                goes_on |= on.can_go_on();
                cases.push((test, on));
            }
        }
        if tree.member("custom_match").is_some() {
            cases.push((MatcherTest::Unknown, MatcherTree::Unknown));
        }
    }
    let last = match matcher.member("on_no_match") {
        Some(on) if !on.is_true("keep_matching") => of_match(on, otherwise, unmatched, configs),
        _ => unmatched,
    };
    MatcherTree::First(cases, Box::new(last))
}

fn of_match(
    on: At<'_>,
    otherwise: bool,
    unmatched: MatcherTree,
    configs: &ConfigPlaces,
) -> MatcherTree {
    if let Some(matcher) = on.member("matcher") {
        return of_matcher(matcher, otherwise, unmatched, configs);
    }
    let Some(action) = on.member("action") else { return MatcherTree::Unknown };
    let kind = action.path(&["typed_config", "@type"]).and_then(At::text).unwrap_or_default();
    if kind.ends_with(".SkipFilter") {
        return MatcherTree::Leaf(false);
    }
    match configs.within(action) {
        Some(_) if action.path(&["typed_config", "sample_percent"]).is_none() => {
            MatcherTree::Leaf(true)
        }
        Some(_) => MatcherTree::Unknown,
        // Another filter runs in the place of this one.
        None if kind.ends_with(".ExecuteFilterAction")
            && action.path(&["typed_config", "dynamic_config"]).is_none() =>
        {
            MatcherTree::Leaf(false)
        }
        None => MatcherTree::Unknown,
    }
}

fn test_of(predicate: At<'_>) -> MatcherTest {
    let several = |name: &str| {
        predicate.path(&[name, "predicate"]).map(|all| all.elements().map(test_of).collect())
    };
    if let Some(all) = several("and_matcher") {
        return MatcherTest::All(all);
    }
    if let Some(any) = several("or_matcher") {
        return MatcherTest::Any(any);
    }
    if let Some(not) = predicate.member("not_matcher") {
        return MatcherTest::Not(Box::new(test_of(not)));
    }
    let single = predicate.member("single_predicate");
    let value = single.filter(|single| single.member("input").is_some_and(reads_path));
    value
        .and_then(|single| single.member("value_match"))
        .map_or(MatcherTest::Unknown, test_of_string)
}

fn test_of_string(text: At<'_>) -> MatcherTest {
    let ignores_case = text.is_true("ignore_case");
    let own = |name: &str| text.text_of(name).map(str::to_owned);
    None.or_else(|| own("exact").map(|text| MatcherTest::Exact(text, ignores_case)))
        .or_else(|| own("prefix").map(|text| MatcherTest::Prefix(text, ignores_case)))
        .or_else(|| own("suffix").map(|text| MatcherTest::Suffix(text, ignores_case)))
        .or_else(|| own("contains").map(|text| MatcherTest::Contains(text, ignores_case)))
        .or_else(|| {
            text.path(&["safe_regex", "regex"])
                .and_then(At::text)
                .map(|text| MatcherTest::Regex(Expression::whole(text)))
        })
        .unwrap_or(MatcherTest::Unknown)
}

/// Whether a matcher's input is the request target.
fn reads_path(input: At<'_>) -> bool {
    let config = input.member("typed_config");
    let kind = config.and_then(|config| config.text_of("@type")).unwrap_or_default();
    kind.ends_with(".HttpRequestHeaderMatchInput")
        && config.and_then(|config| config.text_of("header_name")) == Some(":path")
}
