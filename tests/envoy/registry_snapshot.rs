//! Client lists that change while Envoy runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::bootstrap::Listener;
use super::process::eventually;
use super::registry::{Registry, Reply, client, decided, request, snapshot, start};
use super::wire;

#[tokio::test]
async fn clients_are_added_and_removed_on_every_worker() {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["seed"]).etag("\"1\""));
    let configuration =
        snapshot("/clients", json!({ "headers": { "authorization": "Bearer secret" } }));
    let envoy = start(4, &registry, vec![Listener::new("gate", &configuration)]).await;
    decided(&envoy, "gate", "seed", "authenticated").await;
    request(&envoy, "gate", "new").await.assert_is("unknown_client");
    registry.serve("/clients", Reply::clients(&["seed", "new"]).etag("\"2\""));
    decided(&envoy, "gate", "new", "authenticated").await;
    assert_eq!(envoy.metric("registry_clients").await, 2);
    registry.serve("/clients", Reply::clients(&["new"]).etag("\"3\""));
    decided(&envoy, "gate", "seed", "unknown_client").await;
    request(&envoy, "gate", "new").await.assert_is("authenticated");
    for line in
        ["1 clients: 1 added", "added client_id=\\\"new\\\"", "removed client_id=\\\"seed\\\""]
    {
        let line = line.replace('\\', "");
        envoy.log_line(&line).await;
    }
    assert_eq!(envoy.metric("registry_refresh_failed").await, 0);
    assert!(envoy.metric("registry_refresh_ok").await >= 3);

    // One VM sends the requests, independent of the number of workers, and they are conditional.
    let asked = registry.asked("/clients");
    let before = asked.len();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let asked = registry.asked("/clients");
    assert!((2..=5).contains(&(asked.len() - before)), "{} requests in 3 s", asked.len() - before);
    assert_eq!(wire::field(asked.last().expect("asked"), "if-none-match"), Some("\"3\""));
    for (name, value) in [
        ("authorization", "Bearer secret"),
        ("accept", "application/json"),
        ("host", "registry.test"),
    ] {
        assert_eq!(wire::field(&asked[0], name), Some(value));
    }
    assert!(!envoy.log().contains("secret"));
    assert!(envoy.metric("registry_age_seconds").await <= 3);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn unusable_entries_and_formats_of_other_servers() {
    let registry = Registry::start().await;
    let bad = json!({ "client_id": "bad", "token_endpoint_auth_method": "tls_client_auth" });
    registry.serve("/bad", Reply::json(&json!({ "clients": [bad, client("good")] })));
    registry.serve("/nameless", Reply::json(&json!({ "clients": [client("good"), 7] })));
    let dn = client("")["tls_client_auth_subject_dn"].clone();
    let authlete = json!({
        "clientId": 4_326_385_670_u64, "clientIdAlias": "alias", "clientIdAliasEnabled": true,
        "tokenAuthMethod": "TLS_CLIENT_AUTH", "tlsClientAuthSubjectDn": dn,
    });
    registry.serve(
        "/authlete",
        Reply::json(&json!({ "start": 0, "end": 1, "totalCount": 1, "clients": [authlete] })),
    );
    let keycloak = |id: &str, literal: bool| {
        let mut attributes = json!({ "x509.subjectdn": dn });
        if literal {
            attributes["x509.allow.regex.pattern.comparison"] = "false".into();
        }
        json!({
            "id": "1", "clientId": id, "enabled": true,
            "clientAuthenticatorType": "client-x509", "attributes": attributes,
        })
    };
    registry.serve(
        "/keycloak",
        Reply::json(&json!([keycloak("literal", true), keycloak("pattern", false)])),
    );
    let foreign = json!([
        { "client_id": "auth0",
            "client_authentication_methods": { "tls_client_auth": { "credentials": [] } } },
        { "CLIENT_ID": "spring", "CLIENT_AUTHENTICATION_METHODS": "tls_client_auth" },
        { "clientId": "camel", "tokenEndpointAuthMethod": "tls_client_auth",
            "tlsClientAuthSubjectDn": dn },
        { "ClientId": "duende", "ClientSecrets": [{ "Type": "X509Thumbprint", "Value": "AB" }] },
        { "clientId": "ping", "enabled": true, "clientAuth": { "type": "CERTIFICATE" } },
        { "client_id": "thumbprints",
            "certificate_thumbprints": ["47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"] },
        { "clientId": "broker", "clientAuthenticatorType": "client-secret", "bearerOnly": true },
        client("own"),
    ]);
    registry.serve("/foreign", Reply::json(&foreign));
    let listeners = ["bad", "nameless", "authlete", "keycloak", "foreign"].map(|name| {
        let mut configuration = snapshot(&format!("/{name}"), json!({}));
        // The client of an unusable entry must not pass as unregistered.
        configuration["unregistered_clients"] = "pass".into();
        Listener::new(name, &configuration)
    });
    let envoy = start(1, &registry, listeners.into()).await;
    for (listener, client_id, code) in [
        ("bad", "good", "authenticated"),
        ("bad", "bad", "unknown_client"),
        ("bad", "nobody", "passed_unregistered"),
        // The client of the entry 7 is unknown, so no client counts as unregistered.
        ("nameless", "good", "registry_unavailable"),
        ("nameless", "nobody", "registry_unavailable"),
        ("authlete", "4326385670", "authenticated"),
        ("authlete", "alias", "authenticated"),
        ("keycloak", "literal", "authenticated"),
        // In a regular expression a dot matches any character, and this subject has dots.
        ("keycloak", "pattern", "unknown_client"),
        ("foreign", "own", "authenticated"),
        ("foreign", "auth0", "unknown_client"),
        ("foreign", "spring", "unknown_client"),
        ("foreign", "camel", "unknown_client"),
        ("foreign", "duende", "unknown_client"),
        ("foreign", "ping", "unknown_client"),
        ("foreign", "thumbprints", "unknown_client"),
        ("foreign", "broker", "unknown_client"),
        ("foreign", "nobody", "passed_unregistered"),
    ] {
        decided(&envoy, listener, client_id, code).await;
    }
    envoy.log_line("refused /clients/0: expected exactly one of").await;
    envoy.log_line("an entry names no client").await;
    envoy.log_line("1 clients: 2 added, 0 removed, 0 changed, 1 refused").await;
    envoy.log_line("1 clients: 7 added, 0 removed, 0 changed, 6 refused").await;
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn lists_in_pages() {
    let registry = Registry::start().await;
    registry.serve("/p", Reply::clients(&["one"]).next("/p?page=2"));
    registry.serve("/p?page=2", Reply::clients(&["two"]).next("http://registry.test/p?page=3"));
    registry.serve("/p?page=3", Reply::clients(&["three"]));
    let envoy = start(2, &registry, vec![Listener::new("gate", &snapshot("/p", json!({})))]).await;
    for client_id in ["one", "two", "three"] {
        decided(&envoy, "gate", client_id, "authenticated").await;
    }
    // The second of three pages is missing.
    registry.serve("/p?page=2", Reply::status(404));
    registry.serve("/p?page=3", Reply::clients(&["four"]));
    envoy.log_line("/p?page=2: status 404").await;
    request(&envoy, "gate", "three").await.assert_is("authenticated");
    request(&envoy, "gate", "four").await.assert_is("unknown_client");
    registry.serve("/p?page=2", Reply::clients(&["two"]).next("?page=3"));
    decided(&envoy, "gate", "four", "authenticated").await;
    decided(&envoy, "gate", "three", "unknown_client").await;
    envoy.assert_healthy().await;
}

/// An answer of Authlete: clients number `from` up to before `to`, of `total`.
fn authlete(from: u64, to: u64, total: u64) -> Reply {
    let dn = client("")["tls_client_auth_subject_dn"].clone();
    let client = |n: u64| {
        let method = "TLS_CLIENT_AUTH";
        json!({ "clientId": n, "tokenAuthMethod": method, "tlsClientAuthSubjectDn": dn })
    };
    let clients: Vec<Value> = (from..to).map(client).collect();
    Reply::json(&json!({ "start": from, "end": to, "totalCount": total, "clients": clients }))
}

#[tokio::test]
async fn a_list_of_authlete_in_pages() {
    let registry = Registry::start().await;
    let (first, second, third) = (
        "/api/client/get/list",
        "/api/client/get/list?start=5&end=505",
        "/api/client/get/list?start=7&end=507",
    );
    registry.serve(first, authlete(0, 5, 9));
    // An answer may have fewer clients than were asked for.
    registry.serve(second, authlete(5, 7, 9));
    registry.serve(third, authlete(7, 9, 9));
    let envoy = start(2, &registry, vec![Listener::new("gate", &snapshot(first, json!({})))]).await;
    for client_id in ["0", "4", "5", "8"] {
        decided(&envoy, "gate", client_id, "authenticated").await;
    }
    request(&envoy, "gate", "9").await.assert_is("unknown_client");
    for (page, said) in [
        (authlete(7, 7, 9), "an empty page after 7 of 9 entries"),
        (authlete(7, 10, 10), "totalCount was 9 and is 10 on a later page"),
        (authlete(5, 7, 9), "a page begins at 5 instead of 7"),
    ] {
        registry.serve(third, page);
        envoy.log_line(&format!("refresh failed: {third}: not the whole list: {said}")).await;
        for (client_id, code) in
            [("0", "authenticated"), ("8", "authenticated"), ("9", "unknown_client")]
        {
            request(&envoy, "gate", client_id).await.assert_is(code);
        }
    }
    registry.serve(first, authlete(0, 5, 5));
    decided(&envoy, "gate", "8", "unknown_client").await;
    request(&envoy, "gate", "4").await.assert_is("authenticated");
    assert!(envoy.metric("registry_refresh_failed").await >= 3);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_partial_list_lets_no_client_pass() {
    let registry = Registry::start().await;
    let part = |member: &str, value: Value| json!({ "clients": [client("one")], member: value });
    let parts = [
        ("/total", part("total", json!(2)), "it ends with 1 entries, total is 2"),
        ("/more", part("hasMore", json!(true)), "\"hasMore\" says that there is more"),
        (
            "/links",
            part("_links", json!({ "next": { "href": "/2" } })),
            "\"_links\" says that there is more",
        ),
        ("/max?max=1", json!([client("one")]), "exactly the 1 entries that max asks for"),
    ];
    let listeners = parts.iter().map(|(path, part, _)| {
        registry.serve(path, Reply::json(part));
        let mut configuration = snapshot(path, json!({}));
        configuration["unregistered_clients"] = "pass".into();
        Listener::new(
            path.trim_matches(|c: char| !c.is_ascii_lowercase()).split('?').next().expect("a word"),
            &configuration,
        )
    });
    let envoy = start(1, &registry, listeners.collect()).await;
    registry.serve("/2", Reply::clients(&["two"]));
    for (path, part, said) in &parts {
        let listener = path.split(['/', '?']).nth(1).expect("a word");
        envoy.log_line(&format!("refresh failed: {path}: not the whole list: {said}")).await;
        request(&envoy, listener, "two").await.assert_is("registry_unavailable");
        registry.serve(path, Reply::json(part).next("/2"));
        decided(&envoy, listener, "two", "authenticated").await;
        request(&envoy, listener, "one").await.assert_is("authenticated");
        request(&envoy, listener, "three").await.assert_is("passed_unregistered");
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn only_pages_of_one_generation_are_joined() {
    let registry = Registry::start().await;
    registry.serve("/p", Reply::clients(&["one"]).next("/p?page=2").field("x-revision", "1"));
    registry.serve("/p?page=2", Reply::clients(&["two"]).field("x-revision", "2"));
    let members = json!({ "generation_header": "X-Revision" });
    let envoy = start(2, &registry, vec![Listener::new("gate", &snapshot("/p", members))]).await;
    envoy
        .log_line(
            "refresh failed: /p?page=2: not the whole list: the generation_header changed \
        between pages",
        )
        .await;
    let failed = envoy.metric("registry_refresh_failed").await;
    assert!(
        registry.asked("/p").len() as u64 >= 3 * failed,
        "each attempt reads the list three times"
    );
    request(&envoy, "gate", "one").await.assert_is("registry_unavailable");
    registry.serve("/p?page=2", Reply::clients(&["two"]).field("x-revision", "1"));
    for client_id in ["one", "two"] {
        decided(&envoy, "gate", client_id, "authenticated").await;
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn where_unregistered_clients_pass_pages_are_read_twice() {
    let registry = Registry::start().await;
    registry.serve("/p", Reply::clients(&["one"]).next("/p?page=2"));
    registry.serve("/p?page=2", Reply::clients(&["two"]));
    let mut configuration = snapshot("/p", json!({ "refresh": "1h" }));
    let refusing = Listener::new("refusing", &configuration);
    configuration["unregistered_clients"] = "pass".into();
    let envoy = start(2, &registry, vec![refusing, Listener::new("passing", &configuration)]).await;
    for client_id in ["one", "two"] {
        decided(&envoy, "passing", client_id, "authenticated").await;
        decided(&envoy, "refusing", client_id, "authenticated").await;
    }
    request(&envoy, "passing", "three").await.assert_is("passed_unregistered");
    request(&envoy, "refusing", "three").await.assert_is("unknown_client");
    // One filter reads the pages twice, the other once.
    assert_eq!(registry.asked("/p?page=2").len(), 3);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_list_of_many_thousands() {
    let registry = Registry::start().await;
    let ids: Vec<String> = (0..30_000).map(|n| format!("client-{n}")).collect();
    let list: Vec<Value> = ids.iter().map(|id| client(id)).collect();
    registry.serve("/clients", Reply::json(&json!(list)).etag("\"1\""));
    let envoy = start(
        2,
        &registry,
        vec![Listener::new("gate", &snapshot("/clients", json!({ "timeout": "5s" })))],
    )
    .await;
    for id in ["client-0", "client-17", "client-29999"] {
        decided(&envoy, "gate", id, "authenticated").await;
    }
    request(&envoy, "gate", "client-30000").await.assert_is("unknown_client");
    registry.serve("/clients", Reply::json(&json!(list[1..])).etag("\"2\""));
    decided(&envoy, "gate", "client-0", "unknown_client").await;
    request(&envoy, "gate", "client-29999").await.assert_is("authenticated");
    eventually("the gauge", async || {
        (envoy.metric("registry_clients").await == 29_999).then_some(())
    })
    .await;
    envoy.assert_healthy().await;
}
