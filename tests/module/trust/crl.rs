//! The member `crl`: what the module fetches, and what each answer does to requests.

use std::time::Duration;

use serde_json::{Value, json};

use super::{anchored, ask, code, detail, leaf, signatures};
use crate::calls::{answer, elapse, tick_until_call};
use crate::fixture::CLOCK;
use crate::host::{HttpAnswer, Process, Vm};
use crate::run::{REGISTRY, start_in};
use crate::support::certificate::{
    Authority, AuthoritySpec, Certificate, Issuer, authority, authority_pem, extension, pem,
};
use crate::support::der::{self, SEQUENCE, context, integer, tlv};
use crate::support::revocation::Crl;

/// A configuration with this list, whose anchors are the CA of the clients and one of another name.
fn configuration(on_unavailable: &str) -> String {
    let crl = json!([{
        "cluster": REGISTRY, "authority": "crl.test", "path": "/ca.crl", "refresh": "10s",
        "timeout": "3s", "on_unavailable": on_unavailable,
    }]);
    anchored(&[authority_pem(), other().pem()], json!({ "crl": crl }))
}

/// A CA of another name.
fn other() -> &'static Authority {
    static OTHER: std::sync::OnceLock<Authority> = std::sync::OnceLock::new();
    OTHER.get_or_init(|| {
        Authority::root(&AuthoritySpec { common_name: "Other CA", ..AuthoritySpec::default() })
    })
}

fn started(on_unavailable: &str) -> Vm {
    start_in(&Process::new(), configuration(on_unavailable).as_bytes(), CLOCK)
}

/// Answers the next fetch, and ticks until the list is read.
#[track_caller]
fn give(vm: &mut Vm, answer: HttpAnswer) {
    let call = tick_until_call(vm);
    vm.answer(call.token, answer).expect("no fault");
    elapse(vm, Duration::from_millis(100));
}

#[track_caller]
fn give_list(vm: &mut Vm, list: impl AsRef<[u8]>) {
    give(vm, answer(200, &[], list));
}

#[track_caller]
fn assert_code(vm: &mut Vm, certificate: &Certificate, expected: &str) {
    let outcome = ask(vm, certificate, None);
    assert_eq!(code(&outcome), expected, "{}", detail(&outcome));
}

fn logged(vm: &mut Vm, text: &str) -> bool {
    vm.root_account().logs.iter().any(|log| log.message.contains(text))
}

#[test]
fn one_vm_fetches_a_list_and_all_refuse_what_it_revokes() {
    let process = Process::new();
    let mut vms: Vec<Vm> =
        (0..3).map(|n| start_in(&process, configuration("reject").as_bytes(), CLOCK + n)).collect();
    let (good, bad) = (leaf(Issuer::Ca), leaf(Issuer::Ca));
    for vm in &mut vms {
        assert_code(vm, &good, "revocation_unknown");
    }
    let holder = (0..1000)
        .find_map(|_| {
            vms.iter_mut().for_each(crate::calls::tick);
            vms.iter().position(|vm| !vm.calls().is_empty())
        })
        .expect("one VM asks");
    let call = crate::calls::only_call(&vms[holder]);
    assert_eq!(vms.iter().map(|vm| vm.calls().len()).sum::<usize>(), 1);
    assert_eq!((call.cluster.as_str(), call.timeout_ms), (REGISTRY, 3000));
    assert_eq!(
        (call.header(":authority"), call.path()),
        (vec![&b"crl.test"[..]], "/ca.crl".into())
    );
    let serials = vec![bad.serial_hex().expect("a serial number")];
    let list = Crl { serials, ..Crl::default() }.der();
    vms[holder].answer(call.token, answer(200, &[], list)).expect("no fault");
    for _ in 0..100 {
        vms.iter_mut().for_each(crate::calls::tick);
    }
    for vm in &mut vms {
        assert_code(vm, &good, "authenticated");
        assert_code(vm, &bad, "certificate_revoked");
        // Once the issuer and the path are known, nothing is verified.
        assert_eq!(signatures(&ask(vm, &good, None)), 0);
        assert_eq!(vm.metric("tls_client_auth.crl_entries"), Some(1));
    }
}

