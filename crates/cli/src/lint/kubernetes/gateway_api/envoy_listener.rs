//! The listeners of Envoy that Envoy Gateway makes of those of a Gateway: one for each port, and
//! another one for HTTP/3.

use super::client_traffic;
use crate::document::Content;
use crate::lint::finding::Severity;
use crate::lint::graph::Remark;
use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::{At, Place};

/// The listener of Envoy that serves one of a Gateway.
#[derive(Clone)]
pub struct EnvoyListener {
    /// As "the listener \"https\" of Gateway \"default/eg\"".
    pub title: String,
    /// Where the files say that there is one.
    pub place: Place,
    /// `NAMESPACE/GATEWAY/LISTENER`, after the first listener of the port.
    pub name: String,
    /// Its name with Envoy Gateway's runtime flag `XDSNameSchemeV2`.
    pub name_by_port: String,
    /// What it would be called after the other listeners of the port.
    pub names_of_others: Vec<String>,
    /// The number of the filter chain; none: without TLS it is `default_filter_chain`.
    pub filter_chain: Option<usize>,
    /// Whether it is that of HTTP/3.
    pub is_quic: bool,
}

/// What `http3` of a ClientTrafficPolicy does.
pub enum Http3<'a> {
    On(At<'a>),
    /// Envoy does not verify client certificates over QUIC: Envoy Gateway 1.8 and later switch it
    /// off, and earlier ones make a listener that Envoy refuses.
    WithCertificates(At<'a>),
}

impl EnvoyListener {
    pub fn of(gateway: Resource<'_>, listener: At<'_>) -> Self {
        let own = listener.text_of("name").unwrap_or_default();
        let names: Vec<&str> =
            of_port(gateway, listener).filter_map(|at| at.text_of("name")).collect();
        let full = |name: &str| format!("{}/{}/{name}", gateway.namespace, gateway.name);
        let first = names.first().copied().unwrap_or(own);
        let port = listener.member("port").map(|port| port.node.to_json().to_string());
        let index = names.iter().position(|name| *name == own).unwrap_or_default();
        Self {
            title: format!("the listener \"{own}\" of {}", gateway.printed()),
            place: listener.place(),
            name: full(first),
            name_by_port: format!("tcp-{}", port.unwrap_or_default()),
            names_of_others: names.iter().skip(1).map(|name| full(name)).collect(),
            filter_chain: has_tls(listener).then_some(index),
            is_quic: false,
        }
    }

    /// Its names, and those of its routes, which have that of each listener of a Gateway.
    pub fn names(&self, gateway: Resource<'_>, listener: At<'_>) -> [String; 3] {
        let own = listener.text_of("name").unwrap_or_default();
        let own = format!("{}/{}/{own}", gateway.namespace, gateway.name);
        [self.name.clone(), self.name_by_port.clone(), own]
    }

    /// The one for HTTP/3 beside it.
    pub fn of_quic(&self, http3: At<'_>) -> Self {
        let quic = |name: &String| format!("{name}-quic");
        Self {
            title: format!("the listener \"{}\" of HTTP/3", quic(&self.name)),
            place: http3.place(),
            name: quic(&self.name),
            name_by_port: self.name_by_port.replace("tcp-", "udp-"),
            names_of_others: self.names_of_others.iter().map(quic).collect(),
            is_quic: true,
            ..self.clone()
        }
    }
}

/// Whether clients connect by TLS.
pub fn has_tls(listener: At<'_>) -> bool {
    listener.text_of("protocol").is_some_and(|protocol| ["HTTPS", "TLS"].contains(&protocol))
}

/// The listeners of the port of this one for HTTP, in their order.
fn of_port<'a>(gateway: Resource<'a>, listener: At<'a>) -> impl Iterator<Item = At<'a>> {
    let port = |at: At<'_>| at.member("port").map(|port| port.node.to_json());
    let is_http = |at: At<'_>| {
        at.text_of("protocol").is_none_or(|protocol| ["HTTP", "HTTPS"].contains(&protocol))
    };
    let own = port(listener);
    gateway.list("listeners").filter(move |at| is_http(*at) && port(*at) == own)
}

/// The `http3` that is in force for a listener: that of one listener is for all of its port.
pub fn http3<'a>(
    resources: &[Resource<'a>],
    gateway: Resource<'a>,
    listener: At<'a>,
) -> Option<Http3<'a>> {
    let found = of_port(gateway, listener).filter(|at| has_tls(*at)).filter_map(|at| {
        let spec = client_traffic::policy(resources, gateway, at)?.spec()?;
        let set = spec.member("http3").filter(|at| !matches!(at.node.content, Content::Null))?;
        let asks = spec.path(&["tls", "clientValidation"]);
        let asks = asks.filter(|at| !matches!(at.node.content, Content::Null));
        Some(if asks.is_some() { Http3::WithCertificates(set) } else { Http3::On(set) })
    });
    let found: Vec<Http3<'a>> = found.collect();
    let is_on = |http3: &Http3<'a>| matches!(http3, Http3::On(_));
    let on = found.iter().position(is_on).unwrap_or_default();
    found.into_iter().nth(on).filter(|_| has_tls(listener))
}

/// `http3` where clients are asked for certificates.
pub fn without_effect(at: At<'_>) -> Remark {
    let message = "Envoy verifies no client certificates over QUIC: Envoy Gateway 1.8 and later \
        switch http3 off beside tls.clientValidation, and earlier ones make a listener that Envoy \
        refuses; remove http3";
    Remark { place: at.place(), severity: Severity::Doubtful, message: message.to_owned() }
}
