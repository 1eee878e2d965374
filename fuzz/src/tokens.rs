//! Access tokens, and what servers say about them.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tls_client_auth::host::{
    BackendResponse, Exchange, Fact, Fields, Head, IntrospectedToken, Introspections, Question,
    RegistryAnswer, ResponseStep, Step,
};
use tls_client_auth::{Code, Configuration, Gate, GateRequest, Peer, Thumbprint};

use crate::requests::{NOW, PEER, TOKEN_REQUEST};

fn own() -> Thumbprint {
    PEER.certificate.clone().expect("a certificate").expect("one that is read").thumbprint()
}

/// The value of `cnf.x5t#S256`, by another parser, which takes the last of equal members.
fn bound_to(claims: &[u8]) -> Option<Thumbprint> {
    let claims: Value = serde_json::from_slice(claims).ok()?;
    Thumbprint::parse(claims.get("cnf")?.get("x5t#S256")?.as_str()?)
}

fn payload_of(token: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()
}

static RESOURCES: LazyLock<Gate> = LazyLock::new(|| {
    Gate::new(
        br#"{
            "endpoints": [],
            "bound_tokens": {
                "resources": ["/api"],
                "jwt": {"metadata": "verified", "payload_header": "x-payload"}
            }
        }"#,
    )
    .expect("a configuration")
});

/// Two lines: `Authorization`, and the token that `jwt_authn` verified, or its payload. A request
/// passes with that very token alone, and only if that is bound to its certificate.
pub(crate) fn access_token(octets: &[u8]) {
    _ = passed(octets);
}

/// How many requests passed.
fn passed(octets: &[u8]) -> usize {
    let mut passed = 0;
    let end = octets.iter().position(|octet| *octet == b'\n').unwrap_or(octets.len());
    let (authorization, verified) = octets.split_at(end);
    let verified = verified.get(1..).unwrap_or_default();
    let segment = URL_SAFE_NO_PAD.encode(verified);
    let made = format!("e30.{segment}.c2ln");
    let received = String::from_utf8(verified.to_vec()).ok();
    let as_received = received.clone().map(|token| (authorization.to_vec(), token));
    let with_made = Some((format!("Bearer {made}").into_bytes(), made.clone()));
    let other = Some((authorization.to_vec(), made));
    for (authorization, token) in [as_received, with_made, other].into_iter().flatten() {
        let request = GateRequest {
            headers: vec![
                (":method".to_owned(), b"GET".to_vec()),
                (":path".to_owned(), b"/api".to_vec()),
                (":authority".to_owned(), b"rs.example.org".to_vec()),
                ("authorization".to_owned(), authorization.clone()),
            ],
            body: Vec::new(),
        };
        let mut peer = Peer { verified_token: Some(token.clone()), ..PEER.clone() };
        let outcome = RESOURCES.decide(&request, &mut peer);
        assert_eq!(outcome.passes(), outcome.decision.code == Code::TokenBound);
        if outcome.passes() {
            let sent = authorization.strip_prefix(b"Bearer ").expect("Bearer");
            let sent = std::str::from_utf8(sent).expect("a token");
            assert_eq!(sent, token, "another token");
            let claims = payload_of(&token).expect("claims");
            assert_eq!(bound_to(&claims), Some(own()), "not bound");
            passed += 1;
        }
    }
    passed
}

static INTROSPECTED: LazyLock<Configuration> = LazyLock::new(|| {
    Configuration::parse(
        br#"{
            "endpoints": [],
            "bound_tokens": {
                "resources": ["/api"],
                "introspection": {"cluster": "c", "authority": "a", "path": "/introspect"}
            }
        }"#,
    )
    .expect("a configuration")
});

/// The answer of an authorization server about a token. A request passes only if it says that the
/// token is active and bound to this certificate.
pub(crate) fn introspection(octets: &[u8]) {
    _ = introspected(octets);
}

