//! The member `ocsp`: whom the module asks, and what each answer does to the requests that wait.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{anchored, ask, code, signatures};
use crate::calls::{answer, elapse, only_call, tick};
use crate::fixture::{CLOCK, token_request};
use crate::host::{HttpAnswer, HttpCall, Outcome, Process, StreamId, Vm};
use crate::run::{self, Delivery, REGISTRY, deliver, start_in};
use crate::support::certificate::{
    Authority, AuthoritySpec, Certificate, CertificateSpec, Issuer, authority, authority_pem,
    extension, mint,
};
use crate::support::der::{SEQUENCE, oid, tlv};
use crate::support::revocation::{Ocsp, OcspStatus, ocsp_error};

fn started(on_unavailable: &str) -> Vm {
    let ocsp = json!({
        "cluster": REGISTRY, "hosts": ["ocsp.test"], "timeout": "3s", "max_age": "10m",
        "on_unavailable": on_unavailable,
    });
    let configuration = anchored(&[authority_pem()], json!({ "ocsp": ocsp }));
    start_in(&Process::new(), configuration.as_bytes(), CLOCK)
}

/// A certificate that names this responder.
fn certificate(uri: &str) -> Certificate {
    let ocsp = Some(uri.to_owned());
    mint(&CertificateSpec { ocsp, ..CertificateSpec::default() }).expect("it is well-formed")
}

fn own() -> Certificate {
    certificate("http://ocsp.test/a/")
}

fn begin(vm: &mut Vm, certificate: &Certificate) -> StreamId {
    let connection = run::connection_of(Some(certificate), None);
    deliver(vm, connection, &token_request("client"), Delivery::WholeBody).expect("no fault")
}

/// Sends a request for which the responder is asked.
#[track_caller]
fn question(vm: &mut Vm, certificate: &Certificate) -> (StreamId, HttpCall) {
    let id = begin(vm, certificate);
    assert_eq!(vm.waiting(), [id]);
    tick(vm);
    (id, only_call(vm))
}

/// The question in DER.
fn asked(call: &HttpCall) -> Vec<u8> {
    let path = call.path();
    let text = path.strip_prefix("/a/").expect("below the URI of the certificate");
    assert!(!text.contains(['/', '+', '=']), "{text}");
    let base64 = percent_decode_str(text).decode_utf8().expect("ASCII");
    STANDARD.decode(&*base64).expect("base64")
}

fn close(vm: &mut Vm, id: StreamId) -> Outcome {
    vm.close(id).expect("no fault")
}

/// What was logged of requests that waited.
fn detail(vm: &mut Vm) -> String {
    vm.root_account().logs.iter().map(|log| log.message.clone()).collect()
}

/// The outcome of a request whose responder gives this answer to the question.
#[track_caller]
fn answered(
    vm: &mut Vm,
    certificate: &Certificate,
    give: impl FnOnce(&[u8]) -> HttpAnswer,
) -> Outcome {
    let (id, call) = question(vm, certificate);
    vm.answer(call.token, give(&asked(&call))).expect("no fault");
    close(vm, id)
}

