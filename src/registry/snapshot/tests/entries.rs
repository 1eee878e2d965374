//! Entries of a list that cannot be used: their clients are never unregistered.

use super::world::{World, client, numbered, page, registry};
use super::*;
use crate::registry::ClientList;

#[test]
fn an_entry_that_cannot_be_used_is_left_out_and_not_unregistered() {
    let bad = r#"{"client_id":"bad","token_endpoint_auth_method":"tls_client_auth"}"#;
    let [c1, c2] = ["c1", "c2"].map(|id| client(id, &format!("CN={id}")));
    let body = format!(r#"{{"clients":[{c1},{bad},7,{c2}]}}"#);
    let mut world = World::new(2, registry(|_| {}), body);
    world.run_until_switched();
    assert!(world.has("c1") && world.has("c2"));
    let Ok(Registration::Unusable(reason)) = world.find(1, "bad") else {
        panic!("{:?}", world.find(1, "bad"))
    };
    assert!(reason.contains("expected exactly one of"), "{reason}");
    let [switched, RefreshEvent::Refused { pointer, .. }, RefreshEvent::Refused { .. }] =
        &world.events[..]
    else {
        panic!("{:?}", world.events)
    };
    assert_eq!(
        *switched,
        RefreshEvent::Switched { clients: 2, refused: 2, added: 3, removed: 0, changed: 0 }
    );
    assert_eq!(pointer, "/clients/1");
}

/// JSON has them (RFC 8259 §6, §8.2, §9), and this filter cannot hold them.
#[test]
fn a_value_that_cannot_be_held_concerns_its_own_client_alone() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for value in [r#""\ud800""#, "1e400", &"9".repeat(400), &deep] {
        // In a member that is not used it is as good as any other.
        let odd = client("odd", "CN=odd").replace('{', &format!(r#"{{"client_name":{value},"#));
        let body = format!("[{},{odd}]", client("c1", "CN=c1"));
        for passes_unregistered in [false, true] {
            let mut world = World::of(1, registry(|_| {}), passes_unregistered, body.as_str());
            world.run_until_switched();
            assert!(world.has("c1") && world.has("odd"), "{body}");
            assert_eq!(world.events.len(), 1, "{:?}", world.events);
        }
        // In a member that is used, the client has an error.
        let bad = r#"{"client_id":"bad","token_endpoint_auth_method":"#;
        let body = format!("[{},{bad}{value}}}]", client("c1", "CN=c1"));
        for passes_unregistered in [false, true] {
            let mut world = World::of(1, registry(|_| {}), passes_unregistered, body.as_str());
            world.run_until_switched();
            assert!(world.has("c1"));
            assert!(matches!(world.find(0, "bad"), Ok(Registration::Unusable(_))), "{body}");
            let [_, RefreshEvent::Refused { pointer, .. }] = &world.events[..] else {
                panic!("{:?}", world.events)
            };
            assert_eq!(pointer, "/1/token_endpoint_auth_method");
        }
        // Where it is an identifier, the entry may be any client's.
        let name = r#""token_endpoint_auth_method":"none""#;
        let alone = [value.to_owned(), format!(r#"{{"client_id":{value},{name}}}"#)];
        let beside = [
            format!(r#"{{"id":{value},"appId":"a",{name}}}"#),
            format!(r#"{{"clientId":1,"clientIdAlias":{value},{name}}}"#),
        ];
        // An array is no further identifier.
        let beside = beside.into_iter().filter(|_| *value != *deep);
        for entry in alone.into_iter().chain(beside) {
            let body = format!("[{},{entry}]", client("c1", "CN=c1"));
            let mut world = World::of(1, registry(|_| {}), true, body.as_str());
            world.run(Duration::from_secs(3));
            assert!(
                matches!(world.failures().first(), Some(FetchError::Unidentified(_))),
                "{entry}: {:?}",
                world.events
            );
            let mut world = World::of(1, registry(|_| {}), false, body.as_str());
            world.run_until_switched();
            assert!(world.has("c1"));
            assert!(matches!(world.events.last(), Some(RefreshEvent::Refused { .. })));
        }
    }
    // A name that is not Unicode is no known one, but may be nearly one.
    let odd = client("odd", "CN=odd").replace('{', r#"{"\ud800":1,"#);
    let near = client("near", "CN=near").replace('{', r#"{"\u0074ls_client_auth_\ud800":1,"#);
    let mut world = World::new(1, registry(|_| {}), format!("[{odd},{near}]"));
    world.run_until_switched();
    assert!(world.has("odd"));
    assert!(matches!(world.find(0, "near"), Ok(Registration::Unusable(_))));
}

#[test]
fn a_client_id_that_the_list_has_twice_is_unusable() {
    let [a, b, other] =
        [("a", "a"), ("b", "b"), ("a", "evil")].map(|(id, name)| client(id, &format!("CN={name}")));
    let mut world = World::new(2, registry(|_| {}), format!("[{a},{b},{other}]"));
    world.run_until_switched();
    assert_eq!(
        world.find(0, "a"),
        Ok(Registration::Unusable("the list has this client_id twice".into()))
    );
    assert!(world.has("b"));
}

#[test]
fn a_bearer_only_client_is_not_counted_not_reported_and_not_unregistered() {
    let bearer = |id: &str| {
        format!(
            r#"{{"clientId":"{id}","clientAuthenticatorType":"client-secret","bearerOnly":true}}"#
        )
    };
    let secret = r#"{"clientId":"broker","clientAuthenticatorType":"client-secret"}"#.to_owned();
    let of =
        |entries: &[String]| page(format!("[{},{}]", client("c1", "CN=c1"), entries.join(",")));
    let first = of(&[bearer("broker"), bearer("realm-management")]);
    let mut world = World::new(2, registry(|_| {}), first.body);
    world.run_until_switched();
    assert_eq!(
        world.events,
        [RefreshEvent::Switched { clients: 1, refused: 0, added: 1, removed: 0, changed: 0 }]
    );
    for vm in 0..2 {
        let Ok(Registration::Unusable(reason)) = world.find(vm, "broker") else {
            panic!("{:?}", world.find(vm, "broker"))
        };
        assert!(reason.contains("bearer-only"), "{reason}");
    }
    assert_eq!(world.vm(0).state().unwrap().0, 1);
    // The same list again is a confirmation.
    world.events.clear();
    world.run(Duration::from_secs(10));
    assert_eq!(world.events, [RefreshEvent::Confirmed]);
    // A list with other bearer-only clients is another list, also where one of them becomes a
    // client that authenticates.
    for (entries, added, removed) in [
        (vec![bearer("broker"), bearer("other")], 0, 0),
        (vec![secret, bearer("other")], 1, 0),
        (vec![bearer("broker"), bearer("other")], 0, 1),
    ] {
        world.events.clear();
        world.serve("/clients", of(&entries));
        world.run_until_switched();
        let clients = 1 + added;
        assert_eq!(
            world.events[0],
            RefreshEvent::Switched { clients, refused: 0, added, removed, changed: 0 }
        );
        assert!(matches!(world.find(1, "other"), Ok(Registration::Unusable(_))));
        assert_eq!(world.find(1, "realm-management"), Ok(Registration::Unregistered));
        assert_eq!(world.has("broker"), added == 1);
    }
    assert!(matches!(world.find(0, "broker"), Ok(Registration::Unusable(_))));
}

#[test]
fn a_key_that_is_left_out_is_reported_and_its_client_is_usable() {
    let client = r#"{
        "client_id": "s", "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks": {"keys": [
            {"kty": "EC", "x5t#S256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"},
            {"kty": "EC", "use": "enc", "x5c": ["AAAA"]}
        ]}
    }"#;
    let mut world = World::new(1, registry(|_| {}), format!(r#"{{"clients":[7,{client}]}}"#));
    world.run_until_switched();
    assert!(world.has("s"));
    assert_eq!(
        world.events[0],
        RefreshEvent::Switched { clients: 1, refused: 1, added: 1, removed: 0, changed: 0 }
    );
    let lines: Vec<_> = world.events.iter().skip(1).map(ToString::to_string).collect();
    assert!(lines[0].starts_with("refused /clients/0: "), "{lines:?}");
    assert_eq!(
        lines[1],
        "left out /clients/1/jwks/keys/1/use: expected \"sig\": other keys are not for signatures"
    );
    assert_eq!(lines.len(), 2);
    world.events.clear();
    world.run(Duration::from_secs(10));
    assert_eq!(world.events, [RefreshEvent::Confirmed], "reported only with a new list");
}

#[test]
fn a_client_in_an_unknown_format_is_not_unregistered() {
    let shapes: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/convert/foreign.json")).unwrap();
    for shape in shapes.as_array().unwrap() {
        let body = format!("[{},{}]", client("c1", "CN=c1"), shape["entry"]);
        let mut world = World::new(1, registry(|_| {}), body);
        world.run_until_switched();
        assert!(world.has("c1"));
        let client_id = shape["client_id"].as_str().unwrap_or("f");
        match world.find(0, client_id) {
            Ok(Registration::Unusable(reason)) => {
                assert!(reason.contains(shape["says"].as_str().unwrap()), "{shape}: {reason}");
            }
            // The entry states another identifier.
            Ok(Registration::Doubtful)
                if shape["name"] == "blanks round it" || shape["entry"]["clientIdAlias"] == "f" => {
            }
            other => panic!("{shape}: {other:?}"),
        }
    }
}

/// Any client may be the one of such an entry, and would pass as unregistered.
#[test]
fn an_entry_that_identifies_no_client_fails_the_refresh_where_unregistered_clients_pass() {
    for (entry, expected) in [
        ("7", "/1: expected client metadata"),
        ("{}", "/1: expected the member client_id"),
        (r#"{"client_id":18446744073709551616}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":1e300}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":" ","name":"a"}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":["a",{"of":"b"}]}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":{"of":"b"},"id":"a"}"#, "/1/client_id: expected a client_id"),
        (r#"{"id":"a","credentials":{"client_id":1e30}}"#, "/1: expected the member client_id"),
        (r#"{"client_id":{"a":"b"}}"#, "/1/client_id: expected a client_id"),
        (
            r#"{"clientId":1e30,"tokenAuthMethod":"NONE","entityId":"x"}"#,
            "/1/clientId: expected a whole number",
        ),
        (
            r#"{"clientId":null,"tokenAuthMethod":"NONE",
                "clientIdAlias":"x","clientIdAliasEnabled":true}"#,
            "/1/clientId: expected a whole number",
        ),
        (r#"{"clientId":true,"tokenAuthMethod":"NONE"}"#, "/1/clientId: expected a whole number"),
    ] {
        let body = format!("[{},{entry}]", client("c2", "CN=c2"));
        let mut world = World::of(1, registry(|_| {}), true, numbered(1, 2));
        world.run_until_switched();
        let FetchError::Unidentified(reason) = world.keeps_the_list(page(body.clone())) else {
            panic!("{entry}")
        };
        assert!(reason.starts_with(expected), "{entry}: {reason}");
        assert!(!world.has("c2"), "{entry}");
        assert_eq!(world.slots_in_use(), 1, "{entry}");
        // Where unregistered clients are refused, the other clients of the list are used.
        let mut world = World::new(1, registry(|_| {}), body);
        world.run_until_switched();
        assert!(world.has("c2") && world.failures().is_empty(), "{entry}");
    }
}

#[test]
fn an_entry_that_identifies_its_client_does_not_fail_the_refresh() {
    // Whoever registers dynamically may choose members that no format has beside a client_id.
    let body = format!(
        r#"[{}, {{"client_id":"bad","peer":{{"client_id":true}}}}, {{"client_id":-1}},
            {{"client_id":{{}},"id":7}}, {{"client_id":"a","clientId":true}},
            {{"client_id":"b","clientId":"\ud800"}}, {{"client_id":"c","entity_id":1e30,"jwk":1}},
            {{"client_id":"d","clientId":[{}]}}]"#,
        client("c2", "CN=c2"),
        (0..1_000).map(|number| format!("\"x{number}\"")).collect::<Vec<_>>().join(",")
    );
    let mut world = World::of(1, registry(|_| {}), true, body);
    world.run_until_switched();
    assert!(world.has("c2") && world.failures().is_empty());
    for client_id in ["bad", "-1", "7", "a", "b", "c", "d"] {
        assert!(matches!(world.find(0, client_id), Ok(Registration::Unusable(_))), "{client_id}");
    }
    for client_id in ["x0", "x255"] {
        assert_eq!(world.find(0, client_id), Ok(Registration::Doubtful), "{client_id}");
    }
}

/// Otherwise one entry of a megabyte could take a gigabyte of every process.
#[test]
fn an_entry_with_many_identifiers_and_long_names_takes_little_memory() {
    let names: Vec<_> = (0..300).map(|number| format!("\"x{number}\"")).collect();
    let (names, long) = (names.join(","), "x".repeat(100_000));
    for entry in [
        format!(r#"{{"client_id":"bad","tls_client_auth_{long}":1,"entity_id":[{names}]}}"#),
        format!(r#"{{"tls_client_auth_{long}":1,"clientId":[{names}]}}"#),
    ] {
        let mut world = World::new(1, registry(|_| {}), format!("[{entry}]"));
        world.run_until_switched();
        let stored: usize = world.process.values.values().map(|(value, _)| value.len()).sum();
        assert!(stored < 20_000, "{stored}");
        for event in &world.events {
            assert!(event.to_string().len() < 2_000, "{event}");
        }
        assert!(!matches!(world.find(0, "x7"), Ok(Registration::Unregistered)));
    }
}

/// Otherwise a client could make any other one unusable by a member of its own entry.
#[test]
fn an_entry_takes_no_identifier_from_the_entry_that_states_it() {
    let method = r#""token_endpoint_auth_method":"none""#;
    for member in [
        r#""clientId":"c2""#,
        r#""clientId":["c2","other"]"#,
        r#""entity_id":"c2","jwk":1"#,
        r#""client_id_alias":"c2","tls_client_auth_x":1"#,
    ] {
        let bad = format!(r#"{{"client_id":"bad",{method},{member}}}"#);
        let good = client("c2", "CN=c2");
        for list in [[&bad, &good], [&good, &bad]] {
            let body = format!("[{},{},{bad}]", list[0], list[1]);
            let mut world = World::of(1, registry(|_| {}), true, body.clone());
            world.run_until_switched();
            assert!(world.has("c2") && world.failures().is_empty(), "{member}");
            let RefreshEvent::Switched { clients: 1, .. } = world.events[0] else {
                panic!("{member}: {:?}", world.events)
            };
            assert!(matches!(world.find(0, "bad"), Ok(Registration::Unusable(_))), "{member}");
            let list = ClientList::parse(body.as_bytes()).unwrap();
            assert!(matches!(list.find("c2"), Registration::Registered(_)), "{member}");
        }
        // Where no entry states it, it is not unregistered.
        let mut world = World::of(1, registry(|_| {}), true, format!("[{bad}]"));
        world.run_until_switched();
        assert_eq!(world.find(0, "c2"), Ok(Registration::Doubtful), "{member}");
        let list = ClientList::parse(format!("[{bad}]").as_bytes()).unwrap();
        assert_eq!(list.find("c2"), Registration::Doubtful, "{member}");
    }
    // Nor from an entry that is left out because its client never authenticates.
    let bearer = r#"{"clientId":"b","clientAuthenticatorType":"client-secret","bearerOnly":true,
        "entityId":"c2","metadataDocumentLocation":"c3"}"#;
    let body = format!("[{},{bearer}]", client("c2", "CN=c2"));
    let mut world = World::of(1, registry(|_| {}), true, body.clone());
    world.run_until_switched();
    assert!(world.has("c2"));
    assert_eq!(world.find(0, "c3"), Ok(Registration::Doubtful));
    let list = ClientList::parse(body.as_bytes()).unwrap();
    assert_eq!(list.find("c3"), Registration::Doubtful);
    // An entry that states none may be that of each that it names.
    let body = format!(r#"[{},{{"clientId":"c2"}}]"#, client("c2", "CN=c2"));
    let mut world = World::of(1, registry(|_| {}), true, body);
    world.run_until_switched();
    assert!(matches!(world.find(0, "c2"), Ok(Registration::Unusable(_))));
}

#[test]
fn the_first_ten_entries_that_cannot_be_used_are_reported() {
    let bad = |n: usize| format!(r#"{{"client_id":"c{n}","tls_client_auth_oops":1}}"#);
    for (refused, reported) in [(9, 9), (10, 10), (11, 10), (50, 10)] {
        let bad: Vec<String> = (0..refused).map(bad).collect();
        let mut world = World::new(1, registry(|_| {}), format!("[{}]", bad.join(",")));
        world.run_until_switched();
        assert_eq!(world.events.len(), 1 + reported, "{refused}");
    }
}

#[test]
fn the_first_ten_clients_that_differ_are_reported() {
    for (added, reported) in [(9, 9), (10, 10), (11, 10), (50, 10)] {
        let mut world = World::new(1, registry(|_| {}), numbered(0, 1));
        world.run_until_switched();
        world.events.clear();
        world.serve("/clients", page(numbered(0, 1 + added)));
        world.run_until_switched();
        assert_eq!(world.events.len(), 1 + reported, "{added}");
    }
}
