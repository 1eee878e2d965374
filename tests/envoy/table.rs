//! The rows of `tests/cases` that a real connection can carry.

use std::collections::BTreeMap;

use super::bootstrap::Listener;
use super::client::{Client, Delivery};
use super::fixture::{Outcome, ask};
use super::http2;
use super::process::Envoy;
use crate::support::case::{self, Case};

#[tokio::test]
async fn the_case_table_holds_in_a_real_envoy() {
    let cases: Vec<_> = case::table().cases.into_iter().filter(|case| case.in_envoy).collect();
    assert!(!cases.is_empty(), "no case is for Envoy");
    // A listener for each configuration, all in one Envoy: only the start takes time.
    let mut listeners = BTreeMap::new();
    for case in &cases {
        let name = format!("configuration-{}", listeners.len());
        listeners.entry(case.config.to_string()).or_insert_with(|| Listener {
            // The rows give its value.
            forward_client_cert: "ALWAYS_FORWARD_ONLY",
            ..Listener::new(&name, &case.config)
        });
    }
    let envoy = Envoy::start(listeners.values().cloned().collect()).await;
    let mut wrong = Vec::new();
    for case in &cases {
        let listener = &listeners[&case.config.to_string()].name;
        let client =
            case.certificate.as_deref().map_or_else(Client::without_certificate, Client::new);
        let client = client.asking_for(case.server_name.as_deref());
        for delivery in [Delivery::Http1Whole, Delivery::Http2Trailers] {
            if delivery == Delivery::Http1Whole
                || (http2::can_carry(&case.request) && !case.is_preflight())
            {
                let outcome = ask(&envoy, listener, &client, case.request.clone(), delivery).await;
                if outcome.code() == case.expect.code {
                    check(case, &outcome);
                } else {
                    let detail = envoy.log().lines().last().unwrap_or_default().to_string();
                    wrong.push(format!(
                        "{} ({delivery:?}): {} instead of {}: {detail}",
                        case.name,
                        outcome.code(),
                        case.expect.code
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    envoy.assert_healthy().await;
}

fn check(case: &Case, outcome: &Outcome) {
    let name = &case.name;
    // In shadow mode a request passes with a code of refusal.
    if case.expect.passes() {
        outcome.assert_passed()
    } else {
        outcome.assert_is(&case.expect.code);
    }
    if let Some(client_id) = &case.expect.client_id {
        assert_eq!(outcome.logged.client_id.as_ref(), Some(client_id), "{name}");
    }
    if let Some(challenged) = case.expect.www_authenticate {
        assert_eq!(outcome.answer.field("www-authenticate").is_some(), challenged, "{name}");
    }
    for (field, value) in &case.expect.forwarded {
        let seen = outcome.seen.as_ref().unwrap_or_else(|| panic!("{name}: nothing was forwarded"));
        assert_eq!(seen.field(field), value.as_deref(), "{name}: {field}");
    }
}
