//! The rules of an HTTPRoute: which requests they take, what they make of them, and where they go.

use std::cmp::Reverse;

use super::{RouteContext, backend_name, policies};
use crate::lint::graph::{
    Cluster, Destination, Filter, FilterChain, FilterRole, Route, Way, WrittenHeader,
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
        let (way, policies) = policies::way_of(context, route, rule);
        used.extend(policies);
        let targets = targets(context.resources, route, rule, &way);
        let mut taken: Vec<(PathMatch, bool)> = rule.list("matches").map(path_match).collect();
        if taken.is_empty() {
            let pattern = Pattern::Segments(String::new());
            taken.push((PathMatch { pattern, ignores_case: false }, false));
        }
        for (paths, is_conditional) in &taken {
            let routes = targets.iter().map(|(rewrite, destinations)| Route {
                // The most specific path wins, whatever the order: `by_precedence`.
                group: hosts.join(" "),
                hosts: hosts.to_vec(),
                place: rule.place(),
                rewrite: rewrite.clone(),
                paths: paths.clone(),
                is_conditional: *is_conditional,
                internal_redirects: None,
                destinations: destinations.clone(),
            });
            chain.routes.extend(routes);
        }
    }
}

/// The backends of a rule and their mirrors, by what becomes of a path on the way to them.
fn targets(
    resources: &[Resource<'_>],
    route: Resource<'_>,
    rule: At<'_>,
    way: &Way,
) -> Vec<(Rewrite, Vec<Destination>)> {
    let mut found: Vec<(Rewrite, Vec<Destination>)> = Vec::new();
    let backends: Vec<At<'_>> = rule.list("backendRefs").collect();
    // A rule without backends may mirror all the same.
    let none = backends.is_empty().then_some(None);
    for backend in backends.into_iter().map(Some).chain(none) {
        let filters = BackendFilters {
            resources,
            route,
            own: backend.into_iter().flat_map(|at| at.list("filters")).collect(),
            common: rule.list("filters").collect(),
        };
        let destinations = filters.destinations(backend, way);
        let rewrite = filters.rewrite();
        match found.iter_mut().find(|(known, _)| *known == rewrite) {
            Some((_, same)) => same.extend(destinations),
            None => found.push((rewrite, destinations)),
        }
    }
    found
}

/// The filters that a request meets once a backend of a rule is chosen for it.
struct BackendFilters<'a, 'b> {
    resources: &'b [Resource<'a>],
    route: Resource<'a>,
    /// Those of the backend, which no other backend of the rule has.
    own: Vec<At<'a>>,
    /// Those of the rule.
    common: Vec<At<'a>>,
}

impl<'a> BackendFilters<'a, '_> {
    fn rewrite(&self) -> Rewrite {
        let of = |filters: &[At<'a>]| rewrite(self.resources, self.route, filters);
        match (of(&self.common), of(&self.own)) {
            (one, Rewrite::None) | (Rewrite::None, one) => one,
            (common, own) if common == own => own,
            _ => Rewrite::Unknown("a rule and one of its backends both rewrite the path"),
        }
    }

    /// The backend, and the mirrors, which get what the backend gets.
    fn destinations(&self, backend: Option<At<'a>>, way: &Way) -> Vec<Destination> {
        let all = || self.own.iter().chain(&self.common);
        let mirrored = all().filter_map(|filter| filter.path(&["requestMirror", "backendRef"]));
        let host_rewrite = host_rewrite(self.resources, self.route, &self.own)
            .or_else(|| host_rewrite(self.resources, self.route, &self.common));
        let headers = all().flat_map(|filter| written(*filter));
        let headers: Vec<WrittenHeader> =
            headers.filter_map(|at| WrittenHeader::of(at.member("name")?)).collect();
        let names = backend.into_iter().chain(mirrored);
        let names = names.filter_map(|at| backend_name(at, self.route));
        let destinations = names.map(|name| Destination {
            host_rewrite: host_rewrite.clone(),
            headers: headers.clone(),
            ..Destination::new(Cluster::Named(name), way.clone())
        });
        destinations.collect()
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
    let filters = route.list("rules").flat_map(|rule| {
        let own = rule.list("backendRefs").flat_map(|backend| backend.list("filters"));
        rule.list("filters").chain(own).collect::<Vec<_>>()
    });
    let found = filters
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