#[test]
fn a_responder_is_asked_once_while_its_answer_counts() {
    let (mut vm, own) = (started("reject"), own());
    let (id, call) = question(&mut vm, &own);
    let other = begin(&mut vm, &own);
    tick(&mut vm);
    assert_eq!(vm.calls().len(), 1, "one question at a time for a certificate");
    assert_eq!((call.cluster.as_str(), call.timeout_ms, call.made_for), (REGISTRY, 3000, None));
    for (name, value) in [(":method", "GET"), (":scheme", "http"), (":authority", "ocsp.test")] {
        assert_eq!(call.header(name), [value.as_bytes()], "{name}");
    }
    let good = Ocsp::default().answer(&asked(&call));
    vm.answer(call.token, answer(200, &[], good)).expect("no fault");
    for id in [id, other] {
        assert_eq!(code(&close(&mut vm, id)), "authenticated");
    }
    let outcome = ask(&mut vm, &own, None);
    assert_eq!((code(&outcome).as_str(), signatures(&outcome)), ("authenticated", 0));
    // Until max_age.
    elapse(&mut vm, Duration::from_secs(590));
    assert_eq!(code(&ask(&mut vm, &own, None)), "authenticated");
    elapse(&mut vm, Duration::from_secs(11));
    let revoked = Ocsp { status: OcspStatus::Revoked, ..Ocsp::default() };
    let outcome = answered(&mut vm, &own, |question| answer(200, &[], revoked.answer(question)));
    assert_eq!(code(&outcome), "certificate_revoked");
    assert_eq!(code(&ask(&mut vm, &own, None)), "certificate_revoked", "it is held too");
    // Another certificate is asked about on its own.
    let outcome = answered(&mut vm, &super::ocsp::own(), |question| {
        answer(200, &[], Ocsp::default().answer(question))
    });
    assert_eq!(code(&outcome), "authenticated");
}

/// A responder that the CA authorized, or that only says so.
fn responder(usages: &[&str], issuer: Issuer) -> Authority {
    let usages: Vec<_> = usages.iter().map(|usage| oid(usage).expect("a known OID")).collect();
    let usage = extension("2.5.29.37", false, &tlv(SEQUENCE, &usages)).expect("a known OID");
    authority(issuer).below(&AuthoritySpec {
        common_name: "Responder",
        is_ca: false,
        extensions: vec![usage],
        ..AuthoritySpec::default()
    })
}

const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

#[test]
fn a_delegated_responder_needs_its_key_usage() {
    for (usages, issuer, expected) in [
        (&[OCSP_SIGNING][..], Issuer::Ca, None),
        (&[CLIENT_AUTH, OCSP_SIGNING], Issuer::Ca, None),
        (&[CLIENT_AUTH], Issuer::Ca, Some("its certificate lacks id-kp-OCSPSigning")),
        // Of the other CA with the same name.
        (&[OCSP_SIGNING], Issuer::Untrusted, Some("")),
    ] {
        let delegate = responder(usages, issuer);
        let mut vm = started("reject");
        let outcome = answered(&mut vm, &own(), |question| {
            let certificates = vec![delegate.der().to_vec()];
            let ocsp = Ocsp { signer: &delegate, certificates, ..Ocsp::default() };
            answer(200, &[], ocsp.answer(question))
        });
        let code_expected = if expected.is_some() { "revocation_unknown" } else { "authenticated" };
        let detail = detail(&mut vm);
        assert_eq!(code(&outcome), code_expected, "{usages:?} {issuer:?}: {detail}");
        assert!(detail.contains(expected.unwrap_or_default()), "{detail}");
    }
}

type Give = Box<dyn Fn(&[u8]) -> HttpAnswer>;

