//! Fetched registries in the shipped module: what the pure tests of `src/client` leave to the host.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::calls::{answer, elapse, only_call, tick, tick_until, tick_until_call};
use crate::deliveries::check;
use crate::host::stream::REQUESTED_SERVER_NAME;
use crate::host::{Connection, HttpCall, Outcome, Process, StreamId, Verdict, Vm};
use crate::run::{self, Delivery, REGISTRY, clock, code, deliver, run, send, start_in, status};
use crate::support::case::{Case, NOW, Request, table};
use crate::support::certificate::{Certificate, CertificateSpec, mint};

const CLOCK: u64 = NOW.0 as u64 * 1_000_000_000;
const SNAPSHOT: &str = r#"{"registry": {"cluster": "registry", "authority": "registry.test", "path": "/clients",
    "refresh": "10s", "headers": {"authorization": "Bearer secret-of-the-registry"}}}"#;
const LOOKUP: &str = r#"{"registry": {"cluster": "registry", "authority": "registry.test", "path": "/clients/{client_id}",
    "mode": "lookup", "headers": {"authorization": "Bearer secret-of-the-registry"}}}"#;

fn client(id: &str) -> Value {
    json!({"client_id": id, "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=client"})
}

fn post(client_id: &str) -> Request {
    Request {
        method: "POST".into(),
        path: "/token".into(),
        host: "as.example.com".into(),
        headers: vec![("content-type".into(), b"application/x-www-form-urlencoded".to_vec())],
        body: format!("client_id={client_id}").into_bytes(),
    }
}

fn certificate() -> Certificate {
    mint(&CertificateSpec::default()).expect("the default certificate can be minted")
}

fn verified() -> Connection {
    run::connection_of(Some(&certificate()), Some(true))
}

fn ask(vm: &mut Vm, client_id: &str) -> Outcome {
    send(vm, verified(), &post(client_id), Delivery::WholeBody).expect("no fault")
}

#[track_caller]
fn assert_code(vm: &mut Vm, client_id: &str, expected: &str) {
    assert_eq!(code(&ask(vm, client_id)), expected);
}

fn wait_for(vm: &mut Vm, client_id: &str, delivery: Delivery) -> StreamId {
    deliver(vm, verified(), &post(client_id), delivery).expect("no fault")
}

fn closed(vm: &mut Vm, id: StreamId) -> Outcome {
    vm.close(id).expect("no fault")
}

fn give(vm: &mut Vm, call: &HttpCall, status: u16, body: &Value) {
    vm.answer(call.token, answer(status, &[], body.to_string())).expect("no fault");
}

/// A VM with this list in force.
fn loaded(process: &Process, configuration: &str, list: &Value) -> Vm {
    let mut vm = start_in(process, configuration.as_bytes(), CLOCK);
    let call = tick_until_call(&mut vm);
    give(&mut vm, &call, 200, list);
    elapse(&mut vm, Duration::from_secs(1));
    vm
}

fn logs(vm: &mut Vm) -> Vec<String> {
    vm.root_account().logs.iter().map(|log| log.message.clone()).collect()
}

/// The cases whose clients are a list, with that list and the configuration without it.
fn cases_with_a_list() -> Vec<(Case, Vec<Value>)> {
    let cases = table().cases.into_iter().filter(|case| case.config.get("tenants").is_none());
    cases
        .filter_map(|mut case| {
            let clients = case.config.as_object_mut()?.remove("clients")?;
            Some((case, clients.as_array()?.clone()))
        })
        .collect()
}

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

