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
    matcher.map_or(MatcherTree::Leaf(inner), |matcher| of_matcher(matcher, inner, configs))
}

/// Of an `ExtensionWithMatcherPerRoute`; `otherwise` = whether this filter runs where nothing
/// matches.
pub fn tree_of_route(over: At<'_>, otherwise: bool, configs: &ConfigPlaces) -> MatcherTree {
    over.member("xds_matcher")
        .map_or(MatcherTree::Unknown, |matcher| of_matcher(matcher, otherwise, configs))
}

fn of_matcher(matcher: At<'_>, otherwise: bool, configs: &ConfigPlaces) -> MatcherTree {
    let last = matcher
        .member("on_no_match")
        .map_or(MatcherTree::Leaf(otherwise), |on| of_match(on, otherwise, configs));
    let mut cases = Vec::new();
    for one in matcher.path(&["matcher_list", "matchers"]).into_iter().flat_map(At::elements) {
        // It goes on to those behind it.
        if one.member("on_match").is_some_and(|on| on.is_true("keep_matching")) {
            continue;
        }
        let test = one.member("predicate").map_or(MatcherTest::Unknown, test_of);
        let on = one
            .member("on_match")
            .map_or(MatcherTree::Unknown, |on| of_match(on, otherwise, configs));
        cases.push((test, on));
    }
    if let Some(tree) = matcher.member("matcher_tree") {
        let reads_path = tree.member("input").is_some_and(reads_path);
        for (name, is_exact) in [("exact_match_map", true), ("prefix_match_map", false)] {
            let keys = tree.path(&[name, "map"]).into_iter().flat_map(At::members);
            let mut keys: Vec<(&str, At<'_>)> = keys.collect();
            // The longest prefix wins, wherever it is written.
            keys.sort_by_key(|(key, _)| Reverse(key.len()));
            for (key, on) in keys {
                let test = match (reads_path, is_exact) {
                    (false, _) => MatcherTest::Unknown,
                    (true, true) => MatcherTest::Exact(key.to_owned(), false),
                    (true, false) => MatcherTest::Prefix(key.to_owned(), false),
                };
                cases.push((test, of_match(on, otherwise, configs)));
            }
        }
        if tree.member("custom_match").is_some() {
            cases.push((MatcherTest::Unknown, MatcherTree::Unknown));
        }
    }
    MatcherTree::First(cases, Box::new(last))
}

fn of_match(on: At<'_>, otherwise: bool, configs: &ConfigPlaces) -> MatcherTree {
    if let Some(matcher) = on.member("matcher") {
        return of_matcher(matcher, otherwise, configs);
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
