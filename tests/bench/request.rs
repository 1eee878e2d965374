//! The client and the request of all figures.

use serde_json::{Value, json};

use crate::support::case::Request;

pub const CLIENT: &str = "client-050";
/// The subject of `client.pem` and of the seed certificate of the Envoy tests.
pub const SUBJECT: &str = "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP";

/// A configuration with one hundred clients.
pub fn configuration() -> Value {
    let client = |number: usize| {
        let client_id = format!("client-{number:03}");
        let subject = if client_id == CLIENT {
            SUBJECT.into()
        } else {
            format!("CN={client_id}.example.org,O=Client,C=JP")
        };
        json!({
            "client_id": client_id,
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": subject,
        })
    };
    json!({
        "endpoints": ["/token", "/revoke", "/introspect", "/par"],
        "clients": (0..100).map(client).collect::<Vec<_>>(),
    })
}

/// A token request with the headers that an OpenID client library sends.
pub fn token_request() -> Request {
    let body =
        format!("grant_type=client_credentials&client_id={CLIENT}&scope=accounts%20payments");
    let headers = [
        ("user-agent", "openid-client/6.8.1 (https://github.com/panva/openid-client)"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate, br"),
        ("content-type", "application/x-www-form-urlencoded;charset=UTF-8"),
    ];
    let headers = headers.map(|(name, value)| (name.into(), value.into())).into();
    Request { headers, ..Request::form("/token", body) }
}
