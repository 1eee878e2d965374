//! Requests that any client can send and that are expensive: each as large as Envoy allows, or as
//! far as the filter reads it.
//!
//! None may take more than two milliseconds of a worker until its answer: see
//! [`MOST_INSTRUCTIONS`].

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::{CERTIFICATE, Row, body, hot, presenting, sha256, with_header};
use crate::host::Connection;
use crate::request::token_request;
use crate::support::case::Request;
use crate::support::certificate::pem;
use crate::support::der::{self as asn1, tlv, to_hex};

/// Two milliseconds, in instructions as they are counted here.
///
/// Measured with an earlier module, which prepared a whole subject of 90 kB of U+FDFA: 939 million
/// instructions here, and 78 ms of a worker in Envoy, so V8 executes 12 of them in a nanosecond.
/// (wasmtime, which counts them, executes 10 to 15 on an idle machine.)
#[allow(dead_code, reason = "the test of the budget compares with it")]
pub const MOST_INSTRUCTIONS: u64 = 24_000_000;

/// Octets of a certificate. BoringSSL accepts at most 100 kB from a client, with the chain.
const MOST_OF_A_CERTIFICATE: usize = 90_000;

/// The rows. The first are refusals of a request with its own certificate.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |row: Row, name: &'static str| rows.push(unseen(row).named(name));

    let text =
        |tag, unit: &[u8]| name(&attribute(tag, &unit.repeat(MOST_OF_A_CERTIFICATE / unit.len())));
    let subject = |subject: Vec<u8>| hot().on(with_names(&subject, &[]));
    add(
        subject(text(asn1::UTF8_STRING, "\u{fdfa}".as_bytes())),
        "subject_mismatch, 90 kB of U+FDFA",
    );
    add(
        subject(text(asn1::UTF8_STRING, "\u{301}".as_bytes())),
        "subject_mismatch, 90 kB of accents",
    );
    add(subject(text(asn1::BMP_STRING, &[0x4e, 0x00])), "subject_mismatch, 90 kB in a BMPString");
    add(subject(text(asn1::TELETEX_STRING, &[0xe9])), "subject_mismatch, 90 kB in a T61String");
    add(subject(text(asn1::UTF8_STRING, b"x")), "subject_mismatch, 90 kB of ASCII");
    add(
        subject(text(asn1::UTF8_STRING, "\u{ad}".as_bytes())),
        "subject_mismatch, 90 kB of nothing",
    );
    add(subject(text(asn1::OCTET_STRING, b"x")), "subject_mismatch, 90 kB in an OCTET STRING");
    let rdn = tlv(asn1::SET, &[attribute(asn1::UTF8_STRING, b"")]);
    let rdns = tlv(asn1::SEQUENCE, &vec![rdn.clone(); MOST_OF_A_CERTIFICATE / rdn.len()]);
    add(subject(rdns.clone()), "subject_mismatch, 90 kB of RDNs");
    let one = attribute(asn1::UTF8_STRING, b"");
    let one_rdn = tlv(
        asn1::SEQUENCE,
        &[tlv(asn1::SET, &vec![one.clone(); MOST_OF_A_CERTIFICATE / one.len()])],
    );
    add(subject(one_rdn), "subject_mismatch, 90 kB in one RDN");
    let oid = tlv(
        asn1::SEQUENCE,
        &[tlv(asn1::OBJECT_IDENTIFIER, &[[0x55].repeat(MOST_OF_A_CERTIFICATE)]), tlv(5, &[[]])],
    );
    add(
        subject(tlv(asn1::SEQUENCE, &[tlv(asn1::SET, &[oid])])),
        "subject_mismatch, an identifier of 90 kB",
    );
    add(hot().on(connection(&rdns, &client_name(), &[])), "subject_mismatch, an issuer of 90 kB");
    // The name of its issuer is compared with that of each anchor. A longer one has no path.
    const LONGEST_ON_A_PATH: usize = 62_000;
    let fdfa = "\u{fdfa}".repeat(LONGEST_ON_A_PATH / 3);
    let issuer = name(&attribute(asn1::UTF8_STRING, fdfa.as_bytes()));
    let by_anchors = || {
        let chain = json!({ "chain": "anchors" });
        hot().configured(json!({ "peer_certificate": chain, "trust_anchors": roots() }))
    };
    add(
        by_anchors().on(connection(&issuer, &client_name(), &[])),
        "certificate_untrusted_issuer, an issuer of 62 kB of U+FDFA",
    );
    // Its other encodings have digests of their own.
    let numbers = tlv(asn1::SEQUENCE, &vec![tlv(2, &[[0x55].repeat(32)]); 2]);
    let ecdsa = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let rdns = tlv(asn1::SEQUENCE, &vec![rdn.clone(); LONGEST_ON_A_PATH / rdn.len()]);
    let signed = signed_certificate(&ecdsa, &numbers, &rdns, &client_name(), &[]);
    add(
        hot()
            .configured(json!({ "revoked": ["GH3F4PZz1rZAz8nK-QpWGB9wyg4ULZSZzJPBvy1XMHs"] }))
            .on(presenting(&pem("CERTIFICATE", &signed))),
        "subject_mismatch, 62 kB with other encodings",
    );
    let extension = tlv(
        asn1::SEQUENCE,
        &[tlv(asn1::OBJECT_IDENTIFIER, &[[0x2a]]), tlv(asn1::OCTET_STRING, &[[]])],
    );
    let extensions = extension.repeat(MOST_OF_A_CERTIFICATE / extension.len());
    add(
        hot().on(connection(&name(&[]), &client_name(), &extensions)),
        "subject_mismatch, 90 kB of extensions",
    );

    let by_san = |member: &'static str, value: &str| {
        hot().registered(json!({ "token_endpoint_auth_method": "tls_client_auth", member: value }))
    };
    let entries =
        |entry: &[u8]| with_names(&name(&[]), &entry.repeat(MOST_OF_A_CERTIFICATE / entry.len()));
    let dns = || by_san("tls_client_auth_san_dns", "client.example.org");
    add(dns().on(entries(&[0x82, 1, b'a'])), "subject_mismatch, 90 kB of host names");
    add(dns().on(entries(&[0x86, 0])), "subject_mismatch, 90 kB of empty URIs");
    add(
        by_san("tls_client_auth_san_ip", "192.0.2.1").on(entries(&[0x87, 4, 192, 0, 2, 2])),
        "subject_mismatch, 90 kB of addresses",
    );
    let mailbox = by_san("tls_client_auth_san_email", "ops@example.org");
    add(mailbox.on(entries(b"\x81\x0fops@example.com")), "subject_mismatch, 90 kB of mailboxes");
    let long = tlv(asn1::context(2), &[[b'a'].repeat(MOST_OF_A_CERTIFICATE)]);
    add(dns().on(with_names(&name(&[]), &long)), "subject_mismatch, a host name of 90 kB");
    // A certificate that was parsed before is compared again.
    rows.push(
        dns()
            .on(entries(&[0x82, 1, b'a']))
            .named("subject_mismatch, 90 kB of host names seen before"),
    );
    let fdfa = subject(text(asn1::UTF8_STRING, "\u{fdfa}".as_bytes()));
    rows.push(fdfa.named("subject_mismatch, 90 kB of U+FDFA seen before"));

    let mut add = |row: Row, name: &'static str| rows.push(unseen(row).named(name));
    let header = |value: &str| {
        let configured = hot().configured(json!({ "peer_certificate": { "source": "forwarded" } }));
        configured.sending(with_header("x-forwarded-client-cert", value))
    };
    const MOST_OF_A_HEADER: usize = 48 << 10;
    let fill = |unit: &str| unit.repeat(MOST_OF_A_HEADER / unit.len());
    add(header(&fill("Hash=a,")), "certificate_malformed, header of empty elements");
    add(header(fill("a=b;").trim_end_matches(';')), "certificate_malformed, header of keys");
    add(header(fill("URI=a;").trim_end_matches(';')), "certificate_malformed, header of URIs");
    add(header(&format!("By=\"{}\"", fill("\\\""))), "certificate_malformed, header of escapes");
    add(header(&fill("[")), "certificate_malformed, header of brackets");
    add(
        header(&format!("[{}]", fill("{},").trim_end_matches(','))),
        "certificate_malformed, header of objects",
    );
    let hash = to_hex(&sha256(CERTIFICATE));
    let element = |pem: &str| {
        let cert = pem.replace('\n', "%0A").replace('+', "%2B").replace('/', "%2F");
        format!("Hash={hash};Cert=\"{cert}\"")
    };
    let eight = vec![element(CERTIFICATE); 8].join(",");
    add(header(&eight), "authenticated, header of eight elements");
    let padded = certificate(
        &name(&[]),
        &client_name(),
        &tlv(
            asn1::SEQUENCE,
            &[
                tlv(asn1::OBJECT_IDENTIFIER, &[[0x2a]]),
                tlv(asn1::OCTET_STRING, &[[7].repeat(30_000)]),
            ],
        ),
    );
    let element = format!(
        "Cert=\"{}\"",
        pem("CERTIFICATE", &padded).replace('\n', "%0A").replace('+', "%2B").replace('/', "%2F")
    );
    add(header(&element), "certificate_unverified, header of one large element");
    let trusted = URL_SAFE_NO_PAD.encode(sha256(CERTIFICATE));
    let proxied = hot().configured(json!({
        "peer_certificate": {
            "source": "forwarded",
            "dialect": "client-cert",
            "trusted_proxies": [trusted],
        },
    }));
    let in_header = name(&attribute(asn1::UTF8_STRING, &"\u{fdfa}".as_bytes().repeat(11_500)));
    let value = format!(":{}:", STANDARD.encode(certificate(&name(&[]), &in_header, &[])));
    add(proxied.sending(with_header("client-cert", &value)), "subject_mismatch, header of U+FDFA");

    const MOST_OF_A_BODY: usize = 65_536;
    let parameters: Vec<String> =
        (0..256).map(|n| format!("p{n:03}={}", "b".repeat(250))).collect();
    add(hot().sending(body(&parameters.join("&"))), "missing_client_id, body of 256 parameters");
    add(
        hot().sending(body(&"%61".repeat(MOST_OF_A_BODY / 3))),
        "missing_client_id, body of escapes",
    );
    add(
        hot().sending(body(&format!("a={}", "+".repeat(MOST_OF_A_BODY - 2)))),
        "missing_client_id, body of blanks",
    );
    add(hot().sending(body(&"&".repeat(MOST_OF_A_BODY))), "malformed_form, body of separators");
    add(
        hot().sending(body(&format!("client_id={}", "x".repeat(MOST_OF_A_BODY - 10)))),
        "unknown_client, client_id of 64 kB",
    );
    add(
        hot().sending(body(&format!("client_id={}", "%C3%A9".repeat((MOST_OF_A_BODY - 10) / 6)))),
        "unknown_client, escaped client_id of 64 kB",
    );
    let payload = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let assertion = |json: &str| {
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let jwt = format!("e30.{}.c2ln", payload(json));
        body(&format!("client_assertion_type={kind}&client_assertion={jwt}"))
    };
    let nested = format!("{}{}", "{\"a\":".repeat(5_000), "1");
    add(hot().sending(assertion(&nested)), "client_id_mismatch, assertion of nested objects");
    let flat = format!("{{{}\"b\":0}}", "\"a\":0,".repeat(7_500));
    add(hot().sending(assertion(&flat)), "client_id_mismatch, assertion of members");
    let subjects = format!("{{{}\"b\":0}}", "\"sub\":\"a\",".repeat(4_500));
    add(hot().sending(assertion(&subjects)), "unknown_client, assertion of subjects");
    let escapes = format!("{{\"sub\":\"{}\"}}", "\\u0061".repeat(7_500));
    add(hot().sending(assertion(&escapes)), "unknown_client, assertion of escapes");

    add(
        hot().sending(body(&"\u{feff}".repeat(MOST_OF_A_BODY / 3))),
        "missing_client_id, body of byte order marks",
    );
    add(
        hot().sending(body(&format!("client_id=client-050&a=b{}", ";c".repeat(32_000)))),
        "authenticated, body of semicolons",
    );
    let pieces = ";clientele".repeat(6_000);
    add(
        hot().sending(body(&format!("client_id=client-050&a=b{pieces}"))),
        "authenticated, body of pieces like credentials",
    );

    const MOST_OF_A_PATH: usize = 60_000;
    let to = |unit: &str| {
        let path = format!("/{}", unit.repeat(MOST_OF_A_PATH / unit.len()));
        hot().sending(Request { path, ..token_request() })
    };
    add(to("a"), "not_gated, path of 60 kB");
    add(to("a/"), "not_gated, path of segments");
    add(to("a/../"), "not_gated, path of dots");
    add(to("%2561"), "not_gated, path of escapes");
    add(to("%2f%2e%2e"), "not_gated, path of escaped dots");
    add(to(";a"), "not_gated, path of parameters");
    add(to("\\"), "not_gated, path of backslashes");
    // With the name of an endpoint: the meaning of such a path is unclear, so it is gated.
    let to = |unit: &str| {
        let path = format!("/a/../token/{}", unit.repeat(MOST_OF_A_PATH / unit.len()));
        hot().sending(Request { path, ..token_request() })
    };
    add(to("a/../"), "authenticated, path of dots with an endpoint's name");
    add(to("%2561"), "authenticated, path of escapes with an endpoint's name");
    add(to("%2f%2e%2e"), "authenticated, path of escaped dots with an endpoint's name");
    add(to(";a"), "authenticated, path of parameters with an endpoint's name");
    add(to("\\"), "authenticated, path of backslashes with an endpoint's name");
    add(to("\u{390}"), "authenticated, path of letters with an endpoint's name");
    add(to("%CE%90"), "authenticated, path of escaped letters with an endpoint's name");
    let query = |unit: &str| {
        let path = format!("/token?{}", unit.repeat(MOST_OF_A_PATH / unit.len()));
        hot().sending(Request { path, ..token_request() })
    };
    add(query("a&"), "authenticated, query of parameters");
    add(query("%61"), "authenticated, query of escapes");
    add(query("c&"), "authenticated, query of short names");
    add(query("clientele&"), "authenticated, query of names like credentials");
    add(query("%ffclientele&"), "client_id_mismatch, query of malformed names");
    let credentials =
        |text: String| hot().sending(with_header("authorization", &format!("Basic {text}")));
    add(
        credentials(STANDARD.encode("%41".repeat(15_000) + ":x")),
        "client_id_mismatch, credentials of 60 kB",
    );
    add(credentials("!".repeat(60_000)), "malformed_authorization, 60 kB");
    add(
        hot().sending(with_header("content-type", &"a;".repeat(30_000))),
        "unsupported_media_type, 60 kB",
    );
    rows
}

