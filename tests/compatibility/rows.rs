//! The rows of the table.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::envoy::bootstrap::{self, Listener, Trust};
use crate::envoy::fixture::{
    CERTIFICATES, configuration, configuration_with, post, seed_subject, token,
};
use crate::envoy::process;
use crate::support::case::Request;
use crate::support::certificate::{
    self, Algorithm, Authority, AuthoritySpec, Certificate, CertificateSpec, Issuer, KeyKind,
};

/// Rows that share an Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Plain,
    /// `x-forwarded-client-cert` as JSON.
    Json,
    /// `suppress_client_ca_list`.
    NoListOfAuthorities,
    /// The module that reads responses.
    Responses,
}

impl Group {
    /// Whether an Envoy may end with this log, because it does not know what this group sets.
    pub fn may_be_refused(self, log: &str) -> bool {
        let field = match self {
            Self::Plain | Self::Responses => return false,
            Self::Json => "format",
            Self::NoListOfAuthorities => "suppress_client_ca_list",
        };
        // protobuf varies the blanks in its messages.
        let words: Vec<_> = log.split_whitespace().collect();
        words.join(" ").contains(&format!("no such field: '{field}'"))
    }
}

pub const GROUPS: &[Group] =
    &[Group::Plain, Group::Json, Group::NoListOfAuthorities, Group::Responses];

/// What a row asks.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    Code(&'static str),
    /// The status of an answer that replaces that of the backend.
    Status(u16),
    /// The access log has the code.
    FilterState,
}

pub struct Row {
    pub name: String,
    pub group: Group,
    pub listener: &'static str,
    pub certificate: Box<dyn Fn(KeyKind) -> Option<Certificate>>,
    pub request: Box<dyn Fn(KeyKind) -> Request>,
    pub expected: Expected,
}

type Of = fn(KeyKind) -> Option<Certificate>;

/// The signatures of CAs, with the name of a listener for each.
const ALGORITHMS: [(Algorithm, &str, &str); 6] = [
    (Algorithm::Rsa256, "anchors-rsa", "RSA"),
    (Algorithm::Pss256, "anchors-pss", "RSASSA-PSS"),
    (Algorithm::P256, "anchors-p256", "P-256"),
    (Algorithm::P384, "anchors-p384", "P-384"),
    (Algorithm::P521, "anchors-p521", "P-521"),
    (Algorithm::Ed25519, "anchors-ed25519", "Ed25519"),
];

/// Those that are tried with the certificate in Envoy's own header, too.
const BY_HEADER: [(&str, &str); 2] =
    [("anchors-rsa", "header-rsa"), ("anchors-p256", "header-p256")];

static AUTHORITIES: LazyLock<Vec<Authority>> = LazyLock::new(|| {
    let of = |(algorithm, ..): (Algorithm, &str, &str)| {
        Authority::root(&AuthoritySpec { algorithm, ..AuthoritySpec::default() })
    };
    ALGORITHMS.map(of).into()
});

fn minted(key: KeyKind, spec: CertificateSpec) -> Option<Certificate> {
    let spec = CertificateSpec { key, ..spec };
    Some(certificate::mint(&spec).expect("the description is well-formed"))
}

fn seed(key: KeyKind) -> Option<Certificate> {
    minted(key, CertificateSpec { subject: Some(seed_subject()), ..CertificateSpec::default() })
}

fn other(key: KeyKind) -> Option<Certificate> {
    minted(key, CertificateSpec::default())
}

fn untrusted(key: KeyKind) -> Option<Certificate> {
    let subject = Some(seed_subject());
    minted(
        key,
        CertificateSpec { subject, issuer: Issuer::Untrusted, ..CertificateSpec::default() },
    )
}

fn self_signed(key: KeyKind) -> Option<Certificate> {
    Some(match key {
        KeyKind::Ec => CERTIFICATES.self_signed.clone(),
        KeyKind::Rsa => CERTIFICATES.self_signed_rsa.clone(),
    })
}

fn of_self_signed(key: KeyKind) -> Request {
    token(if key == KeyKind::Ec { "self-signed" } else { "self-signed-rsa" })
}