/// An answer that is no usable list, and the reason in the log.
fn unusable() -> Vec<(HttpAnswer, &'static str)> {
    let list = |crl: Crl<'_>| answer(200, &[], crl.der());
    let known = |id, is_critical, value: &[u8]| {
        vec![extension(id, is_critical, value).expect("a known OID")]
    };
    let with = |extensions| list(Crl { extensions, ..Crl::default() });
    let good = Crl::default().der();
    let mut forged = good.clone();
    *forged.last_mut().expect("a signature") ^= 1;
    let indirect = tlv(SEQUENCE, &[tlv(context(4), &[[0xff]])]);
    vec![
        (list(Crl { issuer: authority(Issuer::Untrusted), ..Crl::default() }), "the signature"),
        (
            list(Crl {
                issuer: &Authority::root(&AuthoritySpec {
                    common_name: "Nobody",
                    ..AuthoritySpec::default()
                }),
                ..Crl::default()
            }),
            "its issuer is none of the trust_anchors and intermediates",
        ),
        (answer(200, &[], forged), "the signature is not by the issuer's key"),
        (list(Crl { next_update: Some("20260531235959Z"), ..Crl::default() }), "too old"),
        (list(Crl { next_update: None, ..Crl::default() }), "no nextUpdate"),
        (list(Crl { this_update: "20260601001000Z", ..Crl::default() }), "of the future"),
        (list(Crl { is_version_2: false, ..Crl::default() }), "a CRL of version 1"),
        (with(known("2.5.29.27", true, &integer(1))), "a delta CRL"),
        (with(known("2.5.29.28", true, &indirect)), "an indirect CRL"),
        (with(known("1.2.3.4", true, &integer(1))), "an unknown critical extension, 1.2.3.4"),
        (answer(200, &[], "<html><body>Not here</body></html>"), "not the DER of a CRL"),
        (answer(200, &[], &good[..good.len() - 1]), "not the DER of a CRL"),
        (answer(200, &[], &good[..good.len() / 2]), "not the DER of a CRL"),
        (answer(200, &[], ""), "not the DER of a CRL"),
        (answer(200, &[], "-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----\n"), "not base64"),
        (answer(404, &[], &good), "status 404"),
        (answer(302, &[("location", "/other")], &good), "status 302"),
    ]
}

#[test]
fn an_answer_that_is_no_list_is_refused_with_its_reason() {
    let own = leaf(Issuer::Ca);
    let serial = own.serial_hex().expect("a serial number");
    for (answer, reason) in unusable() {
        for (on_unavailable, expected) in
            [("reject", "revocation_unknown"), ("allow", "authenticated")]
        {
            // As the first one.
            let mut vm = started(on_unavailable);
            give(&mut vm, answer.clone());
            assert_code(&mut vm, &own, expected);
            let logs = vm.root_account().logs.clone();
            assert!(logged(&mut vm, reason), "{reason}: {logs:?}");
            // After a good one, which stays in force.
            let mut vm = started(on_unavailable);
            give_list(&mut vm, Crl { serials: vec![serial.clone()], ..Crl::default() }.der());
            assert_code(&mut vm, &own, "certificate_revoked");
            give(&mut vm, answer.clone());
            assert!(logged(&mut vm, reason), "{reason}");
            assert_code(&mut vm, &own, "certificate_revoked");
            assert_eq!(vm.metric("tls_client_auth.crl_refresh_failed"), Some(1), "{reason}");
        }
    }
}

#[test]
fn a_list_never_goes_backwards_and_may_take_back() {
    let (mut vm, own) = (started("reject"), leaf(Issuer::Ca));
    let revoking = |number| Crl {
        number: Some(number),
        serials: vec![own.serial_hex().expect("a serial number")],
        ..Crl::default()
    };
    let empty = |number| Crl { number: Some(number), ..Crl::default() };
    for (list, expected) in [
        (revoking(9), "certificate_revoked"),
        // An attacker on the way plays an old list.
        (empty(8), "certificate_revoked"),
        (Crl { this_update: "20251231000000Z", ..empty(9) }, "certificate_revoked"),
        // More octets than the number before.
        (empty(300), "authenticated"),
        (revoking(299), "authenticated"),
        (revoking(301), "certificate_revoked"),
    ] {
        give_list(&mut vm, list.der());
        assert_code(&mut vm, &own, expected);
    }
    assert!(logged(&mut vm, "older than the one in force, which stays"));
}