/// Whether the request passes.
fn introspected(octets: &[u8]) -> bool {
    let fields: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":path", b"/api"),
        (b":authority", b"rs.example.org"),
        (b"authorization", b"Bearer opaque"),
    ];
    let head = Head::of(Fields(&fields));
    let mut exchange = Exchange::new(&INTROSPECTED, &head);
    let mut peer = PEER.clone();
    let step = exchange.on_headers(&INTROSPECTED, &head, true, &mut peer);
    let Step::Ask(question) = step else { panic!("asks nothing: {step:?}") };
    let Question::Token { source, token } = *question else { panic!("asks something else") };
    let mut introspections = Introspections::new(source);
    let now = u64::try_from(NOW.0).expect("after 1970") * 1000;
    introspections.wait(&token, ()).expect("one question");
    let requests = introspections.take_requests();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    let answer = RegistryAnswer {
        status: Some(200),
        headers: &[],
        body_size: octets.len(),
        read: &|_| Some(octets.to_vec()),
    };
    let outcome = introspections.on_answer(request.token, Some(&answer), now);
    assert_eq!(outcome.waiting.len(), 1);
    if let Ok(IntrospectedToken::BoundTo(thumbprint)) = &outcome.result {
        let claims: Value = serde_json::from_slice(octets).expect("JSON");
        assert_eq!(claims.get("active"), Some(&Value::Bool(true)));
        assert_eq!(bound_to(octets), Some(*thumbprint));
        let expires = claims.get("exp").filter(|exp| !exp.is_null()).map(Value::as_f64);
        assert!(expires.is_none_or(|exp| exp.is_some_and(|exp| exp * 1000.0 > now as f64)));
    }
    // What is held is what was said.
    if let std::task::Poll::Ready(known) = introspections.find(&token, now) {
        assert_eq!(outcome.result.as_ref().ok(), Some(&known));
    }
    let is_own =
        matches!(&outcome.result, Ok(IntrospectedToken::BoundTo(bound)) if *bound == own());
    let Step::Decide(decision) = exchange.on_fact(Fact::Token(outcome.result), &mut peer) else {
        panic!("no decision")
    };
    assert_eq!(decision.passes(), is_own, "{:?}", decision.code);
    is_own
}

static CHECKED: LazyLock<Configuration> = LazyLock::new(|| {
    Configuration::parse(
        br#"{
            "endpoints": ["/token", "/introspect"],
            "discovery": {
                "paths": ["/.well-known/openid-configuration"],
                "mtls_endpoint_aliases": "https://mtls.as.example.com"
            },
            "bound_tokens": {"response_check": "enforce"},
            "clients": [
                {"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
                    "tls_client_certificate_bound_access_tokens": true,
                    "tls_client_auth_subject_dn":
                        "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP"}
            ]
        }"#,
    )
    .expect("a configuration")
});

const JSON: (&[u8], &[u8]) = (b"content-type", b"application/json");

/// The body of an answer with a token. It goes on only if another parser finds no `access_token` in
/// it, or one that is bound to the certificate of the client; in one piece and in pieces alike.
pub(crate) fn token_response(octets: &[u8]) {
    _ = goes_on(octets);
}

/// Whether the answer goes on as it is.
fn goes_on(octets: &[u8]) -> bool {
    let mut went_on = Vec::new();
    for pieces in [1, 3] {
        let mut response = asked_for_a_token();
        let fields = [(&b":status"[..], &b"200"[..]), JSON];
        let mut step = response.on_headers(Some(Fields(&fields)), octets.is_empty());
        for piece in 1..=pieces {
            if matches!(step, ResponseStep::Wait) {
                let buffered = octets.len() * piece / pieces;
                let body = octets.to_vec();
                step = response.on_body(&CHECKED, buffered, piece == pieces, |_| Some(body));
            }
        }
        went_on.push(match step {
            ResponseStep::Continue => true,
            ResponseStep::Unbound(decision) => {
                assert_eq!(decision.code, Code::ResponseUnbound);
                assert!(!decision.passes());
                false
            }
            other => panic!("{other:?}"),
        });
        // Nothing follows it.
        let again = response.on_end(&CHECKED, octets.len(), |_| panic!("read again"));
        assert!(matches!(again, ResponseStep::Continue));
    }
    assert!(went_on.iter().all(|one| Some(one) == went_on.first()), "pieces matter");
    if went_on.first() == Some(&true) && !octets.is_empty() {
        let body: Value = serde_json::from_slice(octets).expect("JSON");
        if let Some(token) = body.get("access_token") {
            let claims = payload_of(token.as_str().expect("a text")).expect("a JWT");
            assert_eq!(bound_to(&claims), Some(own()));
        }
    }
    went_on.contains(&true)
}

