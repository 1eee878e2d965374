//! The rules of an HTTPRoute: which requests they take, what they make of them, and where they go.

use std::cmp::Reverse;

use super::{RouteContext, backend_name, policies};
use crate::lint::graph::{
    Cluster, Destination, Filter, FilterChain, FilterRole, Route, WrittenHeader,
};
use crate::lint::kubernetes::resource::{Resource, is_host};
use crate::lint::located::At;
use crate::lint::paths::{Expression, PathMatch, Pattern, Rewrite};

pub fn http_route<'a>(
    context: &RouteContext<'a, '_>,
    route: Resource<'a>,
    hosts: &[String],
    chain: &mut FilterChain,
    used: &mut Vec<Resource<'a>>,
) {
    for rule in route.list("rules") {
        let filters: Vec<At<'a>> = rule.list("filters").collect();
        let (way, policies) = policies::way_of(context, route, rule);
        used.extend(policies);
        let routed: Vec<At<'a>> = rule.list("backendRefs").collect();
        // A backend may have filters of its own.
        let of_backends: Vec<At<'a>> = routed.iter().flat_map(|at| at.list("filters")).collect();
        let mirrored: Vec<At<'a>> = filters
            .iter()
            .chain(&of_backends)
            .filter_map(|filter| filter.path(&["requestMirror", "backendRef"]))
            .collect();
        let rewrite = match (rewrite(context.resources, route, &filters), &of_backends) {
            (Rewrite::None, others) => rewrite(context.resources, route, others),
            (first, _) => first,
        };
        let backends: Vec<At<'a>> = routed.into_iter().chain(mirrored).collect();
        let destinations: Vec<Destination> = backends
            .into_iter()
            .filter_map(|backend| {
                let cluster = Cluster::Named(backend_name(backend, route)?);
                let own: Vec<At<'a>> = backend.list("filters").collect();
                let host_rewrite = host_rewrite(context.resources, route, &own)
                    .or_else(|| host_rewrite(context.resources, route, &filters));
                let headers = own.iter().chain(&filters).flat_map(|at| written(*at));
                let headers = headers.filter_map(|at| WrittenHeader::of(at.member("name")?));
                Some(Destination {
                    host_rewrite,
                    headers: headers.collect(),
                    ..Destination::new(cluster, way.clone())
                })
            })
            .collect();
        let matches: Vec<At<'a>> = rule.list("matches").collect();
        let mut add = |paths: PathMatch, is_conditional: bool| {
            chain.routes.push(Route {
                // The most specific path wins, whatever the order: `by_precedence`.
                group: hosts.join(" "),
                hosts: hosts.to_vec(),
                place: rule.place(),
                rewrite: rewrite.clone(),
                paths,
                is_conditional,
                internal_redirects: None,
                destinations: destinations.clone(),
            });
        };
        if matches.is_empty() {
            add(
                PathMatch { pattern: Pattern::Segments(String::new()), ignores_case: false },
                false,
            );
        }
        for one in matches {
            let (paths, is_conditional) = path_match(one);
            add(paths, is_conditional);
        }
    }
}

/// Exact paths before longer prefixes before shorter ones, and of one path those that ask for more
/// first. All other routes are placed before them, so that none of these is assumed to take their
/// requests; nor do they take the requests of these for sure.
pub fn by_precedence(route: &Route) -> (u8, Reverse<usize>, bool) {
    match &route.paths.pattern {
        Pattern::Regex(_) | Pattern::Unknown => (0, Reverse(0), false),
        Pattern::Exact(_) => (1, Reverse(0), !route.is_conditional),
        Pattern::Prefix(prefix) | Pattern::Segments(prefix) => {
            (2, Reverse(prefix.len()), !route.is_conditional)
        }
    }
}

/// Extensions of a route that write credentials behind the filter.
pub fn credentials(resources: &[Resource<'_>], route: Resource<'_>) -> Vec<Filter> {
    let rules = route.list("rules").flat_map(|rule| rule.list("filters").collect::<Vec<_>>());
    let found = rules
        .filter_map(|at| extension(resources, route, at))
        .filter_map(|spec| spec.member("credentialInjection"));
    let filter = |at: At<'_>| {
        let role = FilterRole::Changes("a filter that writes credentials");
        Filter { is_unordered: true, ..Filter::new(at.place(), "credentialInjection", role) }
    };
    found.map(filter).collect()
}

