//! What the search of orders begins with: configurations and requests.

use super::super::FORM;
use super::PIECES;
use crate::policy::Configuration;
use crate::rejection::Code;

pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) configuration: &'static str,
    pub(super) path: &'static str,
    pub(super) fields: &'static [(&'static str, &'static str)],
    pub(super) body: &'static str,
    /// Codes of the requests that pass.
    pub(super) passes: &'static [Code],
}

pub(super) const TLS: &str = r#"{"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP"}"#;
pub(super) const OF_ANOTHER: &str = r#"{"client_id": "a",
    "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=another"}"#;
pub(super) const AT_URI: &str = r#"{"client_id": "a",
    "token_endpoint_auth_method": "self_signed_tls_client_auth",
    "jwks_uri": "https://keys.example.com/a"}"#;
pub(super) const OTHER: &str = r#"{"client_id": "a", "token_endpoint_auth_method": "none"}"#;

const LOOKUP: &str = "@REGISTRY, @KEY_SETS";
const REGISTRY: &str = r#""registry": {
    "cluster": "r", "authority": "r", "path": "/{client_id}", "mode": "lookup"},
    "endpoints": ["/token"]"#;
pub(super) const KEY_SETS: &str = r#""jwks_uri": {"cluster": "k", "hosts": ["keys.example.com"]}"#;

const REVOCATION: &str = r#""trust_anchors": [@ANCHOR], "peer_certificate": {"chain": "listener"},
    "crl": [{"cluster": "c", "authority": "c", "path": "/ca.crl"}]"#;
const ANCHOR: &str = include_str!("../../../trust/tests/p256.ca.pem");

const INTROSPECTION: &str = r#""bound_tokens": {"resources": ["/api"],
    "introspection": {"cluster": "i", "authority": "i", "path": "/introspect"}}, "endpoints": []"#;
const VERIFIED: &str = r#""bound_tokens": {"resources": ["/api"],
    "jwt": {"metadata": "verified", "payload_header": "x-payload"}}"#;

const TOKEN_REQUEST: &str = "client_id=a&grant_type=client_credentials";
const FORM_FIELDS: &[(&str, &str)] = &[FORM];
const OPAQUE: &[(&str, &str)] = &[FORM, ("authorization", "Bearer opaque")];
const OPAQUE_WITH_JSON: &[(&str, &str)] =
    &[("content-type", "application/json"), ("authorization", "Bearer opaque")];
const OF_JWT_AUTHN: &[(&str, &str)] =
    &[FORM, ("authorization", "Bearer e30.e30.c2ln"), ("x-payload", "e30")];

/// A request to the token endpoint, of which a scenario has the rest.
const TOKEN: Scenario = Scenario {
    name: "",
    configuration: "",
    path: "/token",
    fields: FORM_FIELDS,
    body: TOKEN_REQUEST,
    passes: &[],
};

