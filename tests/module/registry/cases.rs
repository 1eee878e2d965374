//! The case table with the clients of each row in a registry.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::give;
use crate::calls::{tick_until, tick_until_call};
use crate::deliveries::check;
use crate::host::Process;
use crate::run::{self, Delivery, REGISTRY, clock, deliver, run, start_in};
use crate::support::case::{Case, table};

/// Everything but the unreserved characters of RFC 3986 §2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The cases whose configuration has clients and no tenants, each with its clients taken out.
fn cases_with_a_list() -> Vec<(Case, Vec<Value>)> {
    let cases = table().cases.into_iter().filter(|case| case.config.get("tenants").is_none());
    cases
        .filter_map(|mut case| {
            let clients = case.config.as_object_mut()?.remove("clients")?;
            Some((case, clients.as_array()?.clone()))
        })
        .collect()
}

/// The configuration of a case with a registry.
fn with_registry(case: &Case, mode: &str) -> Vec<u8> {
    let path = if mode == "lookup" { "/clients/{client_id}" } else { "/clients" };
    let mut config = case.config.clone();
    config["registry"] =
        json!({"cluster": REGISTRY, "authority": "registry.test", "path": path, "mode": mode});
    config.to_string().into_bytes()
}

fn report(failures: &[String], cases: usize) {
    assert!(cases > 500, "{cases} cases");
    assert!(failures.is_empty(), "{} of {cases}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_case_has_the_same_decision_with_a_fetched_list() {
    let cases = cases_with_a_list();
    let failures = cases.iter().filter_map(|(case, clients)| {
        let mut vm = start_in(&Process::new(), &with_registry(case, "snapshot"), clock(case));
        let call = tick_until_call(&mut vm);
        give(&mut vm, &call, 200, &json!(clients));
        tick_until(&mut vm, |vm| {
            (vm.metric("tls_client_auth.registry_refresh_ok") == Some(1)).then_some(())
        });
        vm.set_clock(clock(case));
        let delivery =
            if case.request.body.is_empty() { Delivery::EndInHeaders } else { Delivery::WholeBody };
        let outcome =
            run(&mut vm, case, delivery).unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
        check(case, &outcome, delivery).err().map(|why| format!("{}: {why}", case.name))
    });
    report(&failures.collect::<Vec<_>>(), cases.len());
}

#[test]
fn every_case_has_the_same_decision_by_lookup() {
    let cases = cases_with_a_list();
    let mut asked = 0;
    let failures = cases.iter().filter_map(|(case, clients)| {
        let by_path: BTreeMap<String, &Value> = clients
            .iter()
            .map(|client| {
                let client_id = client["client_id"].as_str().unwrap();
                (format!("/clients/{}", utf8_percent_encode(client_id, RESERVED)), client)
            })
            .collect();
        let mut vm = start_in(&Process::new(), &with_registry(case, "lookup"), clock(case));
        let of_the_start = vm.root_account().logs.len();
        let delivery =
            if case.request.body.is_empty() { Delivery::EndInHeaders } else { Delivery::Trailers };
        let request = &case.request;
        let id = deliver(&mut vm, run::connection(case), request, delivery)
            .unwrap_or_else(|fault| panic!("{}: {fault}", case.name));
        for call in vm.calls() {
            asked += 1;
            match by_path.get(&call.path()) {
                Some(client) => give(&mut vm, &call, 200, client),
                None => give(&mut vm, &call, 404, &Value::Null),
            }
        }
        let mut outcome = run::close(&mut vm, id).expect("no fault");
        // A decision that an answer causes is on the account of the root context; so is what came
        // of the lists of the row, which are fetched meanwhile, at a time that is random.
        let logs = vm.root_account().logs.iter().skip(of_the_start);
        let of_decisions = logs.filter(|log| !log.message.starts_with("tls_client_auth crl "));
        outcome.account.logs.extend(of_decisions.cloned());
        check(case, &outcome, delivery).err().map(|why| format!("{}: {why}", case.name))
    });
    let failures: Vec<_> = failures.collect();
    report(&failures, cases.len());
    assert!(asked > 300, "{asked} lookups");
}
