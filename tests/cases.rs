//! The tables of cases, decided by the library without a host.

extern crate test_support as support;

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, thread};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::case::{Case, Configuration as ConfigurationCase, Table, table};
use tls_client_auth::{
    Action, Configuration, Decision, Gate, GateRequest, Outcome, Peer, ServerName, UnixTime,
};

/// Names in lower case, and values.
type Fields = Vec<(String, Vec<u8>)>;

fn request(case: &Case) -> GateRequest {
    GateRequest { headers: case.request.header_map(), body: case.request.body.clone() }
}

fn peer(case: &Case) -> Peer {
    let server_name = match case.server_name.as_deref() {
        Some(name) => ServerName::Name(name.as_bytes().into()),
        None => ServerName::Absent,
    };
    let now = Some(UnixTime(case.now.0));
    let verified_token = case.verified.as_ref().map(|(token, _)| token.clone());
    let chain_valid = case.chain_valid;
    let peer = Peer { chain_valid, now, server_name, verified_token, ..Peer::default() };
    match &case.certificate {
        Some(certificate) => peer.presenting(certificate.host_text.as_bytes()),
        None => peer,
    }
}

/// The decision of a case, and the headers that the backend would receive.
fn decide(case: &Case) -> Result<(Decision, Fields), String> {
    let gate = Gate::new(case.config.to_string().as_bytes()).map_err(|error| error.to_string())?;
    let request = request(case);
    let Outcome { decision, stripped } = gate.decide(&request, &mut peer(case));
    let mut seen: Vec<_> =
        request.headers.into_iter().filter(|(name, _)| !stripped.contains(name)).collect();
    if let Action::Continue { set } = &decision.action {
        seen.retain(|(name, _)| set.iter().all(|(written, _)| written != name));
        seen.extend(set.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())));
    }
    Ok((decision, seen))
}

fn expects_challenge(case: &Case) -> bool {
    let expect = &case.expect;
    expect.www_authenticate.unwrap_or(
        expect.status == Some(401)
            && (case.request.has_header("authorization")
                || expect.error.as_deref() == Some("invalid_token")),
    )
}

fn compare(case: &Case) -> Result<(), String> {
    let expect = &case.expect;
    let (decision, seen) = decide(case)?;
    let differs = |what: &str, found: String| Err(format!("{what}: {found}\n    {decision}"));
    if decision.code.as_str() != expect.code {
        return differs("code", decision.code.to_string());
    }
    match &decision.action {
        Action::Continue { .. } if !expect.passes() => return differs("passes", String::new()),
        Action::Continue { .. } => {}
        Action::Reply(response) => {
            if Some(response.status) != expect.status {
                return differs("status", response.status.to_string());
            }
            let error = format!("{{\"error\":\"{}\",", expect.error.as_deref().unwrap_or_default());
            if !response.body.starts_with(&error) {
                return differs("body", response.body.clone());
            }
            let challenge = response.headers.iter().any(|(name, _)| *name == "www-authenticate");
            if challenge != expects_challenge(case) {
                return differs("www-authenticate", challenge.to_string());
            }
        }
    }
    if decision.is_lookalike != expect.lookalike {
        return differs("lookalike", decision.is_lookalike.to_string());
    }
    if expect.tenant.is_some() && decision.request.tenant.as_deref() != expect.tenant.as_deref() {
        return differs("tenant", format!("{:?}", decision.request.tenant));
    }
    if expect.client_id.is_some()
        && decision.client_id_state().as_deref() != expect.client_id.as_deref()
    {
        return differs("client_id", format!("{:?}", decision.client_id_state()));
    }
    if !decision.to_string().contains(expect.detail.as_deref().unwrap_or_default()) {
        return differs("detail", String::new());
    }
    for (name, expected) in &expect.forwarded {
        let found: Vec<_> = seen
            .iter()
            .filter(|(header, _)| header == name)
            .map(|(_, value)| String::from_utf8_lossy(value))
            .collect();
        if found != expected.iter().map(String::as_str).collect::<Vec<_>>() {
            return differs(name, format!("{found:?}"));
        }
    }
    Ok(())
}

fn compare_configuration(case: &ConfigurationCase) -> Result<(), String> {
    match (Configuration::parse(case.text.as_bytes()), &case.error) {
        (Ok(_), None) => Ok(()),
        (Ok(_), Some(expected)) => {
            Err(format!("accepted, expected an error at {:?}", expected.pointer))
        }
        (Err(error), None) => Err(format!("refused: {error}")),
        (Err(error), Some(expected))
            if error.pointer != expected.pointer || !error.message.contains(&expected.contains) =>
        {
            Err(format!("another error: {error}"))
        }
        (Err(_), Some(_)) => Ok(()),
    }
}