/// `@TLS`, `@LOOKUP` and the other words stand for the texts above.
pub(super) const SCENARIOS: [Scenario; 20] = [
    Scenario {
        name: "embedded clients",
        configuration: r#"{"clients": [@TLS], "endpoints": ["/token"]}"#,
        passes: &[Code::Authenticated],
        ..TOKEN
    },
    Scenario {
        name: "embedded clients, another certificate",
        configuration: r#"{"clients": [@OF_ANOTHER], "endpoints": ["/token"]}"#,
        passes: &[],
        ..TOKEN
    },
    Scenario {
        name: "a set of keys",
        configuration: r#"{"clients": [@AT_URI], "endpoints": ["/token"], @KEY_SETS}"#,
        passes: &[Code::Authenticated],
        ..TOKEN
    },
    Scenario {
        name: "lookups",
        configuration: "{@LOOKUP}",
        passes: &[Code::Authenticated, Code::PassedOtherMethod],
        ..TOKEN
    },
    Scenario {
        name: "lookups, unregistered clients pass, others do not",
        configuration: r#"{@LOOKUP, "unregistered_clients": "pass", "other_methods": "reject"}"#,
        passes: &[Code::Authenticated, Code::PassedUnregistered],
        ..TOKEN
    },
    Scenario {
        name: "lookups in shadow",
        configuration: r#"{@LOOKUP, "mode": "shadow"}"#,
        passes: Code::ALL,
        ..TOKEN
    },
    Scenario {
        name: "a body that is too large",
        configuration: r#"{@LOOKUP, "max_body_bytes": 20}"#,
        // The first two pieces are a whole body to a host that ends there.
        passes: &[Code::Authenticated, Code::PassedOtherMethod],
        ..TOKEN
    },
    Scenario {
        name: "no client",
        configuration: r#"{@LOOKUP, "unidentified_clients": "pass"}"#,
        path: "/token",
        fields: FORM_FIELDS,
        body: "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer",
        passes: &[Code::PassedUnidentified],
    },
    Scenario {
        name: "another path",
        configuration: "{@LOOKUP}",
        path: "/jwks.json",
        fields: FORM_FIELDS,
        body: TOKEN_REQUEST,
        passes: &[Code::NotGated],
    },
    Scenario {
        name: "a list of revoked certificates",
        configuration: r#"{@REVOCATION, "clients": [@TLS], "endpoints": ["/token"]}"#,
        passes: &[Code::Authenticated],
        ..TOKEN
    },
    Scenario {
        name: "lookups, and a list of revoked certificates",
        configuration: "{@LOOKUP, @REVOCATION}",
        passes: &[Code::Authenticated, Code::PassedOtherMethod],
        ..TOKEN
    },
    Scenario {
        name: "a list of revoked certificates in shadow",
        configuration: r#"{@LOOKUP, @REVOCATION, "mode": "shadow"}"#,
        passes: Code::ALL,
        ..TOKEN
    },
    Scenario {
        name: "a token about which a server is asked",
        configuration: "{@INTROSPECTION}",
        path: "/api",
        fields: OPAQUE_WITH_JSON,
        body: "{\"amount\": 1}",
        passes: &[Code::TokenBound],
    },
    Scenario {
        name: "a token beside a form",
        configuration: "{@INTROSPECTION}",
        path: "/api",
        fields: OPAQUE,
        body: "amount=1&currency=EUR",
        passes: &[Code::TokenBound],
    },
    Scenario {
        name: "a token about which a server is asked, in shadow",
        configuration: r#"{@INTROSPECTION, "mode": "shadow"}"#,
        path: "/api",
        fields: OPAQUE,
        body: "amount=1&currency=EUR",
        passes: Code::ALL,
    },
    Scenario {
        name: "a token that jwt_authn verified",
        configuration: r#"{@VERIFIED, "endpoints": []}"#,
        path: "/api",
        fields: OF_JWT_AUTHN,
        body: "amount=1&currency=EUR",
        passes: &[Code::TokenBound],
    },
    Scenario {
        name: "a resource that is an endpoint in another spelling",
        configuration: "{@VERIFIED, @LOOKUP}",
        path: "/api/..;/token",
        fields: OF_JWT_AUTHN,
        body: TOKEN_REQUEST,
        // To an endpoint the token is a credential beside the certificate.
        passes: &[Code::PassedOtherMethod],
    },
    Scenario {
        name: "a resource without a token",
        configuration: "{@INTROSPECTION}",
        path: "/api",
        fields: FORM_FIELDS,
        body: "amount=1&currency=EUR",
        passes: &[],
    },
    Scenario {
        name: "a tenant",
        configuration: r#"{@KEY_SETS, "tenants": [{"hosts": ["as.example.com"], @REGISTRY}]}"#,
        passes: &[Code::Authenticated, Code::PassedOtherMethod],
        ..TOKEN
    },
    Scenario {
        name: "the host of no tenant",
        configuration: r#"{@KEY_SETS, "tenants": [{"hosts": ["other.example.com"], @REGISTRY}]}"#,
        passes: &[],
        ..TOKEN
    },
];

impl Scenario {
    pub(super) fn configuration(&self) -> Configuration {
        let anchor = serde_json::Value::from(ANCHOR).to_string();
        let mut text = self.configuration.to_owned();
        for (word, stands_for) in [
            ("TLS", TLS),
            ("OF_ANOTHER", OF_ANOTHER),
            ("AT_URI", AT_URI),
            ("LOOKUP", LOOKUP),
            ("REGISTRY", REGISTRY),
            ("KEY_SETS", KEY_SETS),
            ("REVOCATION", REVOCATION),
            ("INTROSPECTION", INTROSPECTION),
            ("VERIFIED", VERIFIED),
        ] {
            text = text.replace(&format!("@{word}"), stands_for);
        }
        let text = text.replace("@ANCHOR", &anchor);
        Configuration::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The octets that are buffered with so many pieces.
    pub(super) fn buffered(&self, pieces: usize) -> usize {
        self.body.len() * pieces / PIECES
    }
}
