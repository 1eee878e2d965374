//! Chains that clients send, as `x-forwarded-client-cert` reports them (contract §9,
//! `intermediates`).

use test_support::certificate::{
    Authority, AuthoritySpec, Certificate, CertificateSpec, percent_encode,
};

use super::NOW;
use crate::certificate::{Parts, Thumbprint};
use crate::gate::{Gate, GateRequest, Peer};
use crate::revocation::SerialNumber;
use crate::{json::Json, limits};

const UNTRUSTED: &str = "certificate_untrusted_issuer";

/// A root, a CA below it, and a client of that CA.
struct Pki {
    root: Authority,
    between: Authority,
    leaf: Certificate,
}

fn pki() -> Pki {
    let root = ca("Root");
    let between = root.below(&spec("Between"));
    let leaf = between.issue(&CertificateSpec::default());
    Pki { root, between, leaf }
}

fn spec(common_name: &'static str) -> AuthoritySpec {
    AuthoritySpec { common_name, ..AuthoritySpec::default() }
}

fn ca(common_name: &'static str) -> Authority {
    Authority::root(&spec(common_name))
}

/// An element as Envoy writes it, with this chain in PEM.
fn element(leaf: &Certificate, chain: &str) -> String {
    let (hash, cert) = (leaf.sha256_hex(), leaf.percent_encoded_pem());
    let chain = percent_encode(chain);
    format!("Hash={hash};Cert=\"{cert}\";Chain=\"{chain}\";Subject=\"CN=client\"")
}

fn gate(root: &Authority, peer_certificate: &str) -> Gate {
    gate_with(root, peer_certificate, "")
}

fn gate_with(root: &Authority, peer_certificate: &str, members: &str) -> Gate {
    Gate::new(gate_text(root, peer_certificate, members).as_bytes()).unwrap()
}

fn gate_text(root: &Authority, peer_certificate: &str, members: &str) -> String {
    let root = Json::String(root.pem()).to_value().to_string();
    format!(
        r#"{{"endpoints": ["/token"], "trust_anchors": [{root}], {members}
            "peer_certificate": {{"chain": "anchors" {peer_certificate}}},
            "clients": [{{"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": "CN=client"}}]}}"#
    )
}

/// The code of a request whose connection has this certificate, with these headers.
fn code(gate: &Gate, peer: &str, xfcc: &[&str]) -> String {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let mut headers = vec![
        header(":method", "POST"),
        header(":path", "/token"),
        header(":authority", "as.example.org"),
        header("content-type", "application/x-www-form-urlencoded"),
    ];
    headers.extend(xfcc.iter().map(|value| header("x-forwarded-client-cert", value)));
    let request = GateRequest { headers, body: b"client_id=a".to_vec() };
    let mut peer = Peer { now: Some(NOW), ..Peer::default() }.presenting(peer.as_bytes());
    gate.decide(&request, &mut peer).decision.code.to_string()
}

