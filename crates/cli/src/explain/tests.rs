//! Steps against the decisions of the whole case table.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use test_support as support;

use std::collections::BTreeSet;

use tls_client_auth::{Code, UnixTime};

use self::support::case::{Case, table};
use super::steps::name;
use super::*;

/// The decision on a row, and its steps.
fn explain(case: &Case, server_name: ServerName) -> (Outcome, Vec<ExplainedStep>) {
    let gate = Gate::new(case.config.to_string().as_bytes()).expect("a configuration");
    let request =
        GateRequest { headers: case.request.header_map(), body: case.request.body.clone() };
    let now = Some(UnixTime(case.now.0));
    let verified_token = case.verified.as_ref().map(|(token, _)| token.clone());
    let chain_valid = case.chain_valid;
    let peer = Peer { chain_valid, now, server_name, verified_token, ..Peer::default() };
    let mut peer = match &case.certificate {
        Some(certificate) => peer.presenting(certificate.host_text.as_bytes()),
        None => peer,
    };
    let is_given = peer.server_name != ServerName::Unspecified;
    let outcome = gate.decide(&request, &mut peer);
    let steps = Explained::new(&gate, &request, &outcome, &peer).steps;
    assert!(!is_given || !is_server_name_unchecked(&gate, &request, &outcome), "{}", case.name);
    (outcome, steps)
}

/// The steps at which each code may fall, most of them at one alone (contract §7).
fn steps_of(code: Code) -> &'static [&'static str] {
    match code.as_str() {
        "unknown_tenant" => &["host"],
        "not_gated" => &["host", "endpoint"],
        "server_name_mismatch" => &["server name"],
        "upgrade_refused" => &["protocol"],
        "method_not_allowed" => &["method"],
        "encoded_body" => &["content"],
        // By the header, or by the octets.
        "unsupported_media_type" | "body_too_large" => &["content", "form"],
        "malformed_authorization" => &["authorization"],
        "malformed_form" | "duplicate_parameter" => &["form"],
        "client_id_mismatch" => &["query", "client_id"],
        "missing_client_id" | "passed_unidentified" => &["client_id"],
        "registry_unavailable" => &["registration", "token verified"],
        "token_bound" => &["bound to"],
        "token_missing" => &["token"],
        "token_malformed" => &["authorization", "query", "form"],
        "token_unverified" => &["token verified"],
        "token_unbound" => &["token binding"],
        "token_bound_to_another" => &["certificate", "origin", "bound to"],
        "unknown_client" | "passed_unregistered" => &["registration"],
        "other_method_refused" | "method_not_supported" => &["auth method"],
        // With a certificate_binding the certificate comes last.
        "passed_other_method" => &["auth method", "registered", "subject"],
        "multiple_auth_methods" => &["client_id", "one method"],
        // The statement of a proxy counts only with a certificate.
        "certificate_missing" | "certificate_malformed" => &["certificate"],
        "certificate_expired" | "certificate_not_yet_valid" => &["validity"],
        "certificate_unverified" => &["origin", "chain"],
        "certificate_untrusted_issuer" => &["issuer"],
        "certificate_revoked" | "revocation_unknown" => &["revocation"],
        "certificate_not_registered" => &["registered"],
        "subject_mismatch" => &["subject"],
        // Of a self-signed client nothing else is asked.
        "authenticated" => &["subject", "registered"],
        "host_error" => &["method", "validity"],
        other => panic!("no step is known for {other}"),
    }
}

#[test]
fn every_row_of_the_case_table_is_explained_by_what_was_checked() {
    let mut fell = BTreeSet::new();
    let cases = table().cases;
    for case in &cases {
        let server_name = case.server_name.as_deref().map_or(ServerName::Absent, server_name);
        let (outcome, steps) = explain(case, server_name);
        let (checks, code) = (outcome.decision.checks, outcome.decision.code);
        let last = checks.last().map(name).expect("something was checked");
        let is_refused = outcome.decision.rejection.is_some();
        let refused: Vec<_> = steps
            .iter()
            .filter(|step| step.state == StepState::Refused)
            .map(|step| step.name)
            .collect();
        assert_eq!(refused, if is_refused { vec![last] } else { vec![] }, "{}", case.name);
        let done: Vec<_> = steps
            .iter()
            .filter(|step| step.state == StepState::Done)
            .map(|step| step.name)
            .collect();
        let passed = Check::ALL.into_iter().filter(|check| checks.has(*check)).map(name);
        assert_eq!(
            done,
            passed.filter(|name| !is_refused || *name != last).collect::<Vec<_>>(),
            "{}",
            case.name
        );
        let after = steps.iter().skip_while(|step| step.name != last).skip(1);
        let unmade = if is_refused { StepState::NotReached } else { StepState::NotAsked };
        // A request that is for a resource and an endpoint has the checks of both, one after the
        // other.
        let is_both = checks.has(Check::TokenCertificate) && last != name(Check::TokenCertificate);
        assert!(is_both || after.into_iter().all(|step| step.state == unmade), "{}", case.name);
        assert!(steps_of(code).contains(&last), "{}: {code} at {last}", case.name);
        for step in &steps {
            let says = !step.text.is_empty();
            // An odd header may be empty, and is shown as it is.
            let must = matches!(step.state, StepState::Done | StepState::Refused)
                && step.name != "content";
            assert!(says || !must, "{}: {} says nothing", case.name, step.name);
            assert!(
                step.state != StepState::NotReached || !says,
                "{}: {} says {}",
                case.name,
                step.name,
                step.text
            );
        }
        fell.insert((last, is_refused));
    }
    assert!(cases.len() > 500 && fell.len() > 18, "{fell:?}");
}

/// A server name that is not given is not a step that was passed.
#[test]
fn a_server_name_that_is_not_given_is_reported_as_unchecked() {
    let cases = table().cases;
    let mut unchecked = 0;
    for case in &cases {
        let (outcome, steps) = explain(case, ServerName::Unspecified);
        let step = steps.iter().find(|step| step.name == "server name").expect("it is one of them");
        assert!(matches!(step.state, StepState::NotAsked | StepState::NotReached), "{}", case.name);
        let gate = Gate::new(case.config.to_string().as_bytes()).expect("a configuration");
        let request = GateRequest { headers: case.request.header_map(), ..GateRequest::default() };
        let is_unchecked = is_server_name_unchecked(&gate, &request, &outcome);
        assert_eq!(step.text.contains("--server-name is not given"), is_unchecked, "{}", case.name);
        unchecked += usize::from(is_unchecked);
    }
    assert!(unchecked > 10 && unchecked < cases.len() / 2, "{unchecked}");
}
