//! Envoy's `jwt_authn`, as far as resources of this filter depend on it.

use super::route_match::path_match;
use crate::lint::graph::{TokenProvider, TokenRequirement, TokenRule, TokenVerification};
use crate::lint::located::At;
use crate::lint::paths::PathMatch;

/// A `JwtAuthentication`.
pub fn token_verification(config: At<'_>) -> TokenVerification {
    let providers = config.member("providers").into_iter().flat_map(At::members);
    TokenVerification {
        providers: providers.map(|(name, at)| provider(name, at)).collect(),
        rules: config.list("rules").map(|at| rule(at, config)).collect(),
    }
}

fn provider(name: &str, at: At<'_>) -> TokenProvider {
    let text = |name: &str| at.text_of(name).map(str::to_owned);
    let sources: Vec<At<'_>> = at.list("from_headers").collect();
    let others = ["from_params", "from_cookies"];
    TokenProvider {
        place: at.place(),
        name: name.to_owned(),
        metadata: text("payload_in_metadata"),
        payload_header: text("forward_payload_header"),
        keeps_token: at.is_true("forward"),
        reads_bearer_alone: others.iter().all(|name| at.list(name).next().is_none())
            && !sources.is_empty()
            && sources.iter().all(|source| {
                let is_authorization = source
                    .text_of("name")
                    .is_some_and(|name| name.eq_ignore_ascii_case("authorization"));
                is_authorization && source.text_of("value_prefix") == Some("Bearer ")
            }),
    }
}

fn rule(at: At<'_>, config: At<'_>) -> TokenRule {
    let (paths, is_conditional) =
        at.member("match").map_or((PathMatch::unknown(), true), path_match);
    let named = at
        .text_of("requirement_name")
        .and_then(|name| config.member("requirement_map").and_then(|map| map.member(name)));
    let requires = at.member("requires").or(named).map(|requirement| {
        let mut found = TokenRequirement { providers: Vec::new(), lets_failed: false };
        add_requirement(requirement, &mut found);
        found
    });
    TokenRule { place: at.place(), paths, is_conditional, requires }
}

/// A `JwtRequirement`. One that names no provider verifies the tokens of all.
fn add_requirement(at: At<'_>, found: &mut TokenRequirement) {
    let audiences = at.member("provider_and_audiences");
    let names = [at.text_of("provider_name"), audiences.and_then(|at| at.text_of("provider_name"))];
    found.providers.extend(names.into_iter().flatten().map(str::to_owned));
    found.lets_failed |= at.member("allow_missing_or_failed").is_some();
    for list in ["requires_any", "requires_all"] {
        for one in at.member(list).into_iter().flat_map(|list| list.list("requirements")) {
            add_requirement(one, found);
        }
    }
}
