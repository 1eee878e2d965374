//! Trust beyond the handshake (contract §9) in the shipped module: anchors, and who computes
//! signatures. `src/trust` has the tests of paths.

mod crl;
mod ocsp;
mod revoked;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fixture::{CLOCK, token_request};
use crate::host::stream::Status;
use crate::host::{Foreign, Module, Outcome, Process, StartError, Verdict, Vm};
use crate::run::{self, Delivery, code, send, start, status};
use crate::support::case::NOW;
use crate::support::certificate::{
    Authority, AuthoritySpec, Certificate, CertificateSpec, Issuer, authority, authority_pem, mint,
    percent_encode,
};
use crate::support::der::to_hex;
use crate::support::moment::Moment;

const VERIFY: &str = "proxy_call_foreign_function";
const UNTRUSTED: &str = "certificate_untrusted_issuer";

/// One `tls_client_auth` client, `client`, with these members.
fn client(members: Value) -> Value {
    let mut client = json!({
        "client_id": "client",
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=client",
    });
    add(&mut client, members);
    client
}

fn add(to: &mut Value, members: Value) {
    let Value::Object(members) = members else { panic!("members are an object") };
    to.as_object_mut().expect("an object").extend(members);
}

/// A configuration of this client under which the anchors vouch.
fn anchored(anchors: &[String], members: Value) -> String {
    let mut configuration = json!({
        "endpoints": ["/token"],
        "peer_certificate": {"chain": "anchors"},
        "trust_anchors": anchors,
        "clients": [client(json!({}))],
    });
    add(&mut configuration, members);
    configuration.to_string()
}

/// A request with this certificate, whose chain Envoy says is `chain_valid`.
fn ask(vm: &mut Vm, certificate: &Certificate, chain_valid: Option<bool>) -> Outcome {
    let connection = run::connection_of(Some(certificate), chain_valid);
    send(vm, connection, &token_request("client"), Delivery::WholeBody).expect("no fault")
}

/// How many signatures the host verified for this request.
fn signatures(outcome: &Outcome) -> u32 {
    outcome.account.host_calls.get(VERIFY).copied().unwrap_or_default()
}

fn detail(outcome: &Outcome) -> String {
    outcome.account.logs.iter().map(|log| log.message.clone()).collect()
}

fn leaf(issuer: Issuer) -> Certificate {
    mint(&CertificateSpec { issuer, ..CertificateSpec::default() }).expect("it is well-formed")
}

