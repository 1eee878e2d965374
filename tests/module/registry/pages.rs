//! Lists in pages, and lists of which a part is missing.

use serde_json::{Value, json};

use super::{LOOKUP, SNAPSHOT, assert_code, client, closed, give, logs, refreshed, wait_for};
use crate::calls::{answer, only_call, tick, tick_until_call};
use crate::fixture::CLOCK;
use crate::host::{Process, Vm};
use crate::run::{Delivery, code, start_in};

/// An answer of Authlete: clients number `from` up to before `to`, of `total`.
fn authlete(from: u64, to: u64, total: u64) -> Value {
    let client = |n| {
        json!({
            "clientId": n,
            "tokenAuthMethod": "TLS_CLIENT_AUTH",
            "tlsClientAuthSubjectDn": "CN=client",
        })
    };
    let clients: Vec<Value> = (from..to).map(client).collect();
    json!({"clients": clients, "start": from, "end": to, "totalCount": total})
}

/// The path of a page, and the headers and the body of its answer.
type Page<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a Value);

/// Answers the calls for pages, which must come in this order.
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

#[test]
fn nine_clients_of_authlete_in_two_pages() {
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
fn a_partial_list_is_never_taken_as_complete() {
    let part = |member: &str, value: Value| json!({"clients": [client("a")], member: value});
    let bodies = [
        (authlete(0, 5, 9), "a page"),
        (part("totalCount", json!(2)), "it ends with 1 entries, totalCount is 2"),
        (part("total", json!(2)), "it ends with 1 entries, total is 2"),
        (part("total_count", json!(2)), "it ends with 1 entries, total_count is 2"),
        (part("totalResults", json!(2)), "it ends with 1 entries, totalResults is 2"),
        (part("has_more", json!(true)), "\"has_more\" says that there is more"),
        (part("hasMore", json!(true)), "\"hasMore\" says that there is more"),
        (part("next", json!("/2")), "\"next\" says that there is more"),
        (part("nextPageToken", json!("x")), "\"nextPageToken\" says that there is more"),
        (part("next_page_token", json!("x")), "\"next_page_token\" says that there is more"),
        (part("cursor", json!("x")), "\"cursor\" says that there is more"),
        (
            part("@odata.nextLink", json!("https://x/2")),
            "\"@odata.nextLink\" says that there is more",
        ),
        (part("_links", json!({"next": {"href": "/2"}})), "\"_links\" says that there is more"),
        (
            part("links", json!([{"rel": "next", "href": "/2"}])),
            "\"links\" says that there is more",
        ),
        (part("TotalCount", json!(2)), "it ends with 1 entries, totalCount is 2"),
        (part("nextCursor", json!("x")), "\"next_cursor\" says that there is more"),
        (part("last", json!(false)), "\"last\" says that there is more"),
        (part("meta", json!({"total": 2})), "it ends with 1 entries, total is 2"),
        (
            part("page", json!({"totalPages": 2, "number": 0})),
            "\"total_pages\" says that there is more",
        ),
        (json!([client("a")]), "exactly the 1 entries that max asks for"),
    ];
    // The clients of the missing part would pass as unregistered.
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
        // With a link to the rest it is a page. It is read twice, because unregistered clients
        // pass.
        let (first, rest) =
            (("/clients?max=1", &[("link", "</2>; rel=next")][..], body), json!([client("b")]));
        let second = ("/2", &[][..], &rest);
        give_pages(&mut vm, &[first, second, first, second]);
        assert_code(&mut vm, "a", "authenticated");
        assert_code(&mut vm, "b", "authenticated");
        assert_code(&mut vm, "c", "passed_unregistered");
    }
    // A first page of Authlete without its second is not a list.
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
fn a_list_without_a_sign_of_more_is_complete() {
    let silent = json!({
        "clients": [client("a")],
        "totalCount": 1, "total": null, "total_count": 0, "totalResults": "",
        "has_more": false, "hasMore": null, "last": true,
        "next": null, "nextPageToken": "", "next_page_token": null, "cursor": 0,
        "@odata.nextLink": "", "_links": {"self": {"href": "/1"}},
        "links": [{"rel": "self", "href": "/1"}],
        "page": {"number": 0, "totalPages": 1, "totalElements": {"value": 1, "relation": "eq"}},
    });
    for list in [silent, json!([client("a"), client("b")])] {
        let configuration = SNAPSHOT.replace("/clients", "/clients?limit=1");
        let mut vm = start_in(&Process::new(), configuration.as_bytes(), CLOCK);
        give_pages(&mut vm, &[("/clients?limit=1", &[], &list)]);
        assert_code(&mut vm, "a", "authenticated");
        assert_eq!(refreshed(&vm), (1, 0));
    }
    // The answer to a lookup is not a list.
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    let id = wait_for(&mut vm, "a", Delivery::WholeBody);
    let call = only_call(&vm);
    give(&mut vm, &call, 200, &json!({"clients": [client("a")], "totalCount": 7, "next": "/2"}));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
}

#[test]
fn pages_of_two_generations_are_never_joined() {
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
fn where_unregistered_clients_pass_pages_are_read_until_two_readings_agree() {
    let list = |ids: &[&str]| ids.iter().map(|id| client(id)).collect::<Value>();
    let link = [("link", "</2>; rel=next")];
    let read = |vm: &mut Vm, first: &[&str], second: &[&str]| {
        give_pages(vm, &[("/clients", &link, &list(first)), ("/2", &[], &list(second))]);
    };
    let top: Value = serde_json::from_str(SNAPSHOT).expect("JSON");
    let mut passing = top.clone();
    passing["unregistered_clients"] = "pass".into();
    // One tenant that lets unregistered clients pass is enough: all tenants use the same list.
    let mut tenant = top.clone();
    tenant["tenants"] = json!([
        {"hosts": ["other.example.com"], "unregistered_clients": "pass"},
        {"hosts": ["as.example.com"]},
    ]);
    tenant["peer_certificate"] = json!({"server_name": "ignore"});
    for configuration in [passing, tenant] {
        let mut vm = start_in(&Process::new(), configuration.to_string().as_bytes(), CLOCK);
        read(&mut vm, &["a"], &["c"]);
        assert_eq!(
            refreshed(&vm),
            (0, 0),
            "b may have moved between the pages while they were read"
        );
        assert_code(&mut vm, "b", "registry_unavailable");
        read(&mut vm, &["a", "b"], &["c"]);
        assert_code(&mut vm, "b", "registry_unavailable");
        read(&mut vm, &["b", "a"], &["c"]);
        assert_eq!(refreshed(&vm), (1, 0));
        assert_code(&mut vm, "b", "authenticated");
        // The list in force is the first reading.
        read(&mut vm, &["a"], &["b", "c"]);
        assert_eq!(refreshed(&vm), (2, 0));
        // No two readings agree: the old list stays in force.
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
    // Where unregistered clients are refused, one reading is enough.
    let mut vm = start_in(&Process::new(), top.to_string().as_bytes(), CLOCK);
    read(&mut vm, &["a"], &["c"]);
    assert_eq!(refreshed(&vm), (1, 0));
    assert_code(&mut vm, "b", "unknown_client");
}