fn asked_for_a_token() -> Box<BackendResponse> {
    let head = Head::of(Fields(&TOKEN_REQUEST));
    let mut exchange = Exchange::new(&CHECKED, &head);
    let mut peer = PEER.clone();
    exchange.on_headers(&CHECKED, &head, false, &mut peer);
    let step = exchange.on_body(11, true, |_| Some(b"client_id=a".to_vec()), &mut peer);
    let Step::Decide(decision) = step else { panic!("no decision: {step:?}") };
    assert_eq!(decision.code, Code::Authenticated);
    exchange.take_response().expect("a response that is read")
}

/// A metadata document. What was edited is JSON with all members that it had before, and editing it
/// again changes nothing.
pub(crate) fn discovery(octets: &[u8]) {
    let Some(edited) = edited(octets) else { return };
    let before: Value = serde_json::from_slice(octets).expect("JSON was edited");
    let after: Value = serde_json::from_slice(&edited).expect("JSON");
    let (before, after) = (before.as_object().expect("an object"), after.as_object());
    let after = after.expect("an object");
    for (name, value) in before {
        let is_added_to = name == "mtls_endpoint_aliases"
            || name == "tls_client_certificate_bound_access_tokens"
            || name.ends_with("_endpoint_auth_methods_supported");
        assert!(is_added_to || after.get(name) == Some(value), "{name}");
        if let (Some(old), Some(Value::Array(new))) = (value.as_array(), after.get(name)) {
            assert!(old.iter().all(|method| new.contains(method)), "{name}");
        }
        if let (Some(old), Some(Value::Object(new))) = (value.as_object(), after.get(name)) {
            assert!(old.iter().all(|(alias, uri)| new.get(alias) == Some(uri)), "{name}");
        }
    }
    assert_eq!(edited_again(&edited), edited);
}

fn edited_again(octets: &[u8]) -> Vec<u8> {
    edited(octets).unwrap_or_else(|| octets.to_vec())
}

/// `None` = it goes on as it is.
fn edited(octets: &[u8]) -> Option<Vec<u8>> {
    let path = b"/.well-known/openid-configuration";
    let fields: [(&[u8], &[u8]); 2] = [(b":method", b"GET"), (b":path", path)];
    let discovery = CHECKED.discovery.as_deref().expect("discovery");
    let head = Head::of(Fields(&fields));
    let mut response =
        BackendResponse::to_metadata_request(discovery, &head).expect("a metadata request");
    let fields = [(&b":status"[..], &b"200"[..]), JSON];
    assert!(matches!(response.on_headers(Some(Fields(&fields)), false), ResponseStep::Wait));
    match response.on_body(&CHECKED, octets.len(), true, |_| Some(octets.to_vec())) {
        ResponseStep::Edit(edited) => Some(edited),
        ResponseStep::Continue | ResponseStep::Untouched(_) => None,
        other => panic!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the targets examine is reached.
    #[test]
    fn the_corpus_has_what_counts() {
        assert_eq!(passed(include_bytes!("../corpus/access_token/bound")), 1);
        assert_eq!(passed(include_bytes!("../corpus/access_token/claims")), 1);
        assert!(introspected(include_bytes!("../corpus/introspection/bound")));
        assert!(!introspected(include_bytes!("../corpus/introspection/twice")));
        assert!(goes_on(include_bytes!("../corpus/token_response/bound")));
        assert!(!goes_on(include_bytes!("../corpus/token_response/none")));
        for document in [
            &include_bytes!("../corpus/discovery/metadata")[..],
            include_bytes!("../corpus/discovery/escaped"),
        ] {
            assert!(edited(document).is_some());
        }
    }
}