/// The decision does not depend on how a client got here.
#[test]
fn every_case_is_decided_alike_from_a_fetched_list() {
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
fn every_case_is_decided_alike_by_lookup() {
    let cases = cases_with_a_list();
    let mut asked = 0;
    let failures = cases.iter().filter_map(|(case, clients)| {
        let by_path: BTreeMap<String, &Value> = clients
            .iter()
            .map(|client| {
                (format!("/clients/{}", encoded(client["client_id"].as_str().unwrap())), client)
            })
            .collect();
        let mut vm = start_in(&Process::new(), &with_registry(case, "lookup"), clock(case));
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
        let mut outcome = closed(&mut vm, id);
        // What an answer brings about is on the account of the root context.
        let root = vm.root_account();
        outcome.account.logs.extend(root.logs.iter().cloned());
        outcome.account.counted.extend(root.counted.clone());
        check(case, &outcome, delivery).err().map(|why| format!("{}: {why}", case.name))
    });
    let failures: Vec<_> = failures.collect();
    report(&failures, cases.len());
    assert!(asked > 300, "{asked} lookups");
}

fn encoded(text: &str) -> String {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~".contains(b);
    text.bytes()
        .map(|b| if is_plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[test]
fn one_vm_fetches_and_every_vm_decides() {
    let process = Process::new();
    let mut vms: Vec<Vm> =
        (0..4).map(|n| start_in(&process, SNAPSHOT.as_bytes(), CLOCK + n)).collect();
    let early = ask(&mut vms[0], "a");
    assert_eq!((code(&early).as_str(), status(&early)), ("registry_unavailable", Some(503)));
    let Verdict::Replied(reply) = &early.verdict else { panic!("answered") };
    assert_eq!(reply.header("retry-after"), [b"1"]);
    let holder = (0..1000).find_map(|_| {
        vms.iter_mut().for_each(tick);
        vms.iter().position(|vm| !vm.calls().is_empty())
    });
    let holder = holder.expect("somebody asks");
    assert_eq!(vms.iter().map(|vm| vm.calls().len()).sum::<usize>(), 1);
    let call = only_call(&vms[holder]);
    assert_eq!(
        (call.cluster.as_str(), call.path().as_str(), call.timeout_ms),
        (REGISTRY, "/clients", 5000)
    );
    assert_eq!(call.header(":authority"), [b"registry.test"]);
    give(&mut vms[holder], &call, 200, &json!([client("a"), client("b")]));
    for _ in 0..20 {
        vms.iter_mut().for_each(tick);
    }
    for vm in &mut vms {
        assert_code(vm, "a", "authenticated");
        assert_code(vm, "c", "unknown_client");
        assert_eq!(vm.metric("tls_client_auth.registry_clients"), Some(2));
    }
    assert_eq!(vms[holder].metric("tls_client_auth.registry_refresh_ok"), Some(1));

    // It dies with the lease; another one takes over, and the list goes on serving.
    vms.remove(holder);
    let next = (0..1000).find_map(|_| {
        vms.iter_mut().for_each(tick);
        vms.iter().position(|vm| !vm.calls().is_empty())
    });
    let next = next.expect("another one asks");
    let call = only_call(&vms[next]);
    give(&mut vms[next], &call, 200, &json!([client("b")]));
    for _ in 0..20 {
        vms.iter_mut().for_each(tick);
    }
    for vm in &mut vms {
        assert_code(vm, "a", "unknown_client");
        assert_code(vm, "b", "authenticated");
    }
}

#[test]
fn a_known_client_costs_what_an_embedded_one_does() {
    let embedded = json!({"clients": [client("a")]}).to_string();
    let mut vm = run::start(embedded.as_bytes(), CLOCK);
    let connection = verified();
    let cost = |vm: &mut Vm, client_id: &str| {
        let outcome =
            send(vm, connection.clone(), &post(client_id), Delivery::WholeBody).expect("no fault");
        assert_eq!(code(&outcome), "authenticated");
        outcome.account
    };
    let (_, hot) = (cost(&mut vm, "a"), cost(&mut vm, "a"));
    let mut vm = loaded(&Process::new(), SNAPSHOT, &json!([client("a"), client("b")]));
    let (_, fetched) = (cost(&mut vm, "a"), cost(&mut vm, "a"));
    assert_eq!(fetched.host_calls, hot.host_calls);
    assert!(fetched.fuel < hot.fuel * 11 / 10, "{} against {}", fetched.fuel, hot.fuel);
    let cold = cost(&mut vm, "b");
    let reads = cold.host_calls.get("proxy_get_shared_data").copied();
    assert_eq!(reads, Some(1), "one shard is read for a client that this VM has not met");
}

#[test]
fn a_long_list_is_read_in_slices() {
    let mut vm = start_in(&Process::new(), SNAPSHOT.as_bytes(), CLOCK);
    let call = tick_until_call(&mut vm);
    let list: Vec<Value> = (0..5000).map(|n| client(&format!("c{n}"))).collect();
    give(&mut vm, &call, 200, &json!(list));
    // 50 microseconds for each look at the clock: some 20 entries in a millisecond.
    vm.set_clock_step(50_000);
    let mut slices = 0;
    while vm.metric("tls_client_auth.registry_refresh_ok") == Some(0) {
        let before = vm.root_account().fuel;
        tick(&mut vm);
        let spent = vm.root_account().fuel - before;
        assert!(spent < 3_000_000, "{spent} instructions in one tick");
        // All of it or nothing.
        let is_loaded = vm.metric("tls_client_auth.registry_refresh_ok") != Some(0);
        assert_code(
            &mut vm,
            "c7",
            if is_loaded { "authenticated" } else { "registry_unavailable" },
        );
        slices += 1;
        assert!(slices < 2000);
    }
    assert!(slices > 200, "{slices} slices");
    vm.set_clock_step(0);
    tick(&mut vm);
    assert_code(&mut vm, "c4999", "authenticated");
}

#[test]
fn what_the_registry_does_wrong_is_told_and_its_secret_is_not() {
    let mut vm = loaded(
        &Process::new(),
        SNAPSHOT,
        &json!([client("a"), {"client_id": "bad", "tls_client_auth_oops": 1}]),
    );
    assert_code(&mut vm, "bad", "unknown_client");
    for failure in ["fails", "500", "html"] {
        let call = tick_until_call(&mut vm);
        assert_eq!(call.header("authorization"), [b"Bearer secret-of-the-registry"]);
        match failure {
            "fails" => vm.fail(call.token),
            "500" => vm.answer(call.token, answer(500, &[], "")),
            _ => vm.answer(call.token, answer(200, &[], "<html>")),
        }
        .expect("no fault");
        elapse(&mut vm, Duration::from_millis(500));
        assert_code(&mut vm, "a", "authenticated");
    }
    let logs = logs(&mut vm);
    for expected in [
        "1 clients: 2 added, 0 removed, 0 changed, 1 refused",
        "refused /1/tls_client_auth_oops: unknown member",
        "no answer: time-out",
        "status 500",
        "not JSON at byte 0",
    ] {
        assert!(
            logs.iter()
                .any(|line| line.contains(expected) && line.contains("cluster=\"registry\"")),
            "{expected}: {logs:?}"
        );
    }
    assert!(logs.iter().all(|line| !line.contains("secret")), "{logs:?}");
    assert_eq!(vm.metric("tls_client_auth.registry_refresh_failed"), Some(3));
}

/// Authlete's answer: the clients from one number to before another, of so many.
fn authlete(from: u64, to: u64, total: u64) -> Value {
    let client = |n| json!({"clientId": n, "tokenAuthMethod": "TLS_CLIENT_AUTH", "tlsClientAuthSubjectDn": "CN=client"});
    json!({"clients": (from..to).map(client).collect::<Vec<_>>(), "start": from, "end": to, "totalCount": total})
}

/// The path of a page, headers of the answer, and its body.
type Page<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a Value);

/// Answers calls for pages, in this order; fails where another page is asked for.
#[track_caller]
fn give_pages(vm: &mut Vm, pages: &[Page<'_>]) {
    for (path, headers, body) in pages {
        let call = tick_until_call(vm);
        assert_eq!(call.path(), *path);
        vm.answer(call.token, answer(200, headers, body.to_string())).expect("no fault");
    }
    for _ in 0..20 {
        tick(vm);
    }
}

#[track_caller]
fn refreshed(vm: &Vm) -> (u64, u64) {
    let count = |name| vm.metric(name).expect("it is defined");
    (count("tls_client_auth.registry_refresh_ok"), count("tls_client_auth.registry_refresh_failed"))
}

#[test]
fn authletes_nine_clients_five_at_a_time() {
    let configuration = SNAPSHOT.replace("\"/clients\"", "\"/list?end=5\"");
    let mut vm = start_in(&Process::new(), configuration.as_bytes(), CLOCK);
    let second = "/list?end=505&start=5";
    give_pages(
        &mut vm,
        &[("/list?end=5", &[], &authlete(0, 5, 9)), (second, &[], &authlete(5, 9, 9))],
    );
    for client_id in ["0", "4", "5", "8"] {
        assert_code(&mut vm, client_id, "authenticated");
    }
    assert_code(&mut vm, "9", "unknown_client");
    assert_eq!(vm.metric("tls_client_auth.registry_clients"), Some(9));
    for (failed, (page, said)) in [
        (authlete(5, 5, 9), "not the whole list: an empty page after 5 of 9 entries"),
        (authlete(5, 8, 8), "not the whole list: totalCount was 9 and is 8 on a later page"),
        (
            json!({"start": 5, "end": 9, "totalCount": 9, "clients": []}),
            "an empty page after 5 of 9 entries",
        ),
        (authlete(0, 5, 9), "not the whole list: a page begins at 0 instead of 5"),
    ]
    .into_iter()
    .enumerate()
    {
        give_pages(&mut vm, &[("/list?end=5", &[], &authlete(0, 5, 9)), (second, &[], &page)]);
        assert_eq!(refreshed(&vm), (1, failed as u64 + 1), "{said}");
        let logs = logs(&mut vm);
        assert!(
            logs.iter().any(|line| line.contains(said) && line.contains(second)),
            "{said}: {logs:?}"
        );
        assert_code(&mut vm, "8", "authenticated");
    }
}

#[test]
fn half_a_list_is_never_taken_for_the_whole() {
    let half = |member: &str, value: Value| json!({"clients": [client("a")], member: value});
    let bodies = [
        (authlete(0, 5, 9), "a page"),
        (half("totalCount", json!(2)), "it ends with 1 entries, totalCount is 2"),
        (half("total", json!(2)), "it ends with 1 entries, total is 2"),
        (half("total_count", json!(2)), "it ends with 1 entries, total_count is 2"),
        (half("totalResults", json!(2)), "it ends with 1 entries, totalResults is 2"),
        (half("has_more", json!(true)), "\"has_more\" says that there is more"),
        (half("hasMore", json!(true)), "\"hasMore\" says that there is more"),
        (half("next", json!("/2")), "\"next\" says that there is more"),
        (half("nextPageToken", json!("x")), "\"nextPageToken\" says that there is more"),
        (half("next_page_token", json!("x")), "\"next_page_token\" says that there is more"),
        (half("cursor", json!("x")), "\"cursor\" says that there is more"),
        (
            half("@odata.nextLink", json!("https://x/2")),
            "\"@odata.nextLink\" says that there is more",
        ),
        (half("_links", json!({"next": {"href": "/2"}})), "\"_links\" says that there is more"),
        (
            half("links", json!([{"rel": "next", "href": "/2"}])),
            "\"links\" says that there is more",
        ),
        (half("TotalCount", json!(2)), "it ends with 1 entries, totalCount is 2"),
        (half("nextCursor", json!("x")), "\"next_cursor\" says that there is more"),
        (half("last", json!(false)), "\"last\" says that there is more"),
        (half("meta", json!({"total": 2})), "it ends with 1 entries, total is 2"),
        (
            half("page", json!({"totalPages": 2, "number": 0})),
            "\"total_pages\" says that there is more",
        ),
        (json!([client("a")]), "exactly the 1 entries that max asks for"),
    ];
    // Everybody would pass as the clients of the other half.
    let mut configuration: Value = serde_json::from_str(SNAPSHOT).expect("JSON");
    configuration["unregistered_clients"] = "pass".into();
    configuration["registry"]["path"] = "/clients?max=1".into();
    let configuration = configuration.to_string();
    for (body, said) in bodies.iter().skip(1) {
        let mut vm = start_in(&Process::new(), configuration.as_bytes(), CLOCK);
        give_pages(&mut vm, &[("/clients?max=1", &[], body)]);
        assert_code(&mut vm, "b", "registry_unavailable");
        assert_eq!(refreshed(&vm), (0, 1), "{said}");
        let logs = logs(&mut vm);
        assert!(
            logs.iter().any(|line| line.contains(said) && line.contains("not the whole list")),
            "{said}: {logs:?}"
        );
        // With a way to the rest it is a page (and read again, because strangers pass).
        let (first, rest) =
            (("/clients?max=1", &[("link", "</2>; rel=next")][..], body), json!([client("b")]));
        let second = ("/2", &[][..], &rest);
        give_pages(&mut vm, &[first, second, first, second]);
        assert_code(&mut vm, "a", "authenticated");
        assert_code(&mut vm, "b", "authenticated");
        assert_code(&mut vm, "c", "passed_unregistered");
    }
    // Authlete's first page leads on, but who does not answer the second has no list.
    let mut vm = start_in(&Process::new(), configuration.as_bytes(), CLOCK);
    give_pages(
        &mut vm,
        &[
            ("/clients?max=1", &[], &bodies[0].0),
            ("/clients?max=1&start=5&end=505", &[], &json!([])),
        ],
    );
    assert_code(&mut vm, "7", "registry_unavailable");
    assert_eq!(refreshed(&vm), (0, 1));
}

#[test]
fn what_says_nothing_of_more_is_the_whole_list() {
    let silent = json!({"clients": [client("a")], "totalCount": 1, "total": null, "total_count": 0, "totalResults": "",
        "has_more": false, "hasMore": null, "next": null, "nextPageToken": "", "next_page_token": null, "cursor": 0,
        "@odata.nextLink": "", "_links": {"self": {"href": "/1"}}, "links": [{"rel": "self", "href": "/1"}], "last": true,
        "page": {"number": 0, "totalPages": 1, "totalElements": {"value": 1, "relation": "eq"}}});
    for list in [silent, json!([client("a"), client("b")])] {
        let configuration = SNAPSHOT.replace("/clients", "/clients?limit=1");
        let mut vm = start_in(&Process::new(), configuration.as_bytes(), CLOCK);
        give_pages(&mut vm, &[("/clients?limit=1", &[], &list)]);
        assert_code(&mut vm, "a", "authenticated");
        assert_eq!(refreshed(&vm), (1, 0));
    }
    // What a lookup brings is no list.
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    let id = wait_for(&mut vm, "a", Delivery::WholeBody);
    let call = only_call(&vm);
    give(&mut vm, &call, 200, &json!({"clients": [client("a")], "totalCount": 7, "next": "/2"}));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
}

#[test]
fn pages_of_two_generations_are_read_three_times_and_never_joined() {
    let configuration =
        SNAPSHOT.replace("\"refresh\"", "\"generation_header\": \"X-Revision\", \"refresh\"");
    let (one, two) = (json!([client("a")]), json!([client("b")]));
    let revised = |first: &'static str, second: &'static str| {
        [(first, "link"), (second, "")].map(|(revision, link)| {
            let headers = [("x-revision", revision), (link, "</2>; rel=next")];
            headers
                .into_iter()
                .filter(|(name, value)| !name.is_empty() && !value.is_empty())
                .collect::<Vec<_>>()
        })
    };
    for (tries, failed) in [
        (vec![("1", "1")], false),
        (vec![("1", "2"), ("2", "2")], false),
        (vec![("1", "2"), ("2", "3"), ("3", "3")], false),
        (vec![("1", "2"), ("2", "3"), ("3", "4")], true),
        (vec![("1", ""), ("1", ""), ("1", "")], true),
    ] {
        let mut vm = start_in(&Process::new(), configuration.as_bytes(), CLOCK);
        for (first, second) in tries {
            let [first, second] = revised(first, second);
            give_pages(&mut vm, &[("/clients", &first, &one), ("/2", &second, &two)]);
        }
        assert_eq!(refreshed(&vm), if failed { (0, 1) } else { (1, 0) });
        assert_code(&mut vm, "a", if failed { "registry_unavailable" } else { "authenticated" });
        assert_eq!(logs(&mut vm).iter().any(|line| line.contains("generation_header")), failed);
    }
}

#[test]
fn where_strangers_pass_a_list_in_pages_is_read_until_two_readings_agree() {
    let list = |ids: &[&str]| ids.iter().map(|id| client(id)).collect::<Value>();
    let link = [("link", "</2>; rel=next")];
    let read = |vm: &mut Vm, first: &[&str], second: &[&str]| {
        give_pages(vm, &[("/clients", &link, &list(first)), ("/2", &[], &list(second))]);
    };
    let top: Value = serde_json::from_str(SNAPSHOT).expect("JSON");
    let mut passing = top.clone();
    passing["unregistered_clients"] = "pass".into();
    // One tenant that lets strangers pass is enough: all use the same list.
    let mut tenant = top.clone();
    tenant["tenants"] = json!([{"hosts": ["other.example.com"], "unregistered_clients": "pass"}, {"hosts": ["as.example.com"]}]);
    tenant["peer_certificate"] = json!({"server_name": "ignore"});
    for configuration in [passing, tenant] {
        let mut vm = start_in(&Process::new(), configuration.to_string().as_bytes(), CLOCK);
        read(&mut vm, &["a"], &["c"]);
        assert_eq!(refreshed(&vm), (0, 0), "b may have fallen between the pages");
        assert_code(&mut vm, "b", "registry_unavailable");
        read(&mut vm, &["a", "b"], &["c"]);
        assert_code(&mut vm, "b", "registry_unavailable");
        read(&mut vm, &["b", "a"], &["c"]);
        assert_eq!(refreshed(&vm), (1, 0));
        assert_code(&mut vm, "b", "authenticated");
        // The list in force is the first reading.
        read(&mut vm, &["a"], &["b", "c"]);
        assert_eq!(refreshed(&vm), (2, 0));
        // No two agree: the old one goes on serving.
        for third in ["d", "e", "f"] {
            read(&mut vm, &["a"], &["c", third]);
        }
        assert_eq!(refreshed(&vm), (2, 1));
        assert!(
            logs(&mut vm)
                .iter()
                .any(|line| line.contains("three readings of its pages had different clients"))
        );
        assert_code(&mut vm, "b", "authenticated");
    }
    // Where nobody passes by it, one reading will do.
    let mut vm = start_in(&Process::new(), top.to_string().as_bytes(), CLOCK);
    read(&mut vm, &["a"], &["c"]);
    assert_eq!(refreshed(&vm), (1, 0));
    assert_code(&mut vm, "b", "unknown_client");
}

/// An entry of a format that nobody recognises must never pass: neither as a client of another
/// method nor as nobody's.
#[test]
fn foreign_clients_are_refused_even_where_unregistered_ones_pass() {
    let pass = |configuration: &str| {
        configuration.replacen('{', r#"{"unregistered_clients": "pass", "#, 1)
    };
    let shapes: Value =
        serde_json::from_str(include_str!("../convert/foreign.json")).expect("it is JSON");
    for shape in shapes.as_array().expect("an array") {
        let (entry, client_id) = (&shape["entry"], shape["client_id"].as_str().unwrap_or("f"));
        let says = shape["says"].as_str().expect("a part of the reason");
        let mut vm =
            loaded(&Process::new(), &pass(SNAPSHOT), &json!({ "clients": [client("a"), entry] }));
        assert_code(&mut vm, "a", "authenticated");
        assert_code(&mut vm, "nobody", "passed_unregistered");
        assert_code(&mut vm, client_id, "unknown_client");
        assert!(
            logs(&mut vm)
                .iter()
                .any(|line| line.contains("refused /clients/1") && line.contains(says)),
            "{shape}"
        );
        let mut vm = start_in(&Process::new(), pass(LOOKUP).as_bytes(), CLOCK);
        let id = wait_for(&mut vm, client_id, Delivery::WholeBody);
        let call = only_call(&vm);
        give(&mut vm, &call, 200, entry);
        assert_eq!(code(&closed(&mut vm, id)), "unknown_client", "{shape}");
    }
}

/// An entry of which nobody can say whom it is about: where strangers pass, so would this client.
#[test]
fn where_strangers_pass_a_list_with_an_entry_of_nobody_is_never_in_force() {
    let pass = SNAPSHOT.replacen('{', r#"{"unregistered_clients": "pass", "#, 1);
    let list = json!([client("a"), {"client_id": {"of": "b"}, "token_endpoint_auth_method": "tls_client_auth"}]);
    let mut vm = loaded(&Process::new(), &pass, &list);
    for client_id in ["a", "b"] {
        assert_code(&mut vm, client_id, "registry_unavailable");
    }
    assert_eq!(refreshed(&vm), (0, 1));
    let said = "an entry names no client, and unregistered_clients is \"pass\": /1/client_id: \
        expected a client_id";
    let logs = logs(&mut vm);
    assert!(logs.iter().any(|line| line.contains(said)), "{logs:?}");
    let mut vm = loaded(&Process::new(), SNAPSHOT, &list);
    assert_code(&mut vm, "a", "authenticated");
    assert_code(&mut vm, "b", "unknown_client");
}

#[test]
fn bearer_only_clients_are_left_out_without_a_word_and_bad_keys_with_one() {
    let configuration = SNAPSHOT.replacen('{', r#"{"unregistered_clients": "pass", "#, 1);
    let broker = json!({ "clientId": "broker", "clientAuthenticatorType": "client-secret", "bearerOnly": true });
    let certificate = certificate();
    let keys = json!({ "keys": [{ "kty": "EC", "use": "enc", "x5c": ["AAAA"] }, { "kty": "EC", "x5c": [certificate.x5c()] }] });
    let own = json!({ "client_id": "s", "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": keys });
    let mut vm = loaded(&Process::new(), &configuration, &json!([broker, own]));
    assert_code(&mut vm, "broker", "unknown_client");
    let presented = run::connection_of(Some(&certificate), Some(true));
    let outcome = send(&mut vm, presented, &post("s"), Delivery::WholeBody).expect("no fault");
    assert_eq!(code(&outcome), "authenticated");
    assert_eq!(vm.metric("tls_client_auth.registry_clients"), Some(1));
    let logs = logs(&mut vm);
    for expected in [
        "1 clients: 1 added, 0 removed, 0 changed, 0 refused",
        "left out /1/jwks/keys/0/use: expected \"sig\"",
    ] {
        assert!(logs.iter().any(|line| line.contains(expected)), "{expected}: {logs:?}");
    }
    assert!(
        logs.iter().all(|line| !line.contains(" refused /") && !line.contains("broker")),
        "{logs:?}"
    );
}

#[test]
fn one_lookup_for_all_who_wait() {
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    let deliveries =
        [Delivery::WholeBody, Delivery::Trailers, Delivery::EmptyDataAtEnd, Delivery::SmallChunks];
    let waiting: Vec<_> =
        deliveries.iter().map(|delivery| wait_for(&mut vm, "a", *delivery)).collect();
    let stranger = wait_for(&mut vm, "x/y", Delivery::WholeBody);
    let calls = vm.calls();
    assert_eq!(
        calls.iter().map(HttpCall::path).collect::<Vec<_>>(),
        ["/clients/a", "/clients/x%2Fy"]
    );
    assert_eq!(vm.waiting().len(), 5);
    give(&mut vm, &calls[0], 200, &client("a"));
    for id in waiting {
        assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    }
    assert_eq!(vm.waiting(), [stranger]);
    give(&mut vm, &calls[1], 404, &Value::Null);
    assert_eq!(code(&closed(&mut vm, stranger)), "unknown_client");
    // Both are held now.
    assert_code(&mut vm, "a", "authenticated");
    assert_code(&mut vm, "x/y", "unknown_client");
    assert!(vm.calls().is_empty());
    elapse(&mut vm, Duration::from_secs(11));
    let again = wait_for(&mut vm, "x/y", Delivery::WholeBody);
    assert_eq!(only_call(&vm).path(), "/clients/x%2Fy");
    closed(&mut vm, again);
}

#[test]
fn a_lookup_that_fails_is_no_pass() {
    for failure in 0..4 {
        let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
        let id = wait_for(&mut vm, "a", Delivery::WholeBody);
        let call = only_call(&vm);
        match failure {
            0 => vm.fail(call.token).expect("no fault"),
            1 => give(&mut vm, &call, 500, &Value::Null),
            2 => give(&mut vm, &call, 200, &client("b")),
            _ => give(&mut vm, &call, 200, &json!({"error": "x"})),
        }
        let outcome = closed(&mut vm, id);
        assert_eq!(
            (code(&outcome).as_str(), status(&outcome)),
            ("registry_unavailable", Some(503))
        );
        assert_eq!(vm.metric("tls_client_auth.registry_refresh_failed"), Some(1));
        assert!(
            logs(&mut vm)
                .iter()
                .any(|line| line.contains("client_id=\"a\"") && line.contains("no usable answer"))
        );
        assert!(logs(&mut vm).iter().all(|line| !line.contains("secret")));
    }
    // Who was seen before outlives the registry.
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    for status in [200, 500] {
        let id = wait_for(&mut vm, "a", Delivery::WholeBody);
        let call = only_call(&vm);
        give(&mut vm, &call, status, &client("a"));
        assert_eq!(code(&closed(&mut vm, id)), "authenticated");
        elapse(&mut vm, Duration::from_secs(61));
    }
    assert!(logs(&mut vm).iter().any(|line| line.contains("is served from memory: status 500")));
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    vm.set_unreachable(&[REGISTRY]);
    assert_code(&mut vm, "a", "registry_unavailable");
    vm.set_clusters(&[]);
    assert_code(&mut vm, "a", "registry_unavailable");
}

#[test]
fn who_leaves_takes_nobody_along() {
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    let first = wait_for(&mut vm, "a", Delivery::WholeBody);
    let (second, third) =
        (wait_for(&mut vm, "a", Delivery::WholeBody), wait_for(&mut vm, "a", Delivery::Trailers));
    let call = only_call(&vm);
    closed(&mut vm, third);
    closed(&mut vm, first);
    // The answer would have gone to the one that is gone; it is asked for again.
    tick(&mut vm);
    let calls = vm.calls();
    assert_eq!(calls.len(), 2);
    give(&mut vm, &call, 200, &client("a"));
    assert_eq!(vm.waiting(), [second]);
    give(&mut vm, &calls[1], 200, &client("a"));
    assert_eq!(code(&closed(&mut vm, second)), "authenticated");

    // Nobody is left: nothing is asked for again, and the late answer hurts nobody.
    let alone = wait_for(&mut vm, "b", Delivery::WholeBody);
    let call = only_call(&vm);
    closed(&mut vm, alone);
    tick(&mut vm);
    assert_eq!(vm.calls().len(), 1);
    give(&mut vm, &call, 200, &client("b"));
    assert_code(&mut vm, "a", "authenticated");
}

#[test]
fn a_new_configuration_does_not_wait_for_the_old_one() {
    let mut vm = start_in(&Process::new(), SNAPSHOT.as_bytes(), CLOCK);
    tick_until_call(&mut vm);
    let other = SNAPSHOT.replace("/clients", "/v2");
    vm.reconfigure(other.as_bytes()).expect("it is accepted");
    let call = tick_until(&mut vm, |vm| vm.calls().into_iter().find(|call| call.path() == "/v2"));
    give(&mut vm, &call, 200, &json!([client("new")]));
    elapse(&mut vm, Duration::from_secs(1));
    assert_code(&mut vm, "new", "authenticated");
    // The same registry, refreshed less often: its list is there at once.
    let slower = other.replace("10s", "20s");
    vm.reconfigure(slower.as_bytes()).expect("it is accepted");
    assert_code(&mut vm, "new", "authenticated");
}

#[test]
fn tenants_have_their_own_registries() {
    let configuration = json!({
        "registry": {"cluster": "registry", "authority": "registry.test", "path": "/top"},
        "tenants": [
            {"hosts": ["a.example.com"], "registry": {"cluster": "registry", "authority": "registry.test", "path": "/a/{client_id}", "mode": "lookup"}},
            {"hosts": ["b.example.com"], "clients": [client("b")]},
        ],
    });
    let mut vm = loaded(&Process::new(), &configuration.to_string(), &json!([client("top")]));
    let at = |host: &str, client_id: &str| Request { host: host.into(), ..post(client_id) };
    for (host, client_id, expected) in [
        ("b.example.com", "b", "authenticated"),
        ("b.example.com", "top", "unknown_client"),
        ("other.example.com", "top", "authenticated"),
        ("other.example.com", "b", "unknown_client"),
    ] {
        let connection = verified().with(REQUESTED_SERVER_NAME, host);
        let outcome =
            send(&mut vm, connection, &at(host, client_id), Delivery::WholeBody).expect("no fault");
        assert_eq!(code(&outcome), expected, "{host} {client_id}");
    }
    let connection = verified().with(REQUESTED_SERVER_NAME, "a.example.com");
    let id = deliver(&mut vm, connection, &at("a.example.com", "a"), Delivery::WholeBody)
        .expect("no fault");
    let call = only_call(&vm);
    assert_eq!(call.path(), "/a/a");
    give(&mut vm, &call, 200, &client("a"));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    assert_eq!(
        vm.metric("tls_client_auth.registry_clients"),
        Some(2),
        "the embedded one and the fetched one"
    );
}
