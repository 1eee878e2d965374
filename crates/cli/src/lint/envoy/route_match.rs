//! Matchers of routes, by which `jwt_authn` chooses its rules too.

use crate::document::Content;
use crate::lint::located::At;
use crate::lint::paths::{Expression, PathMatch, Pattern};

/// The path of a `RouteMatch`, and whether it asks for more.
pub(super) fn path_match(at: At<'_>) -> (PathMatch, bool) {
    let text = |name: &str| at.text_of(name).map(str::to_owned);
    let policy =
        at.path(&["path_match_policy", "typed_config", "path_template"]).and_then(At::text);
    let pattern = text("prefix")
        .map(Pattern::Prefix)
        .or_else(|| text("path").map(Pattern::Exact))
        .or_else(|| text("path_separated_prefix").map(Pattern::Segments))
        .or_else(|| {
            at.path(&["safe_regex", "regex"])
                .and_then(At::text)
                .map(|text| Pattern::Regex(Expression::whole(text)))
        })
        .or_else(|| policy.map(|template| Pattern::Regex(Expression::template(template).0)))
        .unwrap_or(Pattern::Unknown);
    let known = [
        "prefix",
        "path",
        "path_separated_prefix",
        "safe_regex",
        "path_match_policy",
        "case_sensitive",
    ];
    let is_conditional = at.members().any(|(name, value)| {
        let is_known = known.iter().any(|known| {
            at.member(known).is_some_and(|member| std::ptr::eq(member.node, value.node))
        });
        // An empty list asks for nothing; an empty object may be all that there is to say.
        let is_empty = match &value.node.content {
            Content::Null => true,
            Content::Array(elements) => elements.is_empty(),
            Content::Object(members) => members.is_empty(),
            Content::Bool(_) | Content::Number(_) | Content::Text(_) => false,
        };
        let is_object = ["grpc", "connect_matcher", "connectMatcher"].contains(&name);
        !is_known && (is_object || !is_empty)
    });
    (PathMatch { pattern, ignores_case: at.is_false("case_sensitive") }, is_conditional)
}
