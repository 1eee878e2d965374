//! The routes of a virtual service: which requests they take, what they make of them, and where
//! they go.

use super::delegate;
use crate::lint::graph::{Cluster, Destination, FilterChain, Route, Way, WrittenHeader};
use crate::lint::kubernetes::resource::{Resource, is_host, service};
use crate::lint::located::At;
use crate::lint::paths::{Expression, PathMatch, Pattern, Rewrite};

/// What routes are made of.
pub struct IstioContext<'a, 'b> {
    pub resources: &'b [Resource<'a>],
    pub way: &'b Way,
    pub is_here: &'b dyn Fn(At<'_>) -> bool,
}

pub fn http_routes(
    virtual_service: Resource<'_>,
    hosts: &[String],
    // What the virtual service asks for that delegates to this one; nothing: every request.
    outer: &[(PathMatch, bool)],
    context: &IstioContext<'_, '_>,
    chain: &mut FilterChain,
) {
    for http in virtual_service.list("http") {
        let matches: Vec<At<'_>> = http.list("match").collect();
        let here: Vec<At<'_>> =
            matches.iter().filter(|at| (context.is_here)(**at)).copied().collect();
        if !matches.is_empty() && here.is_empty() {
            continue;
        }
        if let Some(delegate) = http.member("delegate") {
            let namespace = delegate.text_of("namespace").unwrap_or(virtual_service.namespace);
            let is_it = |resource: &&Resource<'_>| {
                resource.kind == "VirtualService"
                    && Some(resource.name) == delegate.text_of("name")
                    && resource.namespace == namespace
            };
            match context.resources.iter().find(is_it) {
                // One that delegates further is refused by Istio.
                Some(other) if other.list("http").all(|http| http.member("delegate").is_none()) => {
                    let outer: Vec<(PathMatch, bool)> =
                        here.iter().map(|at| path_match(*at)).collect();
                    http_routes(*other, hosts, &outer, context, chain);
                }
                _ => chain.unseen.push((
                    delegate.place(),
                    "a virtual service to which it delegates is not in these files".to_owned(),
                )),
            }
            continue;
        }
        let destinations: Vec<Destination> = destinations(virtual_service, http, context.way);
        let At { file, document, node, .. } = virtual_service.at;
        let group = format!("{file}:{document}:{}", node.pointer);
        let mut add = |paths: PathMatch, is_conditional: bool| {
            chain.routes.push(Route {
                group: group.clone(),
                hosts: hosts.to_vec(),
                place: http.place(),
                rewrite: rewrite(http),
                paths,
                is_conditional,
                internal_redirects: None,
                destinations: destinations.clone(),
            });
        };
        let any = PathMatch { pattern: Pattern::Prefix("/".to_owned()), ignores_case: false };
        let mut own: Vec<(PathMatch, bool)> = here.into_iter().map(path_match).collect();
        if own.is_empty() {
            own.push((any.clone(), false));
        }
        let any = [(any, false)];
        let outer = if outer.is_empty() { &any } else { outer };
        for (paths, is_conditional) in own {
            for (first, is_first_conditional) in outer {
                if let Some((paths, is_unclear)) = delegate::both(first, &paths) {
                    add(paths, is_conditional || *is_first_conditional || is_unclear);
                }
            }
        }
    }
}

fn path_match(at: At<'_>) -> (PathMatch, bool) {
    let uri = at.member("uri");
    let text = |name: &str| uri.and_then(|uri| uri.text_of(name)).map(str::to_owned);
    let pattern = match uri {
        None => Pattern::Prefix("/".to_owned()),
        Some(_) => text("exact")
            .map(Pattern::Exact)
            .or_else(|| text("prefix").map(Pattern::Prefix))
            .or_else(|| text("regex").map(|text| Pattern::Regex(Expression::whole(&text))))
            .unwrap_or(Pattern::Unknown),
    };
    let known = ["uri", "ignoreUriCase", "name", "gateways", "statPrefix"];
    let is_conditional = at.members().any(|(name, _)| !known.contains(&name));
    (PathMatch { pattern, ignores_case: at.is_true("ignoreUriCase") }, is_conditional)
}

fn rewrite(http: At<'_>) -> Rewrite {
    let Some(rewrite) = http.member("rewrite") else { return Rewrite::None };
    if let Some(regex) = rewrite.member("uriRegexRewrite") {
        let text = |name: &str| regex.text_of(name).unwrap_or_default();
        return Rewrite::Regex {
            pattern: Expression::anywhere(text("match")),
            substitution: text("rewrite").to_owned(),
        };
    }
    rewrite.text_of("uri").map_or(Rewrite::None, |uri| Rewrite::Matched(uri.to_owned()))
}

fn destinations(virtual_service: Resource<'_>, http: At<'_>, way: &Way) -> Vec<Destination> {
    let routes: Vec<At<'_>> = http.list("route").collect();
    let routed = routes.iter().map(|route| (route.member("destination"), Some(*route)));
    // A mirror gets what the destination gets that is chosen, with the headers written for that.
    let chosen: Vec<Option<At<'_>>> =
        if routes.is_empty() { vec![None] } else { routes.iter().copied().map(Some).collect() };
    let mirrors = http.list("mirrors").map(|mirror| mirror.member("destination"));
    let mirrors = mirrors.chain([http.member("mirror")]);
    let mirrored = mirrors.flat_map(|mirror| chosen.iter().map(move |route| (mirror, *route)));
    let all = routed.chain(mirrored);
    all.filter_map(|(destination, route)| {
        let destination = destination?;
        let name = service(
            destination.text_of("host")?,
            virtual_service.namespace,
            destination.path(&["port", "number"]),
        );
        let own = route.and_then(written_host);
        let host = own
            .or_else(|| http.path(&["rewrite", "authority"]).and_then(At::text))
            .or_else(|| written_host(http));
        let host_rewrite = host.map(|host| Some(host.to_owned()));
        let headers = route.into_iter().chain([http]).flat_map(written_headers);
        let headers = headers
            .map(|(name, value)| WrittenHeader { place: value.place(), name: name.to_owned() });
        Some(Destination {
            host_rewrite,
            headers: headers.collect(),
            ..Destination::new(Cluster::Named(name), way.clone())
        })
    })
    .collect()
}

/// The host that `headers.request` of a route or of one of its destinations writes.
fn written_host(at: At<'_>) -> Option<&str> {
    written_headers(at).find(|(name, _)| is_host(name)).and_then(|(_, value)| value.text())
}

/// The headers that it writes.
fn written_headers(at: At<'_>) -> impl Iterator<Item = (&str, At<'_>)> {
    let request = at.path(&["headers", "request"]);
    let written = ["set", "add"].into_iter().filter_map(move |name| request?.member(name));
    written.flat_map(At::members)
}
