//! Entries of `endpoints`, and whether a path is one.
//!
//! That is asked of the filter's own code, never of a copy.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tls_client_auth::host::{Fields, Head};
use tls_client_auth::inspect::{Policy, configuration_value};
use tls_client_auth::{Code, Configuration, Gate, GateRequest, Peer};

use super::graph::{FilterChain, Route};
use super::hosts::{common_host, example};
use super::paths::{
    Pattern, Rewrite, may_begin, odd_spellings, plain_path, samples_filled, spellings,
};

/// One configuration of this filter, as far as the rules need it.
pub struct LintedConfig {
    gate: Gate,
    json: Value,
    /// Its line, for messages.
    pub line: usize,
}

/// What `jwt_authn` must do for the resources of a policy.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifiedResources {
    /// The key of the metadata.
    pub metadata: String,
    /// `payload_header`
    pub header: String,
    /// The resources, as patterns of `endpoints`.
    pub patterns: Vec<String>,
    /// Whether tokens that it cannot verify are asked about.
    pub are_introspected: bool,
}

/// An entry of `endpoints` or of `resources`, and what lies behind it.
pub struct ListedEndpoint {
    pub config: usize,
    /// Whether it is one of `bound_tokens.resources`.
    pub is_resource: bool,
    /// None: every path is gated.
    pub text: Option<String>,
    /// Of its tenant; `*` where any host will do.
    pub hosts: Vec<String>,
    /// The filter with this entry alone.
    gate: Option<Gate>,
    /// What the backend gets in its place, where that is another path.
    pub images: Vec<String>,
    /// Whether the backend knows it by the path that is listed: not where every way to it is
    /// rewritten.
    pub is_inside: bool,
    /// The clusters that serve it.
    pub owners: BTreeSet<String>,
    /// Why it is not known which cluster serves it, where a route with the filter does not say.
    pub unseen_owner: Option<&'static str>,
    /// The filter with each of the `images` that has wildcards.
    image_gates: Vec<Gate>,
    /// The entry as [`plain_path`] has it, with one slash at its end.
    plain: Option<String>,
}

impl LintedConfig {
    /// None: the configuration has errors, and they come first.
    pub fn new(text: &str, line: usize) -> Option<Self> {
        let gate = Gate::new(text.as_bytes()).ok()?;
        Some(Self { gate, json: configuration_value(text.as_bytes())?, line })
    }

    /// The entries of `endpoints` with the pointers to them and the hosts for which they are in
    /// force.
    pub fn entries(&self) -> Vec<(String, Option<String>, Vec<String>)> {
        entries(&self.json)
    }

    /// The resources, as patterns of `endpoints`, with the hosts for which they are in force.
    pub fn resources(&self) -> Vec<(String, Vec<String>)> {
        let tenants = self.json.get("tenants").and_then(Value::as_array).into_iter().flatten();
        let mut found = Vec::new();
        for policy in std::iter::once(&self.json).chain(tenants) {
            let hosts = texts(policy.get("hosts")).unwrap_or_else(|| vec!["*".to_owned()]);
            let listed = texts(policy.pointer("/bound_tokens/resources")).unwrap_or_default();
            for path in listed {
                let path = path.strip_suffix("/**").unwrap_or(&path).trim_end_matches('/');
                found.push((format!("{path}/**"), hosts.clone()));
            }
        }
        found
    }

    /// What `jwt_authn` must do for the resources of each policy.
    pub fn verified_resources(&self) -> BTreeSet<VerifiedResources> {
        let tokens = self.configuration().policies().filter_map(|policy| {
            let tokens = policy.bound_tokens.as_ref()?;
            let (resources, jwt) = (tokens.resources.as_ref()?, tokens.jwt.as_ref()?);
            Some(VerifiedResources {
                metadata: jwt.metadata.to_string(),
                header: jwt.payload_header.to_string(),
                patterns: resources.iter().map(ToString::to_string).collect(),
                are_introspected: tokens.introspection.is_some(),
            })
        });
        tokens.collect()
    }

    /// Whether one of its tenants has this host.
    pub fn has_tenant_of(&self, host: &str) -> bool {
        let tenants = self.json.get("tenants").and_then(Value::as_array).into_iter().flatten();
        let mut hosts = tenants.filter_map(|tenant| texts(tenant.get("hosts"))).flatten();
        hosts.any(|own| common_host(host, &own).is_some())
    }

    pub fn configuration(&self) -> &Configuration {
        self.gate.configuration()
    }

    pub fn gates(&self, host: &str, path: &str) -> bool {
        asked(&self.gate, host, path)
    }

    /// Whether a header of this name is one that it decides on, removes or writes, in any spelling
    /// that a backend may take for it.
    pub fn depends_on(&self, header: &str) -> bool {
        let lower = header.to_ascii_lowercase();
        let field = (lower.as_bytes(), &b"x"[..]);
        let is_stripped = |policy: &Policy| policy.common.stripped.strips(field.0, None);
        Head::of(Fields(std::slice::from_ref(&field))).has_claim()
            || self.configuration().policies().any(is_stripped)
    }

