//! The whole table, each request in every way in which its frames can arrive, with what contract
//! §5, §7 and §8 require of every request.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;

use serde_json::Value;

use crate::host::{Headers, Log, Outcome, Verdict};
use crate::run::{
    DELIVERIES, Delivery, REQUEST_ID, clock, code, headers, run, start_for, try_start,
};
use crate::support::case::{Case, DECISIONS, table};

const WARN: u32 = 3;
const LOOKALIKE: &str = "tls_client_auth.ungated_lookalike";
/// 512 characters of detail, each at most ten bytes when escaped, and the rest of the line.
const MOST_LINE_BYTES: usize = 6_000;

#[test]
fn every_case_in_every_delivery() {
    let cases = table().cases;
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let shares: Vec<_> = cases.chunks(cases.len().div_ceil(workers)).collect();
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(|| share.iter().flat_map(failures_of).collect::<Vec<_>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a worker does not panic"))
            .collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_code_of_the_contract_occurs() {
    let occurring: BTreeSet<String> =
        table().cases.into_iter().map(|case| case.expect.code).collect();
    // Only a host can cause host_error, see faulty_host.rs, and only an answer response_unbound.
    let promised = DECISIONS
        .iter()
        .map(|(code, _)| code.to_string())
        .filter(|code| !["host_error", "response_unbound"].contains(&code.as_str()));
    assert_eq!(occurring, promised.collect());
}

#[test]
fn all_refusals_of_a_client_have_one_body() {
    let mut bodies = BTreeSet::new();
    let mut errors = BTreeSet::new();
    for case in table().cases.iter().filter(|case| case.expect.status == Some(401)) {
        let outcome = run(&mut start_for(case), case, Delivery::WholeBody).expect(&case.name);
        let Verdict::Replied(reply) = outcome.verdict else {
            panic!("{}: not answered", case.name)
        };
        bodies.insert(String::from_utf8(reply.body).expect("an answer is UTF-8"));
        errors.insert(case.expect.error.clone());
    }
    // One at endpoints, and one at resources.
    assert_eq!((bodies.len(), errors.len()), (2, 2), "{bodies:?}");
}

fn failures_of(case: &Case) -> Vec<String> {
    let mut vm = match try_start(case.config.to_string().as_bytes(), clock(case)) {
        Ok(vm) => vm,
        Err(error) => return vec![format!("{}: {error}", case.name)],
    };
    let suiting = DELIVERIES.iter().copied().filter(|delivery| delivery.suits(case));
    suiting
        .filter_map(|delivery| {
            let fail = |why: String| format!("{} [{delivery:?}]: {why}", case.name);
            match run(&mut vm, case, delivery) {
                Ok(outcome) => check(case, &outcome, delivery).err().map(fail),
                // After a fault, the VM cannot be used any more.
                Err(fault) => {
                    vm = start_for(case);
                    Some(fail(fault.to_string()))
                }
            }
        })
        .collect()
}

pub fn check(case: &Case, outcome: &Outcome, delivery: Delivery) -> Result<(), String> {
    let expect = &case.expect;
    equal("code", &code(outcome), &expect.code)?;
    let counted = BTreeMap::from([(format!("tls_client_auth.{}", expect.code), 1)]);
    // Answers of registries and responders are counted as well.
    let is_decision = |name: &&String| {
        name.starts_with("tls_client_auth.")
            && !["registry_refresh_", "crl_", "ocsp_"]
                .iter()
                .any(|kind| name.starts_with(&format!("tls_client_auth.{kind}")))
            && *name != LOOKALIKE
    };
    let found = outcome
        .account
        .counted
        .iter()
        .filter(|(name, _)| is_decision(name))
        .map(|(name, n)| (name.clone(), *n));
    equal("metrics", &found.collect(), &counted)?;
    let lookalikes = outcome.account.counted.get(LOOKALIKE).copied().unwrap_or_default();
    equal("lookalikes", &lookalikes, &u64::from(expect.lookalike))?;
    check_filter_state(case, outcome)?;
    check_tenant(case, outcome)?;
    if let Some(client_id) = &expect.client_id {
        let stated = outcome
            .properties
            .get("tls_client_auth_client_id")
            .map(|id| String::from_utf8_lossy(id));
        equal("client_id", &stated.as_deref(), &Some(client_id.as_str()))?;
    }
    check_log(case, &outcome.account.logs)?;
    match &outcome.verdict {
        Verdict::Held => Err("neither answered nor forwarded".into()),
        Verdict::Replied(reply) => {
            equal("status", &Some(reply.status), &expect.status.map(u32::from))?;
            check_answer(case, &reply.headers, &reply.body)
        }
        Verdict::Forwarded(forwarded) => {
            equal("status", &None, &expect.status)?;
            equal("body at the backend", &forwarded.body, &case.request.body)?;
            equal(
                "trailers at the backend",
                &forwarded.trailers.len(),
                &usize::from(delivery == Delivery::Trailers),
            )?;
            check_forwarded(case, &forwarded.headers)
        }
    }
}

/// contract §8: filter state has both values unless the configuration says otherwise; a request
/// that is not gated has none.
fn check_filter_state(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let wanted = |name: &str| {
        case.config["filter_state"]
            .as_array()
            .is_none_or(|names| names.iter().any(|other| other == name))
    };
    let stated = |name: &str| outcome.properties.contains_key(&format!("tls_client_auth_{name}"));
    equal(
        "code in filter state",
        &stated("code"),
        &(wanted("code") && case.expect.code != "not_gated"),
    )?;
    if stated("client_id") && !wanted("client_id") {
        return Err("client_id in filter state".into());
    }
    Ok(())
}

fn check_tenant(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let counted = outcome
        .account
        .counted
        .iter()
        .filter(|(name, _)| name.starts_with("tls_client_auth_tenant."));
    let counted: BTreeMap<_, _> = counted.map(|(name, n)| (name.clone(), *n)).collect();
    let name = |tenant| format!("tls_client_auth_tenant.{tenant}.{}", case.expect.code);
    match &case.expect.tenant {
        Some(tenant) => {
            equal("metrics of the tenant", &counted, &BTreeMap::from([(name(tenant), 1)]))
        }
        None if case.config["tenants"].is_null() => {
            equal("metrics of a tenant", &counted, &BTreeMap::new())
        }
        None => Ok(()),
    }
}

/// The headers and the body of a refusal (contract §7).
fn check_answer(case: &Case, headers: &Headers, body: &[u8]) -> Result<(), String> {
    let status = case.expect.status.unwrap_or_default();
    let mut expected = BTreeMap::from([
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("pragma", "no-cache"),
    ]);
    if status == 405 {
        expected.insert("allow", "POST");
    }
    if status == 503 {
        expected.insert("retry-after", "1");
    }
    let is_resource = case.expect.error.as_deref() == Some("invalid_token");
    let challenged = status == 401 && (is_resource || case.request.has_header("authorization"));
    equal(
        "www_authenticate of the table",
        &case.expect.www_authenticate.unwrap_or(challenged),
        &challenged,
    )?;
    let mut given = BTreeMap::new();
    for (name, value) in headers {
        let value = std::str::from_utf8(value).map_err(|error| format!("{name}: {error}"))?;
        if given.insert(name.as_str(), value).is_some() {
            return Err(format!("{name} occurs twice"));
        }
    }
    match (given.remove("www-authenticate"), challenged) {
        (None, false) => {}
        // RFC 6750 §3.1: no error for a request without a token.
        (Some("Bearer"), true) if case.expect.code == "token_missing" => {}
        (Some("Bearer error=\"invalid_token\""), true)
            if is_resource && case.expect.code != "token_missing" => {}
        (Some(challenge), true)
            if !is_resource
                && challenge.starts_with("Basic realm=\"")
                && challenge.ends_with('"') => {}
        (challenge, _) => return Err(format!("www-authenticate is {challenge:?}")),
    }
    equal("headers", &given, &expected)?;
    let json: Value = serde_json::from_slice(body).map_err(|error| format!("body: {error}"))?;
    let members = json.as_object().ok_or("the body is not an object")?;
    equal(
        "members",
        &members.keys().map(String::as_str).collect(),
        &BTreeSet::from(["error", "error_description"]),
    )?;
    equal("error", &members["error"].as_str(), &case.expect.error.as_deref())?;
    match members["error_description"].as_str() {
        Some(text) if !text.is_empty() => Ok(()),
        other => Err(format!("error_description is {other:?}")),
    }
}

/// contract §5: the backend sees what the client sent, except for the headers that the case states.
fn check_forwarded(case: &Case, at_backend: &Headers) -> Result<(), String> {
    let stated = |name: &str| case.expect.forwarded.contains_key(name);
    let mut received = crate::host::Stream::new(crate::host::Connection::default());
    received.receive_headers(headers(&case.request));
    let untouched = |headers: &Headers| -> BTreeMap<String, Vec<Vec<u8>>> {
        let mut by_name = BTreeMap::<String, Vec<Vec<u8>>>::new();
        for (name, value) in headers.iter().filter(|(name, _)| !stated(name)) {
            by_name.entry(name.clone()).or_default().push(value.clone());
        }
        by_name
    };
    equal("headers at the backend", &untouched(at_backend), &untouched(&received.headers))?;
    for (name, expected) in &case.expect.forwarded {
        let values = crate::host::stream::values(at_backend, name);
        let expected: Vec<&[u8]> = expected.iter().map(|value| value.as_bytes()).collect();
        if values != expected {
            let printed: Vec<_> =
                values.iter().map(|value| String::from_utf8_lossy(value)).collect();
            return Err(format!("{name} at the backend: {printed:?}"));
        }
    }
    Ok(())
}

/// The decision line (contract §8), with the default `log: "rejections"` unless the case sets it.
fn check_log(case: &Case, logs: &[Log]) -> Result<(), String> {
    let refused =
        DECISIONS.iter().any(|(code, answer)| *code == case.expect.code && answer.is_some());
    let wanted = refused || case.config["log"] == "all";
    // A path is logged once, and a case is sent in several deliveries.
    let (reports, logs): (Vec<&Log>, Vec<&Log>) =
        logs.iter().partition(|log| log.message.contains("ungated_lookalike"));
    if reports.len() > usize::from(case.expect.lookalike)
        || reports.iter().any(|report| report.level != WARN)
    {
        return Err(format!("reported: {reports:?}"));
    }
    equal("log lines", &logs.len(), &usize::from(wanted))?;
    let Some(Log { level, message }) = logs.first() else { return Ok(()) };
    if refused {
        equal("log level", level, &WARN)?;
    }
    for part in [Some(case.expect.code.as_str()), Some(REQUEST_ID), case.expect.detail.as_deref()]
        .into_iter()
        .flatten()
    {
        if !message.contains(part) {
            return Err(format!("the log line lacks {part:?}: {message}"));
        }
    }
    for secret in secrets(case) {
        if message.contains(&secret) {
            return Err(format!("the log line contains {secret:?}: {message}"));
        }
    }
    if message.len() > MOST_LINE_BYTES || message.chars().any(char::is_control) {
        return Err(format!(
            "the log line has {} bytes, or contains control characters: {message:.300}",
            message.len()
        ));
    }
    Ok(())
}

/// Values that must not be logged, if they are long enough to be recognised.
fn secrets(case: &Case) -> Vec<String> {
    let request = &case.request;
    let query = request.path.split_once('?').map(|(_, query)| query.to_string());
    let credentials =
        request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let credentials = credentials.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let body = body.contains('=').then_some(body);
    let certificate = case.certificate.iter().map(|certificate| certificate.x5c());
    let clients = case.config["clients"].as_array().into_iter().flatten();
    let backend = clients.filter_map(|client| {
        client.pointer("/backend_authentication/client_secret")?.as_str().map(String::from)
    });
    let secrets =
        query.into_iter().chain(backend).chain(credentials).chain(certificate).chain(body);
    secrets.filter(|secret| secret.len() > 8).chain(["BEGIN CERTIFICATE".to_string()]).collect()
}

fn equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    given: &T,
    expected: &T,
) -> Result<(), String> {
    if given == expected {
        Ok(())
    } else {
        Err(format!("{what}: {given:.400?}, expected {expected:.400?}"))
    }
}