/// A request with a certificate, a header or a body that the filter has not seen before.
fn unseen(row: Row) -> Row {
    Row { before: body("client_id=nobody"), ..row }
}

fn attribute(tag: u8, value: &[u8]) -> Vec<u8> {
    let common_name = tlv(asn1::OBJECT_IDENTIFIER, &[[0x55, 4, 3]]);
    tlv(asn1::SEQUENCE, &[common_name, tlv(tag, &[value])])
}

/// A name of one RDN with these attributes, or of none.
fn name(attributes: &[u8]) -> Vec<u8> {
    if attributes.is_empty() {
        tlv(asn1::SEQUENCE, &[[]])
    } else {
        tlv(asn1::SEQUENCE, &[tlv(asn1::SET, &[attributes])])
    }
}

fn client_name() -> Vec<u8> {
    name(&attribute(asn1::UTF8_STRING, b"another"))
}

fn with_names(subject: &[u8], entries: &[u8]) -> Connection {
    let san = match entries {
        [] => Vec::new(),
        entries => {
            let value = tlv(asn1::OCTET_STRING, &[tlv(asn1::SEQUENCE, &[entries])]);
            tlv(asn1::SEQUENCE, &[tlv(asn1::OBJECT_IDENTIFIER, &[[0x55, 0x1d, 0x11]]), value])
        }
    };
    connection(&name(&[]), subject, &san)
}