    /// Whether some request keeps a header of this name that its client wrote.
    pub fn lets_through(&self, header: &str) -> bool {
        let hosts =
            self.entries().into_iter().flat_map(|(_, _, hosts)| hosts).map(|host| example(&host));
        let hosts: Vec<String> = hosts.chain(["host.example".to_owned()]).collect();
        hosts.iter().any(|host| {
            let mut request = request(host, "/.well-known/nothing");
            request.headers.push((header.to_owned(), b"x".to_vec()));
            let outcome = self.gate.decide(&request, &mut Peer::default());
            !outcome.stripped.iter().any(|name| name == header)
        })
    }
}

/// The entries of `endpoints` of a configuration: pointer, text (none: there is no list), hosts.
pub fn entries(json: &Value) -> Vec<(String, Option<String>, Vec<String>)> {
    let mut found = Vec::new();
    let mut add = |at: &str, list: Option<Vec<String>>, hosts: &[String]| match list {
        Some(list) => {
            let each = list.into_iter().enumerate();
            found.extend(each.map(|(index, text)| {
                (format!("{at}/endpoints/{index}"), Some(text), hosts.to_vec())
            }));
        }
        None => found.push((at.to_owned(), None, hosts.to_vec())),
    };
    let any = ["*".to_owned()];
    let of_top = texts(json.get("endpoints"));
    let has_tenants = json.get("tenants").is_some();
    if !has_tenants
        || of_top.is_some()
        || ["clients", "registry"].iter().any(|name| json.get(name).is_some())
    {
        add("", of_top.clone(), &any);
    }
    for (index, tenant) in
        json.get("tenants").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        let hosts = texts(tenant.get("hosts")).unwrap_or_else(|| any.to_vec());
        match texts(tenant.get("endpoints")) {
            Some(own) => add(&format!("/tenants/{index}"), Some(own), &hosts),
            // Those of the top level, which are listed there.
            None if of_top.is_some() => {}
            None => add(&format!("/tenants/{index}"), None, &hosts),
        }
    }
    found
}

fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    Some(value?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

impl ListedEndpoint {
    pub fn new(config: usize, text: Option<String>, hosts: Vec<String>) -> Self {
        let gate = text.as_ref().and_then(|text| gate_of(text));
        let owners = BTreeSet::new();
        let is_resource = false;
        let plain = text.as_ref().filter(|_| gate.is_some()).and_then(|text| plain_path(text));
        let plain = plain.map(|path| format!("{}/", path.trim_end_matches('/')));
        let (images, is_inside) = (vec![], true);
        let (unseen_owner, image_gates) = (None, vec![]);
        Self {
            config,
            is_resource,
            text,
            hosts,
            gate,
            images,
            is_inside,
            owners,
            unseen_owner,
            image_gates,
            plain,
        }
    }

    /// What every path begins like that is this endpoint and that a route takes because the path
    /// begins plainly, in lower case, and with a slash at its end; none where that is not so.
    pub fn plain(&self) -> Option<&str> {
        self.plain.as_deref().filter(|_| self.images.is_empty())
    }

    /// Whether a path that a route takes may arrive as this endpoint: a quick answer.
    pub fn may_come_by(&self, route: &Route) -> bool {
        let Some(entry) = self.plain().filter(|_| route.rewrite == Rewrite::None) else {
            return true;
        };
        match &route.paths.pattern {
            Pattern::Exact(begin) | Pattern::Prefix(begin) | Pattern::Segments(begin) => {
                plain_path(begin).is_none_or(|begin| entry.starts_with(&begin))
            }
            Pattern::Regex(_) | Pattern::Unknown => true,
        }
    }

    /// Adds what the backend gets in its place, which may be a pattern.
    pub fn add_image(&mut self, image: String) {
        if self.images.contains(&image) {
            return;
        }
        self.image_gates.extend(gate_of(&image).filter(|_| image.contains('*')));
        self.images.push(image);
    }

    /// A resource, by its pattern of `endpoints`.
    pub fn of_resource(config: usize, pattern: String, hosts: Vec<String>) -> Self {
        Self { is_resource: true, ..Self::new(config, Some(pattern), hosts) }
    }

    /// What it is, and the member that lists it.
    pub fn words(&self) -> (&'static str, &'static str) {
        if self.is_resource {
            ("a resource", "\"resources\" of \"bound_tokens\"")
        } else {
            ("an endpoint", "\"endpoints\"")
        }
    }

    pub fn is(&self, path: &str) -> bool {
        let same =
            |image: &String| image.trim_matches('/').eq_ignore_ascii_case(path.trim_matches('/'));
        let Some(gate) = &self.gate else { return true };
        let gates = self.image_gates.iter().chain(self.is_inside.then_some(gate));
        self.images.iter().any(same) || gates.into_iter().any(|gate| asked(gate, EXAMPLE, path))
    }

    /// Beginnings of its paths, towards what the route takes.
    pub fn hints(&self, route: &Route) -> Vec<String> {
        let is_filled = self.text.as_ref().is_some_and(|text| text.contains('*'));
        // Without wildcards nothing is filled; but the route may have a spelling of its own.
        let is_odd = |regex: &str| regex.contains('%') || regex.contains("//");
        match &route.paths.pattern {
            Pattern::Regex(regex) if is_filled || is_odd(&regex.text) => route.paths.hints(),
            _ => vec![route.paths.hint()],
        }
    }

    /// Whether trials cannot show that no path which the route takes is this endpoint.
    pub fn is_undecided(&self, route: &Route) -> bool {
        let Pattern::Regex(regex) = &route.paths.pattern else { return false };
        let mut entries = self.text.iter().filter(|text| text.contains('*'));
        let is_rewritten = route.rewrite != Rewrite::None || !self.images.is_empty();
        entries.any(|text| is_rewritten || may_begin(text, &regex.literal_prefix()))
    }

    /// Paths that a route of this chain may take and that arrive as this endpoint, the plainest
    /// first.
    pub fn outside(&self, route: &Route, chain: &FilterChain) -> Vec<String> {
        let hint = route.paths.hint();
        let hints = match &route.rewrite {
            Rewrite::None => self.hints(route),
            rewrite => vec![rewrite.constant().unwrap_or_default()],
        };
        let new = hints.first().cloned().unwrap_or_default();
        let mut inside = match &self.text {
            Some(_) if !self.is_inside => vec![],
            Some(text) => {
                // Another route may take what has the one filling.
                let fillers: &[&str] = if text.contains('*') { &["x", "q7"] } else { &["x"] };
                let filled = fillers.iter().flat_map(|filler| {
                    hints.iter().flat_map(|hint| samples_filled(text, hint, filler))
                });
                let plain: Vec<String> = filled.collect();
                let others = spellings(&plain);
                let odd = if chain.keeps_spellings { odd_spellings(&plain) } else { Vec::new() };
                plain.into_iter().chain(others).chain(odd).collect()
            }
            None => vec!["/token".to_owned(), new.clone(), format!("{new}x")],
        };
        inside.extend(self.images.iter().filter(|image| !image.contains('*')).cloned());
        for image in &self.images {
            let fillers: &[&str] = if image.contains('*') { &["x", "q7"] } else { &["x"] };
            let hints = [&new].into_iter().chain(hints.iter().skip(1));
            inside.extend(hints.flat_map(|hint| {
                fillers.iter().flat_map(move |filler| samples_filled(image, hint, filler))
            }));
        }
        let mut found: Vec<String> =
            inside.iter().flat_map(|path| route.rewrite.sources(&route.paths, path)).collect();
        if chain.keeps_dot_segments {
            let climbing = |path: &String| route.rewrite.climbing_sources(&route.paths, path);
            found.extend(inside.iter().flat_map(climbing).collect::<Vec<_>>());
        }
        if self.text.is_none() {
            found.extend([hint.clone(), format!("{hint}x")]);
        }
        found.retain(|path| path.starts_with('/'));
        found.sort_by_key(|path| path.contains("//"));
        found
    }
}

fn request(host: &str, path: &str) -> GateRequest {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let headers = vec![
        header(":method", "POST"),
        header(":path", path),
        header(":authority", host),
        header("content-type", "application/x-www-form-urlencoded"),
    ];
    GateRequest { headers, body: Vec::new() }
}

/// Whether the filter decides on a POST for this path.
fn asked(gate: &Gate, host: &str, path: &str) -> bool {
    #[cfg(test)]
    super::work::count();
    gate.decide(&request(host, path), &mut Peer::default()).decision.code != Code::NotGated
}

/// A host of nobody.
const EXAMPLE: &str = "host.example";

/// The filter with this entry of `endpoints` alone.
fn gate_of(entry: &str) -> Option<Gate> {
    let alone = json!({ "endpoints": [entry], "clients": [] }).to_string();
    Gate::new(alone.as_bytes()).ok()
}

/// Whether a text can be an entry of `endpoints`.
pub fn is_entry(text: &str) -> bool {
    gate_of(text).is_some()
}

/// The entry of `endpoints` that gates what is sent: with the wildcards of the one that it arrives
/// as, if they fit.
pub fn entry_to_add(endpoint: &ListedEndpoint, route: &Route, sent: &str) -> String {
    let fits = |text: &str| gate_of(text).is_some_and(|gate| asked(&gate, EXAMPLE, sent));
    let texts = endpoint.text.iter().filter(|text| text.contains('*'));
    let fitting =
        texts.flat_map(|text| route.rewrite.sources(&route.paths, text)).find(|text| fits(text));
    fitting.unwrap_or_else(|| sent.to_owned())
}
