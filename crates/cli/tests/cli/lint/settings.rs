//! Settings that are judged one by one.

use serde_json::{Value, json};
use support::certificate::{Authority, AuthoritySpec};
use support::moment::Moment;

use crate::{code, file, run, text, value};

#[test]
fn what_loads_and_may_not_be_intended_is_reported() {
    for (text, wanted) in [
        (r#"{"endpoints": ["/t"], "clients": []}"#, &["/clients: no client"][..]),
        (
            r#"{"endpoints": ["/t"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}], "max_body_bytes": 1048576, "log": "none",
                "unregistered_clients": "pass"}"#,
            &[
                "/unregistered_clients: the backend",
                "/log: refusals leave",
                "/max_body_bytes: Envoy's own 413",
            ],
        ),
        (
            r#"{"clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
            &[": no endpoints"],
        ),
        // What only the filter reads hides nothing.
        (
            r#"{"clients": [{"client_id": "a", "token_endpoint_auth_method": "none",
                "client_name": "\ud800", "x": 1e400}], "log": "none"}"#,
            &["/log: refusals leave", ": no endpoints"],
        ),
        (
            r#"{"endpoints": ["/t"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [
                {"kty": "EC", "x5t#S256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}, {
                    "kty": "EC", "use": "enc", "x5c": ["AAAA"]}, {"kty": "EC", "x5c": []}]}}]}"#,
            &[
                "/clients/0/jwks/keys/1/use: this key is left out: expected \"sig\"",
                "/clients/0/jwks/keys/2/x5c: this key is left out",
            ],
        ),
        (
            r#"{"tenants": [{"hosts": ["a.test"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}]}, {"hosts": ["b.test"], "endpoints": [
                "/t"], "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}]}"#,
            &["/tenants/0: no endpoints"],
        ),
        (
            r#"{"endpoints": ["/t"], "forward": {"keep": ["x-ssl-cert"]}, "clients": [{
                "client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
            &["/forward/keep/0: clients can send this header themselves"],
        ),
        (
            r#"{"endpoints": ["/t"], "peer_certificate": {"source": "forwarded",
                "dialect": "x-ssl-cert"},
                "tenants": [{"hosts": ["a.test"],
                    "forward": {"keep": ["X-SSL-Cert", "client-cert"]},
                    "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}]}"#,
            &[
                "/peer_certificate/dialect: Envoy writes no such header",
                "/tenants/0/forward/keep/1: clients can send",
            ],
        ),
        // A header of its own name, and the hop's word on the chain.
        (
            r#"{"endpoints": ["/t"], "peer_certificate": {"source": "forwarded",
                "trusted_proxies": ["a.test"], "dialect": "der", "header": "X-Cert",
                "verified": {"header": "X-Verify", "values": ["0"]}},
                "forward": {"keep": ["x-cert", "x-verify", "x-ssl-cert"]},
                "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
            &[
                "/peer_certificate/trusted_proxies: a holder of the key",
                "/forward/keep/2: clients can send",
            ],
        ),
        (
            r#"{"endpoints": ["/t"], "peer_certificate": {"source": "forwarded",
                "trusted_proxies": ["a.test"], "dialect": "der",
                "header": "X-Forwarded-Tls-Client-Cert", "verified": {"header": "x-verify",
                "values": ["SUCCESS", "GENEROUS", "NONE", "FAILED:self", "18", "1", "true"]}},
                "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
            &[
                "/peer_certificate/trusted_proxies: a holder of the key",
                "/peer_certificate/header: Traefik with forwardedHeaders.insecure",
                "/peer_certificate/verified/values/0: if Apache writes this",
                "/peer_certificate/verified/values/1: a proxy writes this",
                "/peer_certificate/verified/values/2: a proxy writes this",
                "/peer_certificate/verified/values/3: a proxy writes this",
                "/peer_certificate/verified/values/4: HAProxy and OpenSSL write a number",
            ],
        ),
        (
            r#"{"endpoints": ["/t"], "peer_certificate": {"source": "forwarded",
                "header": "x-cert"},
                "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
            &["/peer_certificate/header: Envoy writes no such header"],
        ),
        // Certificates of clients that did not authenticate by them.
        (
            r#"{"endpoints": ["/t"], "unregistered_clients": "pass",
                "forward": {"thumbprint": "x-t", "certificate_for": "gated"},
                "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
            &[
                "/unregistered_clients: the backend",
                "/forward/certificate_for: with certificate_for, a server gets",
            ],
        ),
        (
            r#"{"endpoints": ["/t"],
                "forward": {"thumbprint": "x-t", "certificate_for": "every_request"},
                "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}],
                "tenants": [{"hosts": ["a.test"], "unregistered_clients": "pass"},
                    {"hosts": ["b.test"], "forward": {"certificate_for": "gated"}}]}"#,
            &[
                "/tenants/0/unregistered_clients: the backend",
                "/tenants/0/unregistered_clients: with certificate_for",
                "/tenants/1/forward/certificate_for: without certificate and thumbprint",
            ],
        ),
        (
            r#"{"endpoints": ["/t"], "unregistered_clients": "pass", "tenants": [
                {"hosts": ["a.test"], "registry": {"cluster": "c", "authority": "a.test",
                    "path": "/", "on_miss": {"path": "/{client_id}"}}},
                {"hosts": ["b.test"], "unregistered_clients": "reject", "registry": {
                    "cluster": "c", "authority": "a.test", "path": "/",
                    "on_miss": {"path": "/{client_id}"}}}, {"hosts": ["c.test"],
                    "registry": {"cluster": "c", "authority": "a.test", "mode": "lookup",
                    "path": "/{client_id}"}}]}"#,
            &[
                "/unregistered_clients: the backend",
                "/tenants/0/registry/on_miss: where the registry answers 404",
                "/tenants/2/registry/mode: where the registry answers 404",
            ],
        ),
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test",
                "path": "/", "allow_empty": true, "headers": {"Authorization": "Bearer x",
                "x-env": "y"}}}"#,
            &[
                "/registry/allow_empty: an empty answer",
                "/registry/headers/Authorization: readable",
            ],
        ),
        // A list may be the first page of a server that does not say so.
        (
            r#"{"endpoints": ["/t"], "unregistered_clients": "pass", "registry": {"cluster": "c",
                "authority": "a.test", "path": "/clients"}, "tenants": [
                {"hosts": ["a.test"], "registry": {"cluster": "c", "authority": "a.test",
                    "path": "/clients?offset=0&limit=all"}},
                {"hosts": ["b.test"], "registry": {"cluster": "c", "authority": "a.test",
                    "path": "/clients?page-Size=100"}},
                {"hosts": ["c.test"], "registry": {"cluster": "c", "authority": "a.test",
                    "path": "/api/1/client/get/list?start=0&end=500"}},
                {"hosts": ["d.test"], "unregistered_clients": "reject", "registry": {
                    "cluster": "c", "authority": "a.test", "path": "/clients"}}]}"#,
            &[
                "/unregistered_clients: the backend",
                "/registry/path: unregistered clients pass, and nothing says",
                "/tenants/0/registry/path: unregistered clients pass, and nothing says",
            ],
        ),
        // A tenant that lets them pass has the registry of the top level.
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test",
                "path": "/clients"}, "tenants": [
                {"hosts": ["a.test"], "unregistered_clients": "pass"}]}"#,
            &[
                "/registry/path: unregistered clients pass, and nothing says",
                "/tenants/0/unregistered_clients: the backend",
            ],
        ),
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test",
                "path": "/clients"}, "tenants": [
                {"hosts": ["a.test"], "unregistered_clients": "pass", "clients": [
                    {"client_id": "a", "token_endpoint_auth_method": "none"}]}]}"#,
            &["/tenants/0/unregistered_clients: the backend"],
        ),
        // Authlete gives five clients where the request does not say how many.
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test",
                "path": "/api/1/client/get/list?start=0"}}"#,
            &["/registry/path: Authlete answers with five clients"],
        ),
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test",
                "path": "/api/1/client/get/list?start=0&end=500"}}"#,
            &[],
        ),
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test",
                "path": "/clients"}}"#,
            &[],
        ),
        (
            r#"{"endpoints": ["/t"], "clients": [
                {"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
                    "tls_client_auth_subject_dn": "C=JP,O=a,CN=b,emailAddress=a@b.test"},
                {"client_id": "b", "token_endpoint_auth_method": "tls_client_auth",
                    "tls_client_auth_subject_dn": "DC=test,DC=a"},
                {"client_id": "c", "token_endpoint_auth_method": "tls_client_auth",
                    "tls_client_auth_san_dns": "*.a.test"}]}"#,
            &[
                "/clients/0/tls_client_auth_subject_dn: this looks like reverse order",
                "/clients/2/tls_client_auth_san_dns: RFC 8705 has no wildcards",
            ],
        ),
        (
            r#"{"endpoints": ["/t"], "clients": [
                {"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": "/C=JP/CN=svc/team=blue"},
                {"client_id": "b", "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": "/C=JP/CN=svc\\/team=blue"}]}"#,
            &["/clients/0/tls_client_auth_subject_dn: \"team\" is no attribute type"],
        ),
        // Realms.
        (
            r#"{"endpoints": ["/realms/*/token", "/token", "/REALMS/shop/x"], "tenants": [
                {"paths": ["/realms/bank", "/realms/shop"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}]},
                {"paths": ["/other"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}]},
                {"paths": ["/own"], "endpoints": ["/own/token", "/token"],
                "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}]}"#,
            &[
                "/endpoints/1: no tenant covers this endpoint",
                "/tenants/1/paths: the paths of this tenant cover no endpoint",
                "/tenants/2/endpoints/1: this endpoint is outside the paths",
                "/tenants/0/paths: several tenants that only the path distinguishes",
            ],
        ),
        (
            r#"{"endpoints": ["/realms/*/token", "/token"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}], "tenants": [
                {"paths": ["/realms/bank"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}]}]}"#,
            &[],
        ),
        (
            r#"{"endpoints": ["/oauth2/**"], "tenants": [
                {"hosts": ["a.test"], "paths": ["/oauth2/deep/realm", "/x"], "clients": [
                {"client_id": "a", "token_endpoint_auth_method": "none"}]}]}"#,
            &[],
        ),
        (
            r#"{"endpoints": ["/*/token"], "tenants": [
                {"hosts": ["a.test"], "paths": ["/a"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}]},
                {"hosts": ["b.test"], "paths": ["/b"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}]}]}"#,
            &[],
        ),
        (
            r#"{"endpoints": ["/*/token"], "tenants": [
                {"hosts": ["a.test"], "paths": ["/a"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}]},
                {"hosts": ["b.test", "A.test"], "paths": ["/b"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}]}]}"#,
            &["/tenants/0/paths: several tenants that only the path distinguishes"],
        ),
        // A certificate that is asked for, of clients that are refused before.
        (
            r#"{"endpoints": ["/t"], "other_methods": "reject", "clients": [
                {"client_id": "a", "token_endpoint_auth_method": "none",
                    "certificate_binding": {"tls_client_auth_subject_dn": "C=JP,O=a,CN=b"}},
                {"client_id": "b", "token_endpoint_auth_method": "none",
                    "certificate_binding": null}]}"#,
            &[
                "/clients/0/certificate_binding/tls_client_auth_subject_dn: this looks like reverse",
                "/clients/0/certificate_binding: other_methods \"reject\" refuses",
            ],
        ),
        (
            r#"{"endpoints": ["/t"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none",
                "certificate_binding": {"tls_client_auth_san_dns": "a.test"}}],
                "tenants": [{"hosts": ["a.test"]},
                    {"hosts": ["b.test"], "other_methods": "reject"}]}"#,
            &["/tenants/1/other_methods: other_methods \"reject\" refuses"],
        ),
        (
            r#"{"endpoints": ["/t"], "other_methods": "reject", "tenants": [
                {"hosts": ["a.test"], "other_methods": "pass", "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none",
                "certificate_binding": {"tls_client_auth_san_dns": "a.test"}}]},
                {"hosts": ["b.test"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none",
                "certificate_binding": {"tls_client_auth_san_dns": "a.test"}}]}]}"#,
            &["/tenants/1/clients/0/certificate_binding: other_methods \"reject\" refuses"],
        ),
        (
            r#"{"endpoints": ["/t"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none",
                "certificate_binding": {"jwks": {"keys": [{"kty": "EC",
                "x5t#S256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"},
                {"kty": "EC", "x5c": []}]}}}]}"#,
            &["/clients/0/certificate_binding/jwks/keys/1/x5c: this key is left out"],
        ),
    ] {
        // In one line, so that the order is that of the rules.
        let config = file("doubts.json", text.replace('\n', ""));
        let output = run(&["lint", &config, "--format", "json"]);
        let found = value(&output);
        let text =
            |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let found: Vec<_> = found
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finding| finding["severity"] != "note")
            .collect();
        let messages: Vec<_> = found
            .iter()
            .map(|finding| format!("{}: {}", text(finding, "pointer"), text(finding, "message")))
            .collect();
        assert!(
            messages.len() == wanted.len()
                && messages
                    .iter()
                    .zip(wanted)
                    .all(|(messages, wanted)| messages.starts_with(wanted)),
            "{messages:#?}"
        );
        assert!(
            found
                .iter()
                .all(|finding| finding["severity"] == "doubtful" && finding["line"].is_u64())
                && code(&output) == 0
        );
    }
}