/// A certificate with these host names.
pub(super) fn with_host_names(names: &[&[u8]]) -> Connection {
    const DNS_NAME: u8 = 0x82;
    let entries: Vec<_> = names.iter().map(|name| tlv(DNS_NAME, &[name])).collect();
    with_names(&client_name(), &entries.concat())
}

fn connection(issuer: &[u8], subject: &[u8], extensions: &[u8]) -> Connection {
    presenting(&pem("CERTIFICATE", &certificate(issuer, subject, extensions)))
}

/// A certificate without a valid signature, which the filter does not check.
fn certificate(issuer: &[u8], subject: &[u8], extensions: &[u8]) -> Vec<u8> {
    signed_certificate(&[0x2a, 3], &[1], issuer, subject, extensions)
}

/// The same with the contents of the algorithm's object identifier, and a signature.
fn signed_certificate(
    algorithm: &[u8],
    signature: &[u8],
    issuer: &[u8],
    subject: &[u8],
    extensions: &[u8],
) -> Vec<u8> {
    let algorithm = tlv(asn1::SEQUENCE, &[tlv(asn1::OBJECT_IDENTIFIER, &[algorithm])]);
    let validity = tlv(
        asn1::SEQUENCE,
        &["200101000000Z", "490101000000Z"].map(|time| tlv(asn1::UTC_TIME, &[time])),
    );
    let key = tlv(asn1::SEQUENCE, &[algorithm.clone(), asn1::bit_string(&[1])]);
    let extensions = match extensions {
        [] => Vec::new(),
        some => tlv(asn1::context_constructed(3), &[tlv(asn1::SEQUENCE, &[some])]),
    };
    let version = tlv(asn1::context_constructed(0), &[asn1::integer(2)]);
    let parts =
        [&version, &asn1::integer(1), &algorithm, issuer, &validity, subject, &key, &extensions];
    let signed = tlv(asn1::SEQUENCE, &parts);
    tlv(asn1::SEQUENCE, &[signed, algorithm, asn1::bit_string(signature)])
}

/// Roots of one name, each with another key.
fn roots() -> Vec<String> {
    ["rsa256", "rsa384", "rsa512", "pss256", "pss384", "p256", "p384", "p521", "ed25519", "other"]
        .into_iter()
        .map(|name| {
            let path = format!("{}/../src/trust/tests/{name}.ca.pem", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        })
        .collect()
}