fn none(_: KeyKind) -> Option<Certificate> {
    None
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |group, listener, name: &str, certificate: Of, request: Request, expected| {
        rows.push(Row {
            name: name.into(),
            group,
            listener,
            certificate: Box::new(certificate),
            request: Box::new(move |_| request.clone()),
            expected,
        });
    };
    let code = Expected::Code;
    let plain = Group::Plain;
    let passes = "authenticated";
    add(plain, "gate", "accepts the subject", seed, token("seed"), code(passes));
    add(plain, "gate", "refuses another one", other, token("seed"), code("subject_mismatch"));
    let unverified = code("certificate_unverified");
    add(plain, "gate", "refuses an unknown CA", untrusted, token("seed"), unverified);
    let missing = code("certificate_missing");
    add(plain, "gate", "refuses no certificate", none, token("seed"), missing);
    let secret = code("passed_other_method");
    add(plain, "gate", "passes other methods", none, token("secret"), secret);
    let ungated = post("/userinfo", "a=b");
    add(plain, "gate", "passes other paths", none, ungated, code("not_gated"));
    let name = "writes the code as filter state";
    add(plain, "gate", name, none, token("seed"), Expected::FilterState);
    let name = "`chain: \"listener\"`: accepts";
    add(plain, "listener", name, seed, token("seed"), code(passes));
    let name = "`source: \"forwarded\"`, Envoy's own header: accepts";
    add(plain, "forwarded", name, seed, token("seed"), code(passes));
    let name = "the same: refuses another subject";
    add(plain, "forwarded", name, other, token("seed"), code("subject_mismatch"));
    let name = "the same with `format: JSON`: accepts";
    add(Group::Json, "json", name, seed, token("seed"), code(passes));
    let name = "`suppress_client_ca_list`";
    add(Group::NoListOfAuthorities, "suppressed", name, seed, token("seed"), code(passes));
    let name = "responses module, Envoy's own header: accepts";
    add(Group::Responses, "responses", name, seed, token("seed"), code(passes));
    let name = "the same with `response_check`: refuses an unbound token";
    add(Group::Responses, "responses", name, seed, token("bound"), Expected::Status(502));

    let self_signed = Row {
        name: "accepts a self-signed certificate".into(),
        group: plain,
        listener: "gate",
        certificate: Box::new(self_signed),
        request: Box::new(of_self_signed),
        expected: code(passes),
    };
    rows.insert(4, self_signed);
    for (place, (_, listener, name)) in ALGORITHMS.into_iter().enumerate() {
        let issued = move |key| {
            let subject = Some(seed_subject());
            let spec = CertificateSpec { subject, key, ..CertificateSpec::default() };
            Some(AUTHORITIES[place].issue(&spec))
        };
        rows.push(Row {
            name: format!("`chain: \"anchors\"`, a CA with {name}: accepts"),
            group: plain,
            listener,
            certificate: Box::new(issued),
            request: Box::new(|_| token("client")),
            expected: code(passes),
        });
        if let Some((_, listener)) = BY_HEADER.iter().find(|(own, _)| *own == listener) {
            rows.push(Row {
                name: format!("the same, a CA with {name}, Envoy's own header: accepts"),
                group: plain,
                listener,
                certificate: Box::new(issued),
                request: Box::new(|_| token("client")),
                expected: code(passes),
            });
        }
    }
    rows.push(Row {
        name: "the same: refuses another CA".into(),
        group: plain,
        listener: "anchors-rsa",
        certificate: Box::new(untrusted),
        request: Box::new(|_| token("client")),
        expected: code("certificate_untrusted_issuer"),
    });
    rows
}

pub fn listeners(group: Group) -> Vec<Listener> {
    let forwarded = configuration_with(
        json!({ "peer_certificate": { "source": "forwarded", "chain": "listener" } }),
    );
    let verifying = |name, configuration: &Value| Listener {
        trust: Trust::Verify,
        forward_client_cert: "SANITIZE_SET",
        ..Listener::new(name, configuration)
    };
    match group {
        Group::Plain => {
            let by_listener =
                configuration_with(json!({ "peer_certificate": { "chain": "listener" } }));
            let mut listeners = vec![
                Listener::new("gate", &configuration()),
                Listener { forward_client_cert: "SANITIZE", ..verifying("listener", &by_listener) },
                verifying("forwarded", &forwarded),
            ];
            for ((_, name, _), authority) in ALGORITHMS.into_iter().zip(&*AUTHORITIES) {
                let anchored = anchored(&authority.pem());
                listeners.push(Listener::new(name, &anchored));
                if let Some((_, name)) = BY_HEADER.iter().find(|(own, _)| *own == name) {
                    let mut by_header = anchored;
                    by_header["peer_certificate"]["source"] = "forwarded".into();
                    listeners.push(Listener {
                        forward_client_cert: "SANITIZE_SET",
                        ..Listener::new(name, &by_header)
                    });
                }
            }
            listeners
        }
        Group::Json => {
            vec![Listener { client_cert_in_json: true, ..verifying("json", &forwarded) }]
        }
        Group::NoListOfAuthorities => vec![Listener::new("suppressed", &configuration())],
        Group::Responses => vec![verifying("responses", &responses(&forwarded))],
    }
}

fn anchored(anchor: &str) -> Value {
    let mut client = configuration()["clients"][0].clone();
    client["client_id"] = "client".into();
    json!({
        "endpoints": ["/token"],
        "peer_certificate": { "chain": "anchors" },
        "trust_anchors": [anchor],
        "clients": [client],
    })
}

fn responses(forwarded: &Value) -> Value {
    let mut configuration = forwarded.clone();
    configuration["bound_tokens"] = json!({ "response_check": "enforce" });
    let mut bound = configuration["clients"][0].clone();
    bound["client_id"] = "bound".into();
    bound["tls_client_certificate_bound_access_tokens"] = true.into();
    configuration["clients"].as_array_mut().expect("clients are an array").push(bound);
    configuration
}

pub fn bootstrap(
    group: Group,
    listeners: &[Listener],
    backend: SocketAddr,
    directory: &Path,
) -> Value {
    let module = match group {
        Group::Responses => process::module().with_file_name("tls_client_auth_responses.wasm"),
        _ => process::module(),
    };
    let mut whole =
        bootstrap::bootstrap(listeners, backend, &module, &directory.join("access.log"));
    if group == Group::NoListOfAuthorities {
        let listener = &mut whole["static_resources"]["listeners"][0];
        let tls = &mut listener["filter_chains"][0]["transport_socket"]["typed_config"];
        tls["common_tls_context"]["validation_context"]["suppress_client_ca_list"] = true.into();
    }
    whole
}