/// Writes the table for hosts in other languages: complete, with its certificates, and octets in
/// base64.
#[test]
fn the_table_is_written_for_other_hosts() {
    let octets = |value: &[u8]| STANDARD.encode(value);
    let cases: Vec<Value> = table()
        .cases
        .iter()
        .map(|case| {
            let Case { request, expect, .. } = case;
            let headers = request.headers.iter().map(|(name, value)| json!([name, octets(value)]));
            let certificate = case.certificate.as_ref().map(|one| one.host_text.clone());
            json!({
                "name": case.name,
                "config": case.config,
                "certificate": certificate,
                "chainValid": case.chain_valid,
                "serverName": case.server_name,
                "verifiedToken": case.verified.as_ref().map(|(token, _)| token),
                "now": case.now.0,
                "method": request.method,
                "path": request.path,
                "host": request.host,
                "headers": headers.collect::<Vec<_>>(),
                "body": octets(&request.body),
                "expect": {
                    "code": expect.code,
                    "status": expect.status,
                    "error": expect.error,
                    "clientId": expect.client_id,
                    "detail": expect.detail,
                    "tenant": expect.tenant,
                    "forwarded": expect.forwarded,
                    "wwwAuthenticate": expects_challenge(case),
                },
            })
        })
        .collect();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases.json");
    fs::write(&file, Value::from(cases).to_string())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// The rows of the table with the name in the environment variable CASE, which is `file.json: name`
/// or `name`; all rows where it is not set.
fn chosen<T>(rows: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    let Ok(wanted) = env::var("CASE") else { return rows };
    let Table { cases, configurations } = table();
    let is_wanted = |name: &str| name == wanted || name.ends_with(&format!(": {wanted}"));
    let mut names =
        cases.iter().map(|case| &case.name).chain(configurations.iter().map(|case| &case.name));
    assert!(
        names.any(|name| is_wanted(name)),
        "no row of tests/cases/*.json has the name CASE={wanted:?}"
    );
    rows.into_iter().filter(|row| is_wanted(name(row))).collect()
}

fn report(failures: &[String], rows: usize) {
    assert!(rows > 0 || env::var("CASE").is_ok(), "the table has no rows");
    assert!(
        failures.is_empty(),
        "{} of {rows} rows fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// The row that docs/cases.md shows as complete, among those of its file.
#[test]
fn the_row_of_the_manual_is_complete_and_right() {
    let manual = fs::read_to_string(support::repository().join("docs/cases.md"))
        .unwrap_or_else(|error| panic!("docs/cases.md: {error}"));
    let row = manual.split("```jsonc").nth(1).and_then(|rest| rest.split("```").next());
    let row: Value = serde_json::from_str(row.unwrap_or_default())
        .unwrap_or_else(|error| panic!("the row of docs/cases.md: {error}"));
    let names = include_str!("cases/names.json");
    let mut names: Value =
        serde_json::from_str(names).unwrap_or_else(|error| panic!("names.json: {error}"));
    let rows = names.pointer_mut("/cases").and_then(Value::as_array_mut);
    rows.unwrap_or_else(|| panic!("names.json has no rows")).push(row);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cases-of-the-manual");
    fs::create_dir_all(&home)
        .and_then(|()| fs::write(home.join("names.json"), names.to_string()))
        .unwrap_or_else(|error| panic!("{}: {error}", home.display()));
    let table = support::case::load(&home).unwrap_or_else(|error| panic!("{error}"));
    let case = table.cases.iter().find(|case| case.name == "names.json: my first case");
    compare(case.unwrap_or_else(|| panic!("the row has another name")))
        .unwrap_or_else(|why| panic!("the row of docs/cases.md: {why}"));
}

#[test]
fn every_case_is_decided_as_the_table_says() {
    let cases = chosen(table().cases, |case| &case.name);
    let failures = cases.iter().filter_map(|case| {
        compare(case).err().map(|why| format!("{} ({}): {why}", case.name, case.source))
    });
    report(&failures.collect::<Vec<_>>(), cases.len());
    if env::var("CASE").is_ok() {
        for case in &cases {
            let decided =
                decide(case).map_or_else(|error| error, |(decision, _)| decision.to_string());
            println!("{}: as expected: {decided}", case.name);
        }
    }
}

#[test]
fn every_configuration_is_read_as_the_table_says() {
    let cases = chosen(table().configurations, |case| &case.name);
    let failures = cases.iter().filter_map(|case| {
        compare_configuration(case)
            .err()
            .map(|why| format!("{} ({}): {why}", case.name, case.source))
    });
    report(&failures.collect::<Vec<_>>(), cases.len());
}

/// One gate for each configuration, shared by eight threads: no decision depends on the others.
#[test]
fn eight_threads_decide_as_one() {
    let cases: Vec<Case> = table().cases.into_iter().step_by(4).collect();
    let mut gates: BTreeMap<String, Gate> = BTreeMap::new();
    for case in &cases {
        let text = case.config.to_string();
        let gate =
            Gate::new(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        gates.insert(text, gate);
    }
    thread::scope(|scope| {
        for n in 0..8 {
            let (cases, gates) = (&cases, &gates);
            scope.spawn(move || {
                // Each thread begins at another case, so that a gate decides different requests at
                // the same time.
                for case in cases.iter().cycle().skip(n * cases.len() / 8).take(cases.len()) {
                    let decision = gates[&case.config.to_string()]
                        .decide(&request(case), &mut peer(case))
                        .decision;
                    assert_eq!(decision.code.as_str(), case.expect.code, "{}", case.name);
                }
            });
        }
    });
}
