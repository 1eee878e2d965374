//! Envoy Gateway's ClientTrafficPolicy: what it sets for the connections of a listener.

use crate::document::Content;
use crate::lint::envoy::tls::texts;
use crate::lint::graph::{
    ChainTls, ClientCertificates, ClientTraffic, ClientValidation, OctetLimit, TlsParameters,
    TlsVersion,
};
use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::At;

/// Modes of `clientValidation` that let in certificates which are not verified.
const LENIENT: [&str; 2] = ["Request", "RequireAny"];

/// What Envoy Gateway sets where a policy states nothing: `per_connection_buffer_limit_bytes` and
/// `initial_stream_window_size`.
const BUFFER_LIMIT: u64 = 32 << 10;
const STREAM_WINDOW: u64 = 64 << 10;

/// The policy of a listener: one for the listener itself replaces one for its gateway.
pub fn policy<'a>(
    resources: &[Resource<'a>],
    gateway: Resource<'a>,
    listener: At<'a>,
) -> Option<Resource<'a>> {
    let mut found = None;
    for resource in resources.iter().filter(|resource| resource.kind == "ClientTrafficPolicy") {
        if resource.namespace != gateway.namespace {
            continue;
        }
        let refs = resource
            .list("targetRefs")
            .chain(resource.spec().and_then(|spec| spec.member("targetRef")));
        let by_name = refs.filter(|target| target.text_of("name") == Some(gateway.name));
        let sections = by_name.map(|target| target.text_of("sectionName"));
        let by_labels = resource.list("targetSelectors").filter(|selector| {
            selector.text_of("kind") == Some("Gateway")
                && selector.member("matchLabels").is_none_or(|labels| gateway.has_labels(labels))
        });
        for section in sections.chain(by_labels.map(|_| None)) {
            if section.is_some() && section == listener.text_of("name") {
                return Some(*resource);
            }
            if section.is_none() && found.is_none() {
                found = Some(*resource);
            }
        }
    }
    found
}

/// The TLS parameters of a listener with this policy.
pub fn tls(policy: Option<Resource<'_>>, listener: At<'_>, has_tls: bool) -> ChainTls {
    if !has_tls {
        return ChainTls::Plain(listener.place());
    }
    let Some(spec) = policy.and_then(Resource::spec) else {
        return ChainTls::Unseen(listener.place());
    };
    let own = spec.member("tls");
    let version = |name: &str| own.and_then(|own| own.text_of(name)).and_then(TlsVersion::of);
    let suites = own.and_then(|own| own.member("ciphers")).map(texts);
    ChainTls::Tls(TlsParameters {
        place: own.unwrap_or(spec).place(),
        minimum: version("minVersion"),
        maximum: version("maxVersion"),
        cipher_suites: suites.filter(|suites| !suites.is_empty()),
    })
}

/// What it sets beside these parameters.
pub fn settings(policy: Resource<'_>) -> Option<ClientTraffic> {
    let spec = policy.spec()?;
    let tls = spec.member("tls");
    let validation = tls.and_then(|tls| tls.member("clientValidation"));
    let resumption = tls.and_then(|tls| tls.path(&["session", "resumption"]));
    let header = spec.path(&["headers", "xForwardedClientCert", "mode"]);
    let limit = |group: &str, name: &str, default: u64| {
        let group = spec.member(group);
        let stated = group.and_then(|group| group.member(name));
        let octets = stated.map_or(Some(default), octets)?;
        let place = stated.or(group).unwrap_or(spec).place();
        Some(OctetLimit { octets, is_default: stated.is_none(), place })
    };
    Some(ClientTraffic {
        place: tls.unwrap_or(spec).place(),
        certificates: match validation {
            None if tls.is_none() => ClientCertificates::Unseen,
            None => ClientCertificates::NotAsked,
            Some(validation) => ClientCertificates::Asked(ClientValidation {
                place: validation.place(),
                has_authorities: validation.list("caCertificateRefs").next().is_some(),
                lenient_mode: validation
                    .text_of("mode")
                    .filter(|mode| LENIENT.contains(mode))
                    .map(str::to_owned),
            }),
        },
        resumption: resumption.map(At::place),
        forwarded_header: header.and_then(|at| Some((at.text()?.to_owned(), at.place()))),
        buffer_limit: limit("connection", "bufferLimit", BUFFER_LIMIT),
        stream_window: limit("http2", "initialStreamWindowSize", STREAM_WINDOW),
    })
}

/// A quantity of Kubernetes: a number, or one with a suffix.
fn octets(at: At<'_>) -> Option<u64> {
    const UNITS: [(&str, u64); 6] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
    ];
    let text = match &at.node.content {
        Content::Number(number) => return number.as_u64(),
        Content::Text(text) => text,
        _ => return None,
    };
    let unit = UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, size) = unit.unwrap_or((text, 1));
    number.parse::<u64>().ok()?.checked_mul(size)
}
