//! Listeners with the real `jwt_authn` before the filter, and tokens that it verifies.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::bootstrap::{Listener, typed};
use super::fixture::with_header;
use crate::support::case::Request;
use crate::support::certificate::Certificate;

const KEY: [u8; 32] = [7; 32];
pub const HEADER: &str = "x-jwt-payload";

/// HMAC (RFC 2104) with SHA-256 and a key that is shorter than a block.
fn hmac(message: &[u8]) -> Vec<u8> {
    let padded = |octet: u8| {
        let mut block = [octet; 64];
        block.iter_mut().zip(KEY).for_each(|(place, key)| *place ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

/// A JWT with these claims, which jwt_authn verifies.
pub fn token(claims: &Value) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac(signed.as_bytes())))
}

pub fn bound_to(certificate: &Certificate) -> Value {
    json!({ "iss": "as", "sub": "a", "cnf": { "x5t#S256": certificate.x5t_s256() } })
}

/// jwt_authn as the manual asks for it, with some members of its provider replaced.
pub fn jwt_authn(members: Value) -> Value {
    let key = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(KEY) });
    let mut provider = json!({
        "issuer": "as",
        "local_jwks": { "inline_string": json!({ "keys": [key] }).to_string() },
        "from_headers": [{ "name": "authorization", "value_prefix": "Bearer " }],
        "forward": true,
        "payload_in_metadata": "verified",
        "forward_payload_header": HEADER,
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(provider.as_object_mut().expect("an object").remove(name)),
            value => provider[name] = value.clone(),
        }
    }
    let requires = json!({ "requires_any": { "requirements": [
        { "provider_name": "as" }, { "allow_missing_or_failed": {} },
    ] } });
    let rules = json!([{ "match": { "prefix": "/api" }, "requires": requires }]);
    let filter = json!({ "providers": { "as": provider }, "rules": rules });
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": typed("filters.http.jwt_authn.v3.JwtAuthentication", filter),
    })
}

fn configuration(members: Value) -> Value {
    let mut configuration = json!({
        "endpoints": [],
        "bound_tokens": {
            "resources": ["/api", "/without-rule"],
            "jwt": { "metadata": "verified", "payload_header": HEADER },
        },
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        configuration[name] = value.clone();
    }
    configuration
}

pub fn listener(name: &str, filters_before: Vec<Value>, members: Value) -> Listener {
    Listener { filters_before, ..Listener::new(name, &configuration(members)) }
}

pub fn get(path: &str, authorization: &str) -> Request {
    let request = Request { method: "GET".into(), headers: Vec::new(), ..Request::form(path, "") };
    match authorization {
        "" => request,
        value => with_header(request, "authorization", value),
    }
}