fn path_match(at: At<'_>) -> (PathMatch, bool) {
    let path = at.member("path");
    let value = path.and_then(|path| path.text_of("value")).unwrap_or("/");
    let pattern = match path.and_then(|path| path.text_of("type")).unwrap_or("PathPrefix") {
        "Exact" => Pattern::Exact(value.to_owned()),
        "PathPrefix" => Pattern::Segments(value.trim_end_matches('/').to_owned()),
        "RegularExpression" => Pattern::Regex(Expression::whole(value)),
        _ => Pattern::Unknown,
    };
    let is_plain = matches!(pattern, Pattern::Exact(_) | Pattern::Segments(_));
    let is_conditional = !is_plain || at.members().any(|(name, _)| name != "path");
    (PathMatch { pattern, ignores_case: false }, is_conditional)
}

/// The host that the backend gets by filters of a rule or of a backend.
fn host_rewrite(
    resources: &[Resource<'_>],
    route: Resource<'_>,
    filters: &[At<'_>],
) -> Option<Option<String>> {
    let own = |name: &'static str| filters.iter().filter_map(move |at| at.member(name));
    if let Some(host) = own("urlRewrite").find_map(|rewrite| rewrite.text_of("hostname")) {
        return Some(Some(host.to_owned()));
    }
    // A header or the backend says which, by an extension of Envoy Gateway.
    let mut extensions = filters.iter().filter_map(|at| extension(resources, route, *at));
    if extensions.any(|spec| spec.path(&["urlRewrite", "hostname"]).is_some()) {
        return Some(None);
    }
    // As Istio reads it.
    let mut modified = filters.iter().flat_map(|at| written(*at));
    let host = modified.find(|at| at.text_of("name").is_some_and(is_host))?;
    Some(host.text_of("value").map(str::to_owned))
}

/// The headers that a filter of a route writes.
fn written(filter: At<'_>) -> impl Iterator<Item = At<'_>> {
    let modifier = filter.member("requestHeaderModifier");
    ["set", "add"]
        .into_iter()
        .flat_map(move |name| modifier.into_iter().flat_map(|at| at.list(name)))
}

/// What the HTTPRouteFilter says that a filter of a route names.
fn extension<'a>(
    resources: &[Resource<'a>],
    route: Resource<'_>,
    filter: At<'_>,
) -> Option<At<'a>> {
    let name = filter.path(&["extensionRef", "name"]).and_then(At::text)?;
    let is_it = |one: &&Resource<'_>| {
        (one.kind, one.namespace, one.name) == ("HTTPRouteFilter", route.namespace, name)
    };
    resources.iter().find(is_it)?.spec()
}

fn rewrite(resources: &[Resource<'_>], route: Resource<'_>, filters: &[At<'_>]) -> Rewrite {
    for filter in filters {
        let rewrite = match filter.text_of("type") {
            Some("URLRewrite") => filter.member("urlRewrite"),
            Some("ExtensionRef") => match extension(resources, route, *filter) {
                Some(spec) => spec.member("urlRewrite"),
                None => {
                    return Rewrite::Unknown("an extension of the route is not in these files");
                }
            },
            _ => None,
        };
        let Some(path) = rewrite.and_then(|rewrite| rewrite.member("path")) else { continue };
        return match path.text_of("type") {
            Some("ReplaceFullPath") => {
                Rewrite::Full(path.text_of("replaceFullPath").unwrap_or_default().to_owned())
            }
            Some("ReplacePrefixMatch") => {
                let new = path.text_of("replacePrefixMatch").unwrap_or_default();
                Rewrite::Matched(if new.is_empty() { "/".to_owned() } else { new.to_owned() })
            }
            Some("ReplaceRegexMatch") => {
                let text = |name: &str| {
                    path.path(&["replaceRegexMatch", name]).and_then(At::text).unwrap_or_default()
                };
                Rewrite::Regex {
                    pattern: Expression::anywhere(text("pattern")),
                    substitution: text("substitution").to_owned(),
                }
            }
            _ => Rewrite::Unknown("this way of rewriting is not understood"),
        };
    }
    Rewrite::None
}