#[test]
fn the_chain_of_this_connection_joins_the_path() {
    let Pki { root, between, leaf } = pki();
    let chain = leaf.pem() + &between.pem();
    let json = |leaf: &Certificate| {
        let [cert, between] =
            [leaf.pem(), between.pem()].map(|pem| Json::String(pem).to_value().to_string());
        let hash = leaf.sha256_hex();
        format!(r#"[{{"hash": "{hash}", "cert": {cert}, "chain": [{cert}, {between}]}}]"#)
    };
    let other = between.issue(&CertificateSpec::default());
    let of_another = element(&other, &(other.pem() + &between.pem()));
    for (value, expected) in [
        (element(&leaf, &chain), "authenticated"),
        (element(&leaf, &(chain.clone() + &root.pem())), "authenticated"),
        (json(&leaf), "authenticated"),
        // What the client sent, and behind it what the listener added.
        (format!("{of_another},{}", element(&leaf, &chain)), "authenticated"),
        // Chains of others, and of none.
        (of_another.clone(), UNTRUSTED),
        (json(&other), UNTRUSTED),
        (element(&leaf, &(other.pem() + &between.pem())), UNTRUSTED),
        (element(&leaf, &(between.pem() + &leaf.pem())), UNTRUSTED),
        (element(&leaf, &leaf.pem()), UNTRUSTED),
        (format!("Hash={}", leaf.sha256_hex()), UNTRUSTED),
        (chain.replace('\n', ""), UNTRUSTED),
        (String::new(), UNTRUSTED),
    ] {
        assert_eq!(code(&gate(&root, ""), &leaf.pem(), &[&value]), expected, "{value}");
    }
    // A header twice is none, as elsewhere.
    let value = element(&leaf, &chain);
    assert_eq!(code(&gate(&root, ""), &leaf.pem(), &[&value, &value]), UNTRUSTED);
    assert_eq!(code(&gate(&root, ""), &leaf.pem(), &[]), UNTRUSTED);
}

/// With more of them, each order of each of them would be tried.
#[test]
fn two_offered_issuers_of_one_subject_are_tried() {
    let Pki { root, between, leaf } = pki();
    let other = || ca("Root").below(&spec("Between")).pem();
    let same = other();
    for (offered, expected) in [
        (other() + &between.pem(), "authenticated"),
        (between.pem() + &other() + &other(), "authenticated"),
        (other() + &other() + &between.pem(), UNTRUSTED),
        (between.pem() + &between.pem() + &other(), "authenticated"),
        (same.clone() + &same + &between.pem(), "authenticated"),
    ] {
        let value = element(&leaf, &(leaf.pem() + &offered));
        assert_eq!(code(&gate(&root, ""), &leaf.pem(), &[&value]), expected);
    }
}

/// RFC 5280 §6.1.3 (a) (3): none of the path is revoked, whoever says that it is a part of it.
#[test]
fn no_path_leads_through_a_ca_that_is_revoked() {
    let Pki { root, between, leaf } = pki();
    let text = |pem: String| Json::String(pem).to_value().to_string();
    let thumbprint = |der: &[u8]| text(Thumbprint::of(der).to_string());
    let serial = |der: &[u8], issuer: &str| {
        let serial = SerialNumber::from_der(Parts::of(der).unwrap().serial_number);
        format!(r#"{{"issuer": "CN={issuer}", "serial": "{serial}"}}"#)
    };
    let offered = element(&leaf, &(leaf.pem() + &between.pem()));
    let configured = format!(r#""intermediates": [{}], "#, text(between.pem()));
    for (revoked, expected) in [
        (thumbprint(between.der()), UNTRUSTED),
        (serial(between.der(), "Root"), UNTRUSTED),
        (thumbprint(root.der()), UNTRUSTED),
        // A root is revoked by its thumbprint alone: the number may be that of a client, too.
        (serial(root.der(), "Root"), "authenticated"),
        (serial(between.der(), "Other"), "authenticated"),
        (thumbprint(b"other"), "authenticated"),
    ] {
        let revoked = format!(r#""revoked": [{revoked}], "#);
        let by_client = code(&gate_with(&root, "", &revoked), &leaf.pem(), &[&offered]);
        assert_eq!(by_client, expected, "{revoked}");
        let members = revoked.clone() + &configured;
        assert_eq!(code(&gate_with(&root, "", &members), &leaf.pem(), &[]), expected, "{revoked}");
        // The client names its anchor, which counts beside that of the configuration.
        for anchor in [r#"{"subject": "CN=Root"}"#.to_owned(), text(root.pem())] {
            let own = format!(r#""trust_anchors": [{anchor}], "client_id": "a""#);
            let text = gate_text(&root, "", &members).replace(r#""client_id": "a""#, &own);
            let gate = Gate::new(text.as_bytes()).unwrap();
            // The name of a revoked anchor is that of none.
            let is_nobody = revoked.contains(&thumbprint(root.der())) && anchor.starts_with('{');
            let expected = if is_nobody { "unknown_client" } else { expected };
            assert_eq!(code(&gate, &leaf.pem(), &[]), expected, "{revoked} {anchor}");
        }
    }
}

#[test]
fn an_offered_issuer_is_no_anchor() {
    let Pki { root, leaf, .. } = pki();
    // All that an attacker can make himself, under the names of the real ones.
    let own_root = ca("Root");
    let own_between = own_root.below(&spec("Between"));
    let forged = own_between.issue(&CertificateSpec::default());
    for chain in [
        forged.pem() + &own_between.pem() + &own_root.pem(),
        forged.pem() + &own_between.pem() + &root.pem(),
    ] {
        let value = element(&forged, &chain);
        assert_eq!(code(&gate(&root, ""), &forged.pem(), &[&value]), UNTRUSTED);
    }
    // The certificate of a client is no issuer.
    let not_a_ca = AuthoritySpec { is_ca: false, ..spec("Between") };
    let client = root.below(&not_a_ca);
    let below_client = client.issue(&CertificateSpec::default());
    let value = element(&below_client, &(below_client.pem() + &client.pem()));
    assert_eq!(code(&gate(&root, ""), &below_client.pem(), &[&value]), UNTRUSTED);
    drop(leaf);
}

#[test]
fn a_path_that_is_known_needs_no_chain_and_a_refusal_is_not_held_against_a_chain() {
    let Pki { root, between, leaf } = pki();
    let gate = gate(&root, "");
    let value = element(&leaf, &(leaf.pem() + &between.pem()));
    for (xfcc, expected) in [
        (&[][..], UNTRUSTED),
        (&["Hash=x"][..], UNTRUSTED),
        (&[value.as_str()], "authenticated"),
        // As on a session that was resumed.
        (&[], "authenticated"),
    ] {
        assert_eq!(code(&gate, &leaf.pem(), xfcc), expected, "{xfcc:?}");
    }
}

#[test]
fn a_chain_in_a_forwarded_element_counts_for_its_leaf() {
    let Pki { root, between, leaf } = pki();
    let value = element(&leaf, &(leaf.pem() + &between.pem()));
    let own = gate(&root, r#", "source": "forwarded""#);
    assert_eq!(code(&own, &leaf.pem(), &[&value]), "authenticated");
    let proxy = ca("Proxy");
    let digest = crate::certificate::Thumbprint::of(proxy.der()).to_hex();
    let proxied =
        gate(&root, &format!(r#", "source": "forwarded", "trusted_proxies": ["{digest}"]"#));
    assert_eq!(code(&proxied, &proxy.pem(), &[&element(&leaf, &leaf.pem())]), UNTRUSTED);
    assert_eq!(code(&proxied, &proxy.pem(), &[&value]), "authenticated");
    // A header of another form reports no chain.
    let der = gate(&root, r#", "source": "forwarded", "dialect": "client-cert""#);
    assert_ne!(code(&der, &leaf.pem(), &[&value]), "authenticated");
}

/// Whatever a client sends is bounded work without a panic, and a refusal.
#[test]
fn hostile_chains_are_refused() {
    let Pki { root, between, leaf } = pki();
    let hash = leaf.sha256_hex();
    let many = |count: usize| (0..count).map(|_| ca("Stranger").pem()).collect::<String>();
    // By name each of the two is below the other.
    let x = ca("Y").below(&spec("X"));
    let y = ca("X").below(&spec("Y"));
    let in_loop = x.issue(&CertificateSpec::default());
    let loop_of_ten = in_loop.pem() + &(x.pem() + &y.pem()).repeat(5);
    assert_eq!(
        code(&gate(&root, ""), &in_loop.pem(), &[&element(&in_loop, &loop_of_ten)]),
        UNTRUSTED
    );
    // The issuer is among the certificates that are read, and behind them.
    for (before, expected) in
        [(limits::OFFERED_CHAIN - 2, "authenticated"), (limits::OFFERED_CHAIN - 1, UNTRUSTED)]
    {
        let chain = leaf.pem() + &many(before) + &between.pem() + &many(2);
        let value = element(&leaf, &chain);
        assert_eq!(code(&gate(&root, ""), &leaf.pem(), &[&value]), expected, "{before}");
    }
    let good = element(&leaf, &(leaf.pem() + &between.pem()));
    let mut values = vec![
        format!("Hash={hash};Chain=\"{}\"", percent_encode(&leaf.pem().repeat(40))),
        format!("Hash={hash};Chain=\"{}\"", "%".repeat(64 << 10)),
        format!("Hash={hash};Chain=\"{}\"", "A".repeat(40 << 10)),
        format!("Hash={hash};Chain=\"{}\"", "-----END CERTIFICATE-----".repeat(1500)),
        format!("Hash={hash};Chain=\"{}\"", "-----BEGIN CERTIFICATE-----".repeat(1500)),
        format!("Hash={hash};Chain=\"\""),
        format!("Hash={hash};Chain="),
        format!("Hash={hash};Chain=\"{}", percent_encode(&leaf.pem())),
        format!("Hash={hash};Chain=\"a\";Chain=\"b\""),
        format!("[{{\"hash\": \"{hash}\", \"chain\": [1]}}]"),
        format!("[{{\"hash\": \"{hash}\", \"chain\": []}}]"),
        "[".repeat(40_000),
        "\u{fffd}".to_owned(),
        // Longer than any header with a certificate may be.
        format!("{good};X={}", "x".repeat(limits::CERTIFICATE_HEADER_OCTETS)),
        good.replace("Hash=", "Hash=0"),
        good.clone() + ",",
    ];
    for at in [good.len() / 4, good.len() / 2, good.len() * 3 / 4] {
        values.push(good[..at].to_owned());
    }
    for at in [good.len() / 2, good.len() * 3 / 4] {
        assert!(good.find("Chain").unwrap() < at);
        values.push(format!("{}!{}", &good[..at], &good[at..]));
    }
    for value in values {
        let found = code(&gate(&root, ""), &leaf.pem(), &[&value]);
        let shown: String = value.chars().take(120).collect();
        assert_eq!(found, UNTRUSTED, "{shown}");
    }
}

/// Only with CAs must the host be able to: what is revoked needs no signature.
#[test]
fn a_configuration_verifies_signatures_if_it_has_cas() {
    let root = pki().root.pem();
    let root = Json::String(root).to_value();
    let client = |anchors: &str| {
        format!(
            r#""clients": [{{"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=a"{anchors}}}]"#
        )
    };
    let revoked = format!(r#""revoked": ["{}"], "#, "00".repeat(32));
    for (members, expected) in [
        (client(""), false),
        (revoked.clone() + &client(""), false),
        (format!(r#"{revoked}"trust_anchors": [{root}], {}"#, client("")), true),
        (format!(r#""intermediates": [{root}], {}"#, client("")), true),
        (client(&format!(r#", "trust_anchors": [{root}]"#)), true),
    ] {
        let text = format!(r#"{{"endpoints": ["/token"], {members}}}"#);
        let configuration = crate::Configuration::parse(text.as_bytes()).unwrap();
        assert_eq!(configuration.verifies_signatures(), expected, "{text}");
    }
}
