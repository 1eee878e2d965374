//! contract §5 at the backend: the identity headers of the filter are present, those of a client
//! are not.

use serde_json::json;

use super::backend::Seen;
use super::bootstrap::Listener;
use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, ask, configuration_with, outcome, post, token};
use super::process::Envoy;
use crate::support::case::Request;

/// The headers from which backends read a client certificate, as an attacker would send them.
const SPOOFED: [&str; 17] = [
    "client-cert",
    "Client-Cert-Chain",
    "x-ssl-cert",
    "x-ssl-cert-chain-0",
    "x-ssl-cert-chain-12",
    "x-ssl-client-cert",
    "X-SSL-Client-S-DN",
    "x-ssl-client-verify",
    "ssl-client-cert",
    "ssl-client-subject-dn",
    "x-client-cert",
    "x-client-certificate",
    "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-subject",
    "x-forwarded-client-cert",
    "x-authenticated-client",
    "X-Thumbprint",
];

async fn start() -> Envoy {
    let everything = configuration_with(json!({ "forward": {
        "client_id": "x-authenticated-client",
        "certificate": ["client-cert", "x-ssl-cert", "x-forwarded-client-cert"],
        "thumbprint": "x-thumbprint",
    } }));
    let keeping = configuration_with(
        json!({ "forward": { "keep": ["x-ssl-client-verify", "client-cert"] } }),
    );
    Envoy::start(vec![Listener::new("everything", &everything), Listener::new("keeping", &keeping)])
        .await
}

fn spoof(mut request: Request) -> Request {
    // Twice: removing one must not expose the other.
    for name in SPOOFED.iter().chain(&SPOOFED) {
        request.headers.push(((*name).into(), b"spoofed".to_vec()));
    }
    request
}

/// The names of all fields and trailers with a value of the attacker.
fn spoofed_names(seen: &Seen) -> Vec<String> {
    let fields = seen.fields.iter().chain(&seen.trailers);
    fields
        .filter(|(_, value)| value.contains("spoofed"))
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect()
}

#[tokio::test]
async fn an_authenticated_request_carries_only_what_was_proven() {
    let envoy = start().await;
    let certificate = &CERTIFICATES.seed;
    let client = Client::new(certificate);
    for delivery in Delivery::ALL {
        let outcome = ask(&envoy, "everything", &client, spoof(token("seed")), delivery).await;
        let seen = outcome.assert_is("authenticated").seen.clone().expect("it passed");
        assert_eq!(spoofed_names(&seen), Vec::<String>::new(), "{delivery:?}");
        assert_eq!(seen.all("x-authenticated-client"), ["seed"]);
        assert_eq!(seen.all("x-thumbprint"), [certificate.x5t_s256()]);
        assert_eq!(seen.all("client-cert"), [format!(":{}:", certificate.x5c())]);
        let [x_ssl_cert] = seen.all("x-ssl-cert")[..] else { panic!("{seen:?}") };
        let pem =
            percent_encoding::percent_decode_str(x_ssl_cert).decode_utf8().expect("it is text");
        assert_eq!(pem.replace("\r\n", "\n").trim(), certificate.pem().trim());
        assert!(
            !x_ssl_cert.contains(['\n', '+', ' ']),
            "characters that a form decoder changes are not escaped: {x_ssl_cert}"
        );
        let [xfcc] = seen.all("x-forwarded-client-cert")[..] else { panic!("{seen:?}") };
        assert!(xfcc.contains(&certificate.sha256_hex()), "{xfcc}");
        assert!(seen.body.starts_with(b"grant_type=client_credentials&client_id=seed"));
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_request_that_passes_unauthenticated_carries_no_identity() {
    let envoy = start().await;
    let client = Client::new(&CERTIFICATES.seed);
    let get = Request { method: "GET".into(), body: Vec::new(), ..post("/userinfo", "") };
    let questions = [
        (post("/userinfo", "a=b"), "not_gated"),
        (get, "not_gated"),
        (token("secret"), "passed_other_method"),
    ];
    for (request, code) in questions {
        for delivery in Delivery::ALL {
            let outcome =
                ask(&envoy, "everything", &client, spoof(request.clone()), delivery).await;
            let seen = outcome.assert_is(code).seen.clone().expect("it passed");
            let identity: Vec<_> =
                SPOOFED.iter().filter(|name| seen.field(name).is_some()).collect();
            assert!(identity.is_empty(), "{code} {delivery:?}: {identity:?}");
        }
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn kept_headers_pass_and_others_are_stripped() {
    let envoy = start().await;
    let client = Client::new(&CERTIFICATES.seed);
    for request in [token("seed"), post("/userinfo", "a=b")] {
        let outcome = ask(&envoy, "keeping", &client, spoof(request), Delivery::Http2Whole).await;
        let mut kept = spoofed_names(&outcome.seen.expect("it passed"));
        kept.sort();
        kept.dedup();
        // The other two are not identity headers unless `forward` writes them. Envoy itself handles
        // x-forwarded-client-cert.
        assert_eq!(
            kept,
            ["client-cert", "x-authenticated-client", "x-ssl-client-verify", "x-thumbprint"]
        );
    }
}

/// Some backends merge trailers into headers, so trailers are stripped too.
#[tokio::test]
async fn trailers_carry_no_identity_either() {
    let envoy = start().await;
    let client = Client::new(&CERTIFICATES.seed);
    let connection = client.http2(envoy.address("everything")).await.expect("HTTP/2");
    for request in [token("seed"), post("/userinfo", "a=b")] {
        for body in [request.body.as_slice(), b""] {
            if body.is_empty() && request.path == "/token" {
                continue;
            }
            let mut stream = connection.open(&next_id(), &request, false).await.expect("a stream");
            if !body.is_empty() {
                stream.data(body, false).expect("it is open");
            }
            let names =
                ["client-cert", "x-ssl-client-verify", "x-authenticated-client", "x-harmless"];
            stream.trailers(&names.map(|name| (name, "spoofed"))).expect("it is open");
            let answer = within_deadline(stream.answer()).await.expect("an answer");
            let outcome = outcome(&envoy, request.clone(), answer).await;
            let seen = outcome.seen.unwrap_or_else(|| panic!("{:?}", outcome.logged));
            assert_eq!(spoofed_names(&seen), ["x-harmless"]);
        }
    }
    envoy.assert_healthy().await;
}
