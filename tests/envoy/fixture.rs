//! Certificates and requests that the tests share, and the assertions for every answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::backend::{self, Seen};
use super::client::{Answer, Client, Delivery};
use super::process::{Envoy, Logged};
use crate::support::case::{DECISIONS, Request};
use crate::support::certificate::{Certificate, CertificateSpec, Issuer, KeyKind, mint};
use crate::support::moment::Moment;

/// A certificate for each result of a check.
#[derive(Debug)]
pub struct Certificates {
    /// The subject of the client of the seed document, `C` first.
    pub seed: Certificate,
    pub seed_rsa: Certificate,
    /// The same subject, issued by a CA that the listener does not trust.
    pub untrusted: Certificate,
    pub expired: Certificate,
    pub not_yet_valid: Certificate,
    /// With an IP address of three bytes in the SAN, which Envoy's verification accepts.
    pub malformed: Certificate,
    pub other_subject: Certificate,
    /// A SAN of each kind.
    pub names: Certificate,
    pub self_signed: Certificate,
    pub self_signed_rsa: Certificate,
}

pub static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    let seed = || CertificateSpec { subject: Some(seed_subject()), ..CertificateSpec::default() };
    let san = [
        ("dns", "client.example.org"),
        ("uri", "https://client.example.org/id"),
        ("ip", "192.0.2.7"),
    ];
    let san = san.into_iter().chain([("email", "ops@example.org")]);
    let entry = |kind: &str, name: &str| BTreeMap::from([(kind.to_string(), name.to_string())]);
    let names = san.map(|(kind, name)| entry(kind, name)).collect();
    let make = |spec: CertificateSpec| mint(&spec).expect("the description is well-formed");
    let year = |year: i64| Some(Moment((year - 1970) * 31_556_952));
    Certificates {
        seed: make(seed()),
        seed_rsa: make(CertificateSpec { key: KeyKind::Rsa, ..seed() }),
        untrusted: make(CertificateSpec { issuer: Issuer::Untrusted, ..seed() }),
        expired: make(CertificateSpec { not_before: year(2020), not_after: year(2021), ..seed() }),
        not_yet_valid: make(CertificateSpec {
            not_before: year(2110),
            not_after: year(2120),
            ..seed()
        }),
        malformed: make(CertificateSpec { san: Some(vec![entry("ip_hex", "0a0000")]), ..seed() }),
        other_subject: make(CertificateSpec::default()),
        names: make(CertificateSpec { san: Some(names), ..CertificateSpec::default() }),
        self_signed: make(CertificateSpec {
            issuer: Issuer::SelfSigned,
            ..CertificateSpec::default()
        }),
        self_signed_rsa: make(CertificateSpec {
            issuer: Issuer::SelfSigned,
            key: KeyKind::Rsa,
            ..CertificateSpec::default()
        }),
    }
});

/// The subject of [`Certificates::seed`].
pub fn seed_subject() -> Vec<Vec<Vec<String>>> {
    let rdns = [
        ("C", "JP"),
        ("ST", "Tokyo"),
        ("L", "Chiyoda-ku"),
        ("O", "Client"),
        ("CN", "client.example.org"),
    ];
    rdns.into_iter().map(|(kind, value)| vec![vec![kind.to_string(), value.to_string()]]).collect()
}

/// A configuration with a client of every kind, and `/token` as the only gated path.
pub fn configuration() -> Value {
    let seed = "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP";
    let tls = |client_id: &str, member: &str, value: &str| {
        let mut client =
            json!({ "client_id": client_id, "token_endpoint_auth_method": "tls_client_auth" });
        client[member] = value.into();
        client
    };
    let mut pinned = tls("pinned", "tls_client_auth_subject_dn", seed);
    pinned["certificate_thumbprints"] = json!([CERTIFICATES.names.x5t_s256()]);
    let self_signed = |client_id: &str, key: Value| {
        json!({
            "client_id": client_id,
            "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "jwks": { "keys": [key] },
        })
    };
    let key = json!({ "kty": "EC", "x5c": [CERTIFICATES.self_signed.x5c()] });
    let rsa_key = json!({ "kty": "RSA", "x5t#S256": CERTIFICATES.self_signed_rsa.x5t_s256() });
    json!({
        "endpoints": ["/token"],
        "clients": [
            tls("seed", "tls_client_auth_subject_dn", seed),
            tls("dns", "tls_client_auth_san_dns", "client.example.org"),
            tls("uri", "tls_client_auth_san_uri", "https://client.example.org/id"),
            tls("ip", "tls_client_auth_san_ip", "192.0.2.7"),
            tls("email", "tls_client_auth_san_email", "ops@example.org"),
            pinned,
            self_signed("self-signed", key),
            self_signed("self-signed-rsa", rsa_key),
            { "client_id": "secret", "token_endpoint_auth_method": "client_secret_basic" },
        ],
    })
}

/// [`configuration`] with some members set.
pub fn configuration_with(members: Value) -> Value {
    let mut configuration = configuration();
    for (name, value) in members.as_object().into_iter().flatten() {
        configuration[name] = value.clone();
    }
    configuration
}