/// Time passes, and no further list comes.
#[test]
fn a_list_counts_until_its_next_update_and_revokes_after_it() {
    for (on_unavailable, later) in [("reject", "revocation_unknown"), ("allow", "authenticated")] {
        let mut vm = started(on_unavailable);
        let (good, bad) = (leaf(Issuer::Ca), leaf(Issuer::Ca));
        let list = Crl {
            serials: vec![bad.serial_hex().expect("a serial number")],
            next_update: Some("20260601010000Z"),
            ..Crl::default()
        };
        give(&mut vm, answer(200, &[], pem("X509 CRL", &list.der())));
        let call = tick_until_call(&mut vm);
        vm.fail(call.token).expect("no fault");
        assert_code(&mut vm, &good, "authenticated");
        vm.set_clock(CLOCK + 3_601 * 1_000_000_000);
        assert_code(&mut vm, &good, later);
        assert_code(&mut vm, &bad, "certificate_revoked");
    }
}

#[test]
fn a_list_of_another_issuer_says_nothing() {
    for (on_unavailable, expected) in [("reject", "revocation_unknown"), ("allow", "authenticated")]
    {
        let (mut vm, own) = (started(on_unavailable), leaf(Issuer::Ca));
        let serials = vec![own.serial_hex().expect("a serial number")];
        give_list(&mut vm, Crl { issuer: other(), serials, ..Crl::default() }.der());
        let outcome = ask(&mut vm, &own, None);
        assert_eq!(code(&outcome), expected);
        let says = detail(&outcome).contains("is of another issuer");
        assert_eq!(says, expected == "revocation_unknown", "{}", detail(&outcome));
    }
}

/// Beside the list of each issuer, that of the other says nothing.
#[test]
fn every_issuer_has_its_list() {
    let entry = |path: &str| json!({"cluster": REGISTRY, "authority": "crl.test", "path": path, "refresh": "10m"});
    let crl: Value = json!([entry("/a"), entry("/b")]);
    let configuration = anchored(&[authority_pem(), other().pem()], json!({ "crl": crl }));
    let mut vm = start_in(&Process::new(), configuration.as_bytes(), CLOCK);
    let own = leaf(Issuer::Ca);
    let of_other = other().issue(&crate::support::certificate::CertificateSpec::default());
    for _ in 0..2 {
        let call = tick_until_call(&mut vm);
        let list = match call.path().as_str() {
            "/a" => Crl::default().der(),
            _ => {
                let serials = vec![of_other.serial_hex().expect("a serial number")];
                Crl { issuer: other(), serials, ..Crl::default() }.der()
            }
        };
        vm.answer(call.token, answer(200, &[], list)).expect("no fault");
        elapse(&mut vm, Duration::from_millis(100));
    }
    assert_code(&mut vm, &own, "authenticated");
    assert_code(&mut vm, &of_other, "certificate_revoked");
}

/// The contents of a list are read in slices of time, between which requests are decided.
#[test]
fn a_long_list_is_read_in_slices() {
    let (mut vm, own) = (started("reject"), leaf(Issuer::Ca));
    let mut serials: Vec<String> = (0..20_000).map(|n| format!("4{n:07}")).collect();
    serials.push(own.serial_hex().expect("a serial number"));
    let call = tick_until_call(&mut vm);
    vm.answer(call.token, answer(200, &[], Crl { serials, ..Crl::default() }.der()))
        .expect("no fault");
    vm.set_clock_step(100_000);
    let mut ticks = 0;
    while vm.metric("tls_client_auth.crl_refresh_ok") != Some(1) {
        assert_code(&mut vm, &own, "revocation_unknown");
        vm.tick().expect("no fault");
        ticks += 1;
        assert!(ticks < 10_000);
    }
    assert!(ticks > 10, "{ticks} ticks");
    vm.set_clock_step(0);
    assert_code(&mut vm, &own, "certificate_revoked");
    assert_eq!(vm.metric("tls_client_auth.crl_entries"), Some(20_001));
}

/// RFC 5280 §5.3.3: an entry with the extension certificateIssuer makes the list indirect.
#[test]
fn a_list_with_an_entry_of_another_issuer_is_refused() {
    let (mut vm, own) = (started("reject"), leaf(Issuer::Ca));
    let issuer = extension("2.5.29.29", true, &tlv(SEQUENCE, &[authority(Issuer::Ca).name()]));
    let entry = tlv(
        SEQUENCE,
        &[
            integer(1),
            tlv(der::UTC_TIME, &["260101000000Z"]),
            tlv(SEQUENCE, &[issuer.expect("a known OID")]),
        ],
    );
    give_list(&mut vm, Crl { entries: vec![entry], ..Crl::default() }.der());
    assert_code(&mut vm, &own, "revocation_unknown");
    assert!(logged(&mut vm, "an indirect CRL"));
}