#[test]
fn anchors_vouch_whatever_the_host_says_of_the_chain() {
    let mut vm = start(anchored(&[authority_pem()], json!({})).as_bytes(), CLOCK);
    for chain_valid in [Some(false), None, Some(true)] {
        let outcome = ask(&mut vm, &leaf(Issuer::Ca), chain_valid);
        assert_eq!((code(&outcome).as_str(), signatures(&outcome)), ("authenticated", 1));
        // The other CA has the same name, and the certificate the same subject.
        let outcome = ask(&mut vm, &leaf(Issuer::Untrusted), chain_valid);
        assert_eq!((code(&outcome).as_str(), status(&outcome)), (UNTRUSTED, Some(401)));
        let detail = detail(&outcome);
        assert!(detail.contains("the signature is not by the issuer's key"), "{detail}");
    }
    let Verdict::Replied(reply) = ask(&mut vm, &leaf(Issuer::Untrusted), None).verdict else {
        panic!("it is refused")
    };
    assert!(String::from_utf8_lossy(&reply.body).contains(r#""error":"invalid_client""#));
}

#[test]
fn anchors_of_a_client_stop_the_other_cas_that_the_listener_trusts() {
    let by_pem = json!({"trust_anchors": [authority_pem()]});
    let of_subject = json!({"trust_anchors": [{"subject": "cn=CLIENTS  ca"}]});
    let another = authority(Issuer::Untrusted).pem();
    for (members, anchors) in
        [(json!({}), vec![]), (by_pem, vec![]), (of_subject, vec![authority_pem()])]
    {
        let has_anchors = members != json!({});
        let mut configuration = json!({"endpoints": ["/token"], "clients": [client(members)]});
        if !anchors.is_empty() {
            configuration["trust_anchors"] = json!(anchors);
        }
        let mut vm = start(configuration.to_string().as_bytes(), CLOCK);
        assert_eq!(code(&ask(&mut vm, &leaf(Issuer::Ca), Some(true))), "authenticated");
        let outcome = ask(&mut vm, &leaf(Issuer::Untrusted), Some(true));
        let expected = if has_anchors { UNTRUSTED } else { "authenticated" };
        assert_eq!(code(&outcome), expected, "{configuration}");
        // The handshake counts as well.
        let unverified = ask(&mut vm, &leaf(Issuer::Ca), Some(false));
        assert_eq!(code(&unverified), "certificate_unverified");
    }
    // Two anchors of this subject with different keys: it is not known which one is meant.
    let configuration = json!({
        "endpoints": ["/token"], "trust_anchors": [authority_pem(), another],
        "clients": [client(json!({"trust_anchors": [{"subject": "CN=Clients CA"}]}))],
    });
    let refused = run::try_start(configuration.to_string().as_bytes(), CLOCK);
    let Err(StartError::Refused(logs)) = refused else { panic!("it is refused") };
    assert!(logs.iter().any(|log| log.message.contains("different keys")), "{logs:?}");
}

#[test]
fn an_anchor_that_is_not_valid_is_logged_and_is_none() {
    let root = |common_name, not_after| {
        let spec = AuthoritySpec { common_name, not_after, ..AuthoritySpec::default() };
        Authority::root(&spec)
    };
    let (old, good) = (root("Old", Moment(NOW.0 - 1)), root("Good", Moment(NOW.0)));
    let anchors = [old.pem(), good.pem()];
    // The tenant has the anchors of the top level.
    let tenants = json!([{"hosts": ["a.test"], "endpoints": ["/x"]}]);
    let configuration = anchored(&anchors, json!({"tenants": tenants}));
    let mut vm = start(configuration.as_bytes(), CLOCK);
    let logged = &vm.root_account().logs;
    let found: Vec<&String> = logged
        .iter()
        .map(|log| &log.message)
        .filter(|message| message.contains("counts for nothing now"))
        .collect();
    assert_eq!(found.len(), 1, "{logged:?}");
    let text = "tls_client_auth trust_anchors: CN=Old is valid from 2020-01-01T00:00:00Z to ";
    assert!(found[0].starts_with(text), "{found:?}");
    for (authority, expected) in [(&old, UNTRUSTED), (&good, "authenticated")] {
        let outcome = ask(&mut vm, &authority.issue(&CertificateSpec::default()), None);
        assert_eq!(code(&outcome), expected);
    }
}

#[test]
fn a_verdict_is_remembered_until_an_issuer_expires() {
    const DAY: i64 = 86_400;
    let root = Authority::root(&AuthoritySpec::default());
    let between = root.below(&AuthoritySpec {
        common_name: "Issuing CA",
        not_after: Moment(NOW.0 + DAY),
        ..AuthoritySpec::default()
    });
    let configuration = anchored(&[root.pem()], json!({"intermediates": [between.pem()]}));
    let mut vm = start(configuration.as_bytes(), CLOCK);
    let own = between.issue(&CertificateSpec::default());
    // Another certificate with the same subject and key: each is verified once.
    let second = between.issue(&CertificateSpec::default());
    let stranger = leaf(Issuer::Untrusted);
    for (certificate, expected, computed) in [
        (&own, "authenticated", 2),
        (&own, "authenticated", 0),
        (&second, "authenticated", 2),
        (&own, "authenticated", 0),
        (&stranger, UNTRUSTED, 1),
        (&stranger, UNTRUSTED, 0),
    ] {
        let outcome = ask(&mut vm, certificate, None);
        assert_eq!((code(&outcome).as_str(), signatures(&outcome)), (expected, computed));
    }
    let at = |vm: &mut Vm, seconds: i64| {
        vm.set_clock((NOW.0 + seconds) as u64 * 1_000_000_000);
        let outcome = ask(vm, &own, None);
        (code(&outcome), signatures(&outcome), detail(&outcome))
    };
    // RFC 5280 §4.1.2.5: the last second belongs to the validity period.
    assert_eq!(at(&mut vm, DAY).1, 0);
    let (code, _, detail) = at(&mut vm, DAY + 1);
    assert_eq!(code, UNTRUSTED, "{detail}");
    assert!(detail.contains("not valid at this time"), "{detail}");
    // Before the time at which it was verified, it is verified again.
    assert_eq!(at(&mut vm, -1).1, 2);

    // New anchors, in the same VM.
    let elsewhere = anchored(&[authority_pem()], json!({"intermediates": [between.pem()]}));
    vm.set_clock(CLOCK);
    vm.reconfigure(elsewhere.as_bytes()).expect("it is accepted");
    assert_eq!(self::code(&ask(&mut vm, &own, None)), UNTRUSTED);
}

#[test]
fn every_algorithm_counts_in_the_module() {
    // The certificates of src/trust/tests, which are valid from 2026-11-29.
    const CLOCK_OF_THE_FILES: u64 = 1_798_761_600 * 1_000_000_000;
    let file = |name: &str| {
        let path = crate::support::repository().join(format!("src/trust/tests/{name}.pem"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let presented = |name: &str| {
        let base64: String = file(name).lines().filter(|line| !line.starts_with('-')).collect();
        let der_hex = Some(to_hex(&STANDARD.decode(base64).expect("base64")));
        mint(&CertificateSpec { der_hex, ..CertificateSpec::default() }).expect("DER")
    };
    for (name, by_host) in [
        ("rsa256", 1),
        ("rsa384", 1),
        ("rsa512", 1),
        ("pss256", 0),
        ("pss384", 0),
        ("pss512", 0),
        ("p256", 1),
        ("p384", 1),
        ("p521", 1),
        ("ed25519", 0),
    ] {
        let mut vm = start(
            anchored(&[file(&format!("{name}.ca"))], json!({})).as_bytes(),
            CLOCK_OF_THE_FILES,
        );
        let mut decide = |name: &str| ask(&mut vm, &presented(name), Some(false));
        let outcome = decide(name);
        assert_eq!(code(&outcome), "authenticated", "{name}: {}", detail(&outcome));
        assert_eq!(signatures(&outcome), by_host, "{name}");
        // All these CAs have one name; those of one kind of RSA have one key.
        for other in ["rsa256", "pss256", "p256", "ed25519"] {
            if other[..3] != name[..3] {
                assert_eq!(code(&decide(other)), UNTRUSTED, "{other} under {name}");
            }
        }
    }
}

/// Every way in which a host fails to verify, at start and later.
#[test]
fn without_the_function_of_the_host_nothing_is_trusted() {
    let broken = [
        Foreign::Missing,
        Foreign::Fails(Status::BadArgument),
        Foreign::Fails(Status::InternalFailure),
        Foreign::Answers(Vec::new()),
        Foreign::Answers(vec![0x08, 0x00]),
        Foreign::Answers(vec![0x08]),
        Foreign::Answers(b"true".to_vec()),
        Foreign::Answers(vec![0xff; 70_000]),
        Foreign::Answers(b"\x12\x05error".to_vec()),
    ];
    let configuration = anchored(&[authority_pem()], json!({}));
    let of_client = json!({
        "endpoints": ["/token"],
        "clients": [client(json!({"trust_anchors": [authority_pem()]}))],
    });
    let without = json!({"endpoints": ["/token"], "clients": [client(json!({}))]});
    let try_start = |foreign: &Foreign, configuration: &str| {
        Vm::start_with(
            foreign.clone(),
            &Process::new(),
            Module::shipped(),
            configuration.as_bytes(),
            CLOCK,
        )
    };
    for foreign in &broken {
        for needing in [&configuration, &of_client.to_string()] {
            let Err(StartError::Refused(logs)) = try_start(foreign, needing) else {
                panic!("{foreign:?}: it is refused")
            };
            let reason = "this host has no foreign function verify_signature";
            assert!(logs.iter().any(|log| log.message.contains(reason)), "{foreign:?}: {logs:?}");
        }
        // What needs no signature works on such a host.
        let mut vm = try_start(foreign, &without.to_string()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(code(&ask(&mut vm, &leaf(Issuer::Ca), Some(true))), "authenticated");

        // A host that fails later.
        let mut vm = start(configuration.as_bytes(), CLOCK);
        vm.set_foreign(foreign.clone());
        let own = leaf(Issuer::Ca);
        assert_eq!(code(&ask(&mut vm, &own, Some(true))), UNTRUSTED, "{foreign:?}");
        vm.set_foreign(Foreign::AsEnvoy);
        // No answer is no verdict, and nothing that is remembered.
        if matches!(foreign, Foreign::Missing | Foreign::Fails(_)) {
            assert_eq!(code(&ask(&mut vm, &own, Some(true))), "authenticated", "{foreign:?}");
        }
    }
}

/// `forward.certificate_for`: whom the anchors do not vouch for is not told of as verified.
#[test]
fn a_stranger_is_not_told_of_as_verified() {
    let configuration = anchored(
        &[authority_pem()],
        json!({
            "unregistered_clients": "pass",
            "forward": {
                "certificate": ["client-cert"], "thumbprint": "x-thumb",
                "certificate_for": "every_request",
            },
        }),
    );
    let mut vm = start(configuration.as_bytes(), CLOCK);
    let request = crate::support::case::Request::form("/token", "client_id=other");
    for (issuer, is_told) in [(Issuer::Ca, true), (Issuer::Untrusted, false)] {
        for path in ["/token", "/elsewhere"] {
            let certificate = leaf(issuer);
            // Envoy's own word on the chain does not count where the anchors vouch.
            let connection = run::connection_of(Some(&certificate), Some(!is_told));
            let request = crate::support::case::Request { path: path.into(), ..request.clone() };
            let outcome =
                send(&mut vm, connection, &request, Delivery::WholeBody).expect("no fault");
            let Verdict::Forwarded(forwarded) = &outcome.verdict else { panic!("it passes") };
            let written = forwarded.header("client-cert").len();
            assert_eq!(written, usize::from(is_told), "{issuer:?} {path}");
            // Who holds the key is said of everybody.
            assert_eq!(forwarded.header("x-thumb").len(), 1, "{issuer:?} {path}");
        }
    }
}

/// `intermediates` beside those that the client sent: the listener reports the chain in
/// `x-forwarded-client-cert`.
#[test]
fn the_chain_that_the_client_sent_joins_the_path() {
    let root = Authority::root(&AuthoritySpec::default());
    let between =
        root.below(&AuthoritySpec { common_name: "Issuing CA", ..AuthoritySpec::default() });
    let own = between.issue(&CertificateSpec::default());
    let mut vm = start(anchored(&[root.pem()], json!({})).as_bytes(), CLOCK);
    let mut ask = |certificate: &Certificate, xfcc: Option<&str>| {
        let mut request = token_request("client");
        let field = xfcc.map(|value| ("x-forwarded-client-cert".into(), value.into()));
        request.headers.extend(field);
        let connection = run::connection_of(Some(certificate), Some(false));
        let outcome = send(&mut vm, connection, &request, Delivery::WholeBody).expect("no fault");
        (code(&outcome), signatures(&outcome))
    };
    let element = |certificate: &Certificate, chain: &str| {
        let (hash, cert) = (certificate.sha256_hex(), certificate.percent_encoded_pem());
        format!("Hash={hash};Cert=\"{cert}\";Chain=\"{}\"", percent_encode(chain))
    };
    let chain = own.pem() + &between.pem();
    let (good, untrusted) = (("authenticated".to_owned(), 2), UNTRUSTED.to_owned());
    assert_eq!(ask(&own, None), (untrusted.clone(), 0));
    assert_eq!(ask(&own, Some(&element(&own, &own.pem()))), (untrusted.clone(), 0));
    assert_eq!(ask(&own, Some(&element(&own, &chain))), good);
    // The path is known from now on, with the header and without it.
    assert_eq!(ask(&own, Some(&element(&own, &chain))), ("authenticated".into(), 0));
    assert_eq!(ask(&own, None), ("authenticated".into(), 0));

    let strangers: String = (0..10)
        .map(|_| {
            let spec = AuthoritySpec { common_name: "Issuing CA", ..AuthoritySpec::default() };
            Authority::root(&spec).pem()
        })
        .collect();
    let second = between.issue(&CertificateSpec::default());
    for hostile in [
        // An issuer of this name is tried, and does not lead to the anchor.
        element(&second, &(second.pem() + &strangers)),
        element(&second, &(own.pem() + &between.pem())),
        element(&own, &chain),
        format!("Hash={};Chain=\"{}\"", second.sha256_hex(), "%41".repeat(20 << 10)),
        format!("Hash={};Chain=\"{}", second.sha256_hex(), "A".repeat(64 << 10)),
        "[".repeat(30_000),
        format!("Hash={};Chain=\"%\"", second.sha256_hex()),
    ] {
        let (code, signatures) = ask(&second, Some(&hostile));
        assert_eq!(code, UNTRUSTED, "{}", &hostile[..100.min(hostile.len())]);
        assert!(signatures <= 16, "{signatures}");
    }
}