/// A form.
pub fn post(path: &str, body: &str) -> Request {
    Request::form(path, body)
}

/// A plain token request of this client.
pub fn token(client_id: &str) -> Request {
    post("/token", &format!("grant_type=client_credentials&client_id={client_id}"))
}

pub fn with_header(mut request: Request, name: &str, value: impl AsRef<[u8]>) -> Request {
    request.headers.push((name.into(), value.as_ref().to_vec()));
    request
}

/// One request, as the client, Envoy and the backend saw it.
pub struct Outcome {
    pub request: Request,
    pub answer: Answer,
    pub logged: Logged,
    pub seen: Option<Seen>,
}

/// Sends a request on a connection of its own and waits until Envoy has logged it.
pub async fn ask(
    envoy: &Envoy,
    listener: &str,
    client: &Client,
    request: Request,
    delivery: Delivery,
) -> Outcome {
    let answer = client.send(envoy.address(listener), &request, delivery).await;
    let answer = answer.unwrap_or_else(|error| panic!("{delivery:?} {request:?}: {error}"));
    outcome(envoy, request, answer).await
}

pub async fn outcome(envoy: &Envoy, request: Request, answer: Answer) -> Outcome {
    let logged = envoy.logged(&answer.id).await;
    let seen = envoy.backend.request(&answer.id);
    Outcome { request, answer, logged, seen }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, answer, logged, seen } = self;
        let lossy =
            |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned();
        writeln!(
            f,
            "{} {} at {}: {}",
            request.method,
            request.path,
            request.host,
            lossy(&request.body)
        )?;
        for (name, value) in &request.headers {
            writeln!(f, "  {name}: {}", lossy(value))?;
        }
        writeln!(
            f,
            "answer {} {:?} {}\n{logged:?}\nat the backend: {seen:?}",
            answer.status,
            answer.fields,
            answer.text()
        )
    }
}

impl Outcome {
    pub fn code(&self) -> &str {
        // A request that is not gated has no filter state.
        self.logged.code.as_deref().unwrap_or("not_gated")
    }

    /// Asserts that this is the outcome of contract §7 for `code`.
    pub fn assert_is(&self, code: &str) -> &Self {
        let (_, refusal) =
            DECISIONS.iter().find(|(known, _)| *known == code).expect("a code of contract §7");
        assert_eq!(self.code(), code, "{self:?}");
        match refusal {
            None => self.assert_passed(),
            Some((status, error)) => self.assert_refused(*status, error),
        }
        self
    }

    /// Asserts that the backend has the whole request and the client the backend's answer.
    pub fn assert_passed(&self) {
        assert_eq!(
            (self.answer.status, self.answer.text()),
            (200, backend::ANSWER.into()),
            "{self:?}"
        );
        let seen =
            self.seen.as_ref().unwrap_or_else(|| panic!("the backend did not receive {self:?}"));
        assert!(seen.complete, "{self:?}");
        assert_eq!(seen.body, self.request.body, "{self:?}");
        assert_eq!(
            (&seen.method, &seen.path),
            (&self.request.method, &self.request.path),
            "{self:?}"
        );
    }

    fn assert_refused(&self, status: u16, error: &str) {
        assert!(self.seen.is_none(), "refused, but received by the backend: {self:?}");
        let answer = &self.answer;
        assert_eq!(answer.status, status, "{self:?}");
        let body: Value = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(body["error"], error, "{self:?}");
        assert!(
            body["error_description"].as_str().is_some_and(|text| !text.is_empty()),
            "{self:?}"
        );
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{self:?}");
        assert_eq!(answer.field("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(answer.field("pragma"), Some("no-cache"), "{self:?}");
        assert_eq!(answer.field("retry-after"), (status == 503).then_some("1"), "{self:?}");
        assert_eq!(answer.field("allow"), (status == 405).then_some("POST"), "{self:?}");
        if error == "invalid_token" {
            let challenge = answer.field("www-authenticate");
            let expected = match self.code() {
                "token_missing" => "Bearer",
                _ => "Bearer error=\"invalid_token\"",
            };
            assert_eq!(challenge, Some(expected), "{self:?}");
            let first = INVALID_TOKEN.get_or_init(|| answer.text());
            assert_eq!(answer.text(), *first, "all answers with 401 are equal");
            return;
        }
        let challenged = status == 401 && self.request.has_header("authorization");
        let challenge = answer.field("www-authenticate");
        assert_eq!(
            challenge.is_some_and(|value| value.starts_with("Basic realm=")),
            challenged,
            "{self:?}"
        );
        if status == 401 {
            assert_eq!(
                answer.text(),
                INVALID_CLIENT.get_or_init(|| answer.text()).as_str(),
                "all answers with 401 are equal"
            );
        }
    }
}

/// contract §7: an answer with 401 does not reveal which clients exist.
static INVALID_TOKEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
static INVALID_CLIENT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