/// What says nothing about the certificate, and the detail of the refusal.
fn unusable() -> Vec<(Give, &'static str)> {
    fn signed(ocsp: Ocsp<'static>) -> Give {
        Box::new(move |question| answer(200, &[], ocsp.answer(question)))
    }
    fn constant(status: u16, body: Vec<u8>) -> Give {
        Box::new(move |_| answer(status, &[], &body))
    }
    let mut gives = vec![
        (signed(Ocsp { status: OcspStatus::Unknown, ..Ocsp::default() }), "(unknown)"),
        (constant(200, ocsp_error(3)), "tryLater"),
        (constant(200, ocsp_error(6)), "unauthorized"),
        (constant(200, ocsp_error(1)), "malformedRequest"),
        (
            signed(Ocsp { next_update: Some("20260531235959Z"), ..Ocsp::default() }),
            "a stale answer",
        ),
        // Without nextUpdate it counts for max_age.
        (signed(Ocsp { next_update: None, ..Ocsp::default() }), "a stale answer"),
        (signed(Ocsp { this_update: "20260601001000Z", ..Ocsp::default() }), "of the future"),
        (signed(Ocsp { signer: authority(Issuer::Untrusted), ..Ocsp::default() }), "signature"),
        (constant(200, b"<html></html>".to_vec()), "not the DER of an OCSP answer"),
        (constant(200, Vec::new()), "not the DER of an OCSP answer"),
        (constant(503, ocsp_error(3)), "status 503"),
        (constant(200, vec![0x30; 70_000]), ""),
    ];
    let another_serial: Give = Box::new(|question| {
        let mut other = question.to_vec();
        *other.last_mut().expect("a serial number") ^= 1;
        answer(200, &[], Ocsp::default().answer(&other))
    });
    gives.push((another_serial, "another certificate"));
    let cut: Give = Box::new(|question| {
        let whole = Ocsp::default().answer(question);
        answer(200, &[], &whole[..whole.len() - 1])
    });
    gives.push((cut, "not the DER of an OCSP answer"));
    let forged: Give = Box::new(|question| {
        let mut forged = Ocsp::default().answer(question);
        *forged.last_mut().expect("a signature") ^= 1;
        answer(200, &[], forged)
    });
    gives.push((forged, "signature"));
    gives
}

#[test]
fn what_says_nothing_about_the_certificate_is_as_no_answer() {
    for (on_unavailable, expected) in [("reject", "revocation_unknown"), ("allow", "authenticated")]
    {
        for (give, reason) in unusable() {
            let mut vm = started(on_unavailable);
            let outcome = answered(&mut vm, &own(), give);
            let detail = detail(&mut vm);
            assert_eq!(code(&outcome), expected, "{reason}: {detail}");
            if expected == "revocation_unknown" {
                assert!(detail.contains(reason), "{reason}: {detail}");
            }
            tick(&mut vm);
            assert_eq!(vm.metric("tls_client_auth.ocsp_failed"), Some(1), "{reason}");
        }
        // No answer at all, and no cluster.
        let mut vm = started(on_unavailable);
        let (id, call) = question(&mut vm, &own());
        vm.fail(call.token).expect("no fault");
        assert_eq!(code(&close(&mut vm, id)), expected);
        let mut vm = started(on_unavailable);
        vm.set_clusters(&[]);
        let id = begin(&mut vm, &own());
        tick(&mut vm);
        assert_eq!(code(&close(&mut vm, id)), expected);
        // No responder that may be asked.
        for uri in ["http://elsewhere.test/", "ldap://ocsp.test/", "http://ocsp.test@elsewhere/"] {
            let outcome = ask(&mut vm, &certificate(uri), None);
            assert_eq!(code(&outcome), expected, "{uri}");
        }
        assert!(vm.calls().is_empty());
    }
}

/// An answer that could not be used is asked for again, not held for ever.
#[test]
fn a_responder_that_recovers_is_asked_again() {
    let (mut vm, own) = (started("reject"), own());
    let outcome = answered(&mut vm, &own, |_| answer(200, &[], ocsp_error(3)));
    assert_eq!(code(&outcome), "revocation_unknown");
    elapse(&mut vm, Duration::from_secs(60));
    let outcome =
        answered(&mut vm, &own, |question| answer(200, &[], Ocsp::default().answer(question)));
    assert_eq!(code(&outcome), "authenticated");
}

/// The request went while its responder was asked.
#[test]
fn an_answer_counts_without_the_request_that_caused_it() {
    let (mut vm, own) = (started("reject"), own());
    let (id, call) = question(&mut vm, &own);
    close(&mut vm, id);
    vm.answer(call.token, answer(200, &[], Ocsp::default().answer(&asked(&call))))
        .expect("no fault");
    assert_eq!(code(&ask(&mut vm, &own, None)), "authenticated");
}