/// Members of the configuration that are wrong only together.
#[test]
fn tenants_that_the_server_name_does_not_distinguish() {
    let tenant = |hosts: &str, more: &str| {
        format!(
            r#"{{"hosts": [{hosts}], "endpoints": ["/t"], {more} "clients": [{{"client_id": "a",
                "token_endpoint_auth_method": "none"}}]}}"#
        )
    };
    let (a, b) = (r#""a.example""#, r#""b.example""#);
    let hop = r#""peer_certificate": {"source": "forwarded", "trusted_proxies": [
        "spiffe://mesh/gateway"]},"#;
    let of_hop = "several tenants by host behind one hop";
    let nameless = "clients reach this host without a server name";
    for (top, tenants, wanted) in [
        ("", vec![tenant(a, ""), tenant(b, "")], &[][..]),
        // One host is one server name, whatever is behind it.
        ("", vec![tenant(r#""localhost""#, ""), tenant(r#""localhost""#, "")], &[]),
        (hop, vec![tenant(a, ""), tenant(b, "")], &[("/peer_certificate/trusted_proxies", of_hop)]),
        (hop, vec![tenant(a, "")], &[]),
        (
            "",
            vec![tenant(a, hop), tenant(b, hop)],
            &[
                ("/tenants/0/peer_certificate/trusted_proxies", of_hop),
                ("/tenants/1/peer_certificate/trusted_proxies", of_hop),
            ],
        ),
        ("", vec![tenant(r#"a, "192.0.2.1""#.replace('a', a).as_str(), ""), tenant(b, "")], &[]),
        (
            "",
            vec![tenant(r#""192.0.2.1""#, ""), tenant(r#""b.example", "localhost""#, "")],
            &[("/tenants/0/hosts/0", nameless), ("/tenants/1/hosts/1", nameless)],
        ),
        (
            "",
            vec![tenant(r#""[2001:db8::1]""#, ""), tenant(r#""as""#, "")],
            &[("/tenants/0/hosts/0", nameless), ("/tenants/1/hosts/0", nameless)],
        ),
        (
            r#""endpoints": ["/t"], "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "none"}],"#,
            vec![tenant(r#""localhost""#, "")],
            &[("/tenants/0/hosts/0", nameless)],
        ),
    ] {
        let text = format!("{{{top} \"tenants\": [{}]}}", tenants.join(","));
        let found = value(&run(&["lint", &file("tenants.json", &text), "--format", "json"]));
        // The hop itself is doubtful, whatever is behind it.
        let found = found
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finding| finding["severity"] == "doubtful");
        let found: Vec<_> = found
            .filter(|f| {
                !f["message"].as_str().unwrap_or_default().starts_with("a holder of the key of one")
            })
            .collect();
        let messages: Vec<_> = found
            .iter()
            .map(|f| {
                (
                    f["pointer"].as_str().unwrap_or_default(),
                    f["message"].as_str().unwrap_or_default(),
                )
            })
            .collect();
        let is_it = |messages: &(&str, &str), wanted: &(&str, &str)| {
            messages.0 == wanted.0 && messages.1.starts_with(wanted.1)
        };
        assert!(
            messages.len() == wanted.len()
                && messages.iter().zip(wanted).all(|(messages, wanted)| is_it(messages, wanted)),
            "{text}: {messages:#?}"
        );
    }
}

/// Such an entry looks like protection, and every revoked certificate passes.
#[test]
fn crls_and_cas_that_do_not_belong_together_are_reported() {
    let ca = |common_name| {
        Value::String(Authority::root(&AuthoritySpec { common_name, ..Default::default() }).pem())
    };
    let crl = |issuers: &[&str]| json!({"cluster": "c", "authority": "crl.test", "path": "/a.crl", "issuers": issuers});
    let all = json!({"cluster": "c", "authority": "crl.test", "path": "/a.crl"});
    let ocsp = json!({"cluster": "c", "hosts": ["ocsp.test"]});
    let (one, others) = (crl(&["CN=one"]), crl(&["CN=Two", "CN=Three"]));
    for (crls, ocsp, wanted) in [
        (vec![&one, &others], None, &["/crl/1/issuers/0"][..]),
        (vec![&one], None, &["/tenants/0/intermediates/0"]),
        (vec![&others], None, &["/crl/0/issuers/0", "/trust_anchors/0"]),
        (vec![&one, &all], None, &[]),
        (vec![&one], Some(&ocsp), &[]),
        (vec![], None, &[]),
    ] {
        let mut configuration = json!({
            "endpoints": ["/t"], "clients": [], "trust_anchors": [ca("One")],
            "tenants": [{"hosts": ["a.test"], "intermediates": [ca("Three")]}],
        });
        if !crls.is_empty() {
            configuration["crl"] = json!(crls);
        }
        if let Some(ocsp) = ocsp {
            configuration["ocsp"] = ocsp.clone();
        }
        let path = file("crls.json", configuration.to_string());
        let found = value(&run(&["lint", &path, "--format", "json"]));
        let pointers = found.as_array().into_iter().flatten();
        let pointers = pointers.filter_map(|finding| finding["pointer"].as_str());
        let parts = ["/crl", "/trust_anchors", "/intermediates"];
        let of_cas = pointers.filter(|pointer| parts.iter().any(|part| pointer.contains(part)));
        let mut of_cas: Vec<&str> = of_cas.collect();
        of_cas.sort_unstable();
        assert_eq!(of_cas, wanted, "{configuration}");
    }
}

/// A chain that ends in such a CA counts for no certificate.
#[test]
fn cas_that_are_not_valid_today_are_reported() {
    let ca = |common_name, not_before, not_after| {
        let validity = (Moment(not_before), Moment(not_after));
        let (not_before, not_after) = validity;
        let spec = AuthoritySpec { common_name, not_before, not_after, ..Default::default() };
        Value::String(Authority::root(&spec).pem())
    };
    // 2000 to 2010, 2100 to 2110, 2000 to 2110
    let old = ca("Old", 946_684_800, 1_262_304_000);
    let coming = ca("Coming", 4_102_444_800, 4_417_977_600);
    let good = ca("Good", 946_684_800, 4_417_977_600);
    let now = jiff::Timestamp::now().as_second();
    let ending = ca("Ending", 946_684_800, now + 29 * 86_400);
    let lasting = ca("Lasting", 946_684_800, now + 31 * 86_400);
    let client = json!({
        "client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=a", "trust_anchors": [good, old],
    });
    let configuration = json!({
        "endpoints": ["/t"], "trust_anchors": [old, good, coming],
        "intermediates": [lasting, ending],
        "peer_certificate": {"chain": "anchors"},
        "tenants": [{"hosts": ["a.test"], "intermediates": [coming], "clients": [client]}],
    });
    let path = file("cas.json", configuration.to_string());
    let found = value(&run(&["lint", &path, "--format", "json"]));
    let member = |finding: &'_ Value, name| finding[name].as_str().unwrap_or_default().to_owned();
    let found: Vec<(String, String)> = found
        .as_array()
        .into_iter()
        .flatten()
        .map(|finding| (member(finding, "pointer"), member(finding, "message")))
        .filter(|(_, message)| message.starts_with("this CA"))
        .collect();
    let pointers: Vec<&String> = found.iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(
        pointers,
        [
            "/trust_anchors/0",
            "/trust_anchors/2",
            "/intermediates/1",
            "/tenants/0/intermediates/0",
            "/tenants/0/clients/0/trust_anchors/1",
        ]
    );
    assert_eq!(
        found[0].1,
        "this CA (CN=Old) is valid from 2000-01-01T00:00:00Z to 2010-01-01T00:00:00Z alone: no \
         certificate counts by it now"
    );
    assert!(found[2].1.contains("which is in less than 30 days"), "{}", found[2].1);
}

/// `lint` says what each entry of `endpoints` gates, and that is no finding.
#[test]
fn what_is_gated_is_listed() {
    let config = file(
        "gated.json",
        r#"{
  "endpoints": ["/token",
    "/oauth/introspect/", "/realms/*/protocol/openid-connect/token", "/v2/**"],
  "tenants": [{"hosts": ["a.example"], "endpoints": ["/"], "clients": []},
    {"hosts": ["b.example"], "clients": []}],
  "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]
}"#,
    );
    let found = value(&run(&["lint", &config, "--format", "json"]));
    let notes: Vec<_> = found
        .as_array()
        .into_iter()
        .flatten()
        .filter(|finding| finding["severity"] == "note")
        .collect();
    let notes: Vec<_> = notes
        .iter()
        .map(|f| (f["line"].as_u64(), f["pointer"].as_str(), f["message"].as_str()))
        .collect();
    assert_eq!(
        notes,
        [
            (Some(2), Some("/endpoints/0"), Some("gates /token in every spelling")),
            (Some(3), Some("/endpoints/1"), Some("gates /oauth/introspect in every spelling")),
            (
                Some(3),
                Some("/endpoints/2"),
                Some("gates /realms/<one segment>/protocol/openid-connect/token in every spelling"),
            ),
            (
                Some(3),
                Some("/endpoints/3"),
                Some("gates /v2 and everything below it in every spelling")
            ),
            (Some(4), Some("/tenants/0/endpoints/0"), Some("gates / in every spelling")),
        ]
    );
    let right = file(
        "right.json",
        r#"{"endpoints": ["/token"], "clients": [{"client_id": "a",
            "token_endpoint_auth_method": "none"}]}"#,
    );
    let output = run(&["lint", &right]);
    assert_eq!(
        text(&output),
        format!(
            "{right}:1: note: /endpoints/0: gates /token in every spelling\nno errors, nothing \
             doubtful\n"
        )
    );
}
