//! Requests, as a gate decides about them.

use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tls_client_auth::host::{Exchange, Field, Fields, Head, Step};
use tls_client_auth::{
    Code, Decision, Gate, GateRequest, Outcome, Peer, PeerCertificate, UnixTime,
};

/// 1 January 2027, when the certificate is valid.
pub(crate) const NOW: UnixTime = UnixTime(1_798_761_600);

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    Gate::new(
        br#"{
            "endpoints": ["/token", "/realms/*/token", "/admin/**"],
            "unidentified_clients": "pass", "max_body_bytes": 4096,
            "clients": [
                {"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
                    "tls_client_auth_subject_dn":
                        "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP"},
                {"client_id": "b", "token_endpoint_auth_method": "tls_client_auth",
                    "tls_client_auth_subject_dn": "CN=another"},
                {"client_id": "c", "token_endpoint_auth_method": "client_secret_basic"}
            ]
        }"#,
    )
    .expect("a configuration")
});

/// What is known of the connection of a registered client.
pub(crate) static PEER: LazyLock<Peer> = LazyLock::new(|| {
    let certificate = PeerCertificate::from_pem(include_bytes!("../../tests/bench/client.pem"));
    Peer {
        certificate: Some(certificate.map(Arc::new)),
        chain_valid: Some(true),
        now: Some(NOW),
        ..Peer::default()
    }
});

/// The headers of a request to the token endpoint.
pub(crate) const TOKEN_REQUEST: [Field<'static>; 4] = [
    (b":method", b"POST"),
    (b":path", b"/token"),
    (b":authority", b"as.example.org"),
    (b"content-type", b"application/x-www-form-urlencoded"),
];

fn request(path: &[u8], more: &[(&str, &[u8])], body: &[u8]) -> GateRequest {
    let mut headers = vec![
        (":method".to_owned(), b"POST".to_vec()),
        (":path".to_owned(), path.to_vec()),
        (":authority".to_owned(), b"as.example.org".to_vec()),
        ("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec()),
    ];
    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())));
    GateRequest { headers, body: body.to_vec() }
}

/// The decision. A request passes with a passing code alone, and `b`, whose certificate is
/// another, never does.
fn decided(request: &GateRequest) -> Outcome {
    let outcome = GATE.decide(request, &mut PEER.clone());
    let Decision { code, rejection, .. } = &outcome.decision;
    let is_passing = matches!(
        code,
        Code::Authenticated | Code::PassedOtherMethod | Code::PassedUnidentified | Code::NotGated
    );
    assert_eq!(outcome.passes(), is_passing, "{code:?}");
    assert_eq!(rejection.is_none(), is_passing, "{code:?}");
    if is_passing {
        let client_id = outcome.decision.request.client_id.as_deref();
        match code {
            Code::Authenticated => assert_eq!(client_id, Some("a")),
            Code::PassedOtherMethod => assert_eq!(client_id, Some("c")),
            _ => assert_eq!(client_id, None),
        }
    }
    // What is shown of the request is one line.
    assert!(!outcome.decision.to_string().contains(['\n', '\r', '\0']));
    outcome
}

/// A body. One that has a `client_id` beside, in any place, names more than one client.
pub(crate) fn form(octets: &[u8]) {
    let alone = decided(&request(b"/token", &[], octets));
    let before = decided(&request(b"/token", &[], &[b"client_id=b&", octets].concat()));
    let after = decided(&request(b"/token", &[], &[octets, b"&client_id=b"].concat()));
    for outcome in [before, after] {
        assert!(!outcome.passes(), "b was let pass: {:?}", outcome.decision);
    }
    if alone.decision.code == Code::Authenticated {
        // Parameters that no one reads change nothing.
        let more = decided(&request(b"/token", &[], &[octets, b"&unknown=1"].concat()));
        assert!(matches!(
            more.decision.code,
            Code::Authenticated | Code::MalformedForm | Code::BodyTooLarge
        ));
    }
}

/// `Authorization`.
pub(crate) fn authorization(octets: &[u8]) {
    for body in [&b""[..], b"client_id=a", b"client_id=c", b"client_id=b"] {
        let more = [("authorization", octets)];
        let outcome = decided(&request(b"/token", &more, body));
        assert!(!(body == b"client_id=b" && outcome.passes()));
    }
}

/// A path. It is gated where one decoding makes a listed path of it.
pub(crate) fn path(octets: &[u8]) {
    let code = decided(&request(octets, &[], b"client_id=b")).decision.code;
    let path = octets.split(|octet| matches!(octet, b'?' | b'#')).next().unwrap_or_default();
    let once: Vec<u8> = percent_encoding::percent_decode(path).collect();
    let is_listed = |path: &[u8]| {
        let path = path.strip_suffix(b"/").unwrap_or(path).to_ascii_lowercase();
        path == b"/token" || path == b"/admin" || path == b"//token"
    };
    if is_listed(path) || is_listed(&once) {
        assert_ne!(code, Code::NotGated, "{}", octets.escape_ascii());
    }
}

/// A JWT assertion, raw and as the payload of one.
pub(crate) fn assertion(octets: &[u8]) {
    let payload = URL_SAFE_NO_PAD.encode(octets);
    let text = String::from_utf8_lossy(octets);
    let escaped = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
    for assertion in
        [escaped.to_string(), format!("e30.{payload}.e30"), format!("{payload}.e30.e30")]
    {
        let body = format!(
            "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion={assertion}"
        );
        decided(&request(b"/token", &[], body.as_bytes()));
        let body = format!("client_id=b&{body}");
        assert!(!decided(&request(b"/token", &[], body.as_bytes())).passes());
    }
}

/// A whole request, lines up to an empty one as headers and the rest as the body: in one piece, and
/// in pieces. The decision is the same.
pub(crate) fn exchange(octets: &[u8]) {
    let mut rest = octets;
    let mut headers = Vec::new();
    while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        // The name may begin with a colon.
        let colon =
            line.iter().skip(1).position(|octet| *octet == b':').map_or(line.len(), |n| n + 1);
        let (name, value) = line.split_at(colon);
        let Ok(name) = std::str::from_utf8(name) else { return };
        headers.push((name.to_ascii_lowercase(), value.get(1..).unwrap_or_default().to_vec()));
    }
    let whole = GateRequest { headers, body: rest.to_vec() };
    let outcome = decided(&whole);
    let mut peer = PEER.clone();
    let fields: Vec<_> =
        whole.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
    let head = Head::of(Fields(&fields));
    let configuration = GATE.configuration();
    for ends_with_trailers in [false, true] {
        let mut exchange = Exchange::new(configuration, &head);
        let is_empty = whole.body.is_empty();
        let mut step = exchange.on_headers(configuration, &head, is_empty, &mut peer);
        let length = whole.body.len();
        for buffered in [0, length / 2, length] {
            if matches!(step, Step::Wait) {
                step = exchange.on_body(buffered, false, |_| panic!("too early"), &mut peer);
            }
        }
        let body = whole.body.clone();
        if matches!(step, Step::Wait) {
            let read = |_: usize| Some(body);
            step = if ends_with_trailers {
                exchange.on_end(read, &mut peer)
            } else {
                exchange.on_body(length, true, read, &mut peer)
            };
        }
        let Step::Decide(decision) = step else { panic!("no decision: {step:?}") };
        assert_eq!(decision.code, outcome.decision.code);
        assert_eq!(decision.action, outcome.decision.action);
    }
}
