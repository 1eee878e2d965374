use super::*;
use crate::policy::{Chain, TenantPolicy};
use crate::registration::Registration;
use crate::request::Target;

fn parse(text: &str) -> Result<Configuration, JsonError> {
    Configuration::parse(text.as_bytes())
}

fn policy(text: &str, authority: &str) -> Arc<Policy> {
    match parse(text).unwrap().policy_for(authority.as_bytes(), b"/") {
        TenantPolicy::Known(policy) => policy,
        TenantPolicy::Unknown(_) => panic!("{authority} has no tenant"),
    }
}

fn knows(policy: &Policy, client_id: &str) -> bool {
    let RegistrySource::Embedded(registry) = &policy.registry else { return false };
    matches!(registry.find(client_id), Registration::Registered(_))
}

#[test]
fn defaults_are_those_of_the_contract() {
    let policy = policy(r#"{"clients": []}"#, "any");
    assert_eq!(policy.common.mode, Mode::Enforce);
    assert_eq!(*policy.common.forward, Forward::default());
    assert_eq!(policy.endpoints, None);
    assert!(!policy.passes_unregistered_clients);
    assert!(policy.passes_other_methods);
    assert_eq!(policy.max_body_bytes, 65_536);
    assert_eq!(policy.common.peer_certificate.chain, Chain::Connection);
    assert_eq!(parse(r#"{"clients": []}"#).unwrap().log, LogDecisions::Rejections);
}

#[test]
fn tenants_are_chosen_by_host_and_inherit() {
    let text = r#"{
        "max_body_bytes": 7, "mode": "shadow", "log": "all",
        "tenants": [
            {
                "hosts": ["AS.example.com", "*.example.net"],
                "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]
            },
            {
                "hosts": ["*.deep.example.net", "[::1]"], "mode": "enforce",
                "clients": [
                    {"client_id": "b", "token_endpoint_auth_method": "none"},
                    {"client_id": "c", "token_endpoint_auth_method": "none"}
                ]
            }
        ]
    }"#;
    let configuration = parse(text).unwrap();
    assert_eq!(configuration.number_of_clients(), 3);
    for (authority, client, mode) in [
        ("as.example.com:8443", "a", Mode::Shadow),
        ("x.EXAMPLE.net", "a", Mode::Shadow),
        ("x.y.example.net.", "a", Mode::Shadow),
        ("x.deep.example.net", "b", Mode::Enforce),
        ("[::1]:443", "b", Mode::Enforce),
    ] {
        let policy = policy(text, authority);
        assert!(knows(&policy, client), "{authority}");
        assert_eq!((policy.common.mode, policy.max_body_bytes), (mode, 7));
    }
    for authority in [
        "example.net",
        "as.example.com.evil",
        "xas.example.com",
        "",
        ".example.net",
        "xexample.net",
    ] {
        let TenantPolicy::Unknown(unknown) = configuration.policy_for(authority.as_bytes(), b"/")
        else {
            panic!("{authority} has a tenant");
        };
        // An authority that is no host is refused as long as one tenant enforces.
        let is_host = !authority.is_empty() && !authority.starts_with('.');
        assert_eq!(
            unknown.common.mode,
            if is_host { Mode::Shadow } else { Mode::Enforce },
            "{authority}"
        );
    }
    assert_eq!(configuration.mode_of_all(), Mode::Enforce);
    let with_default = r#"{
        "clients": [{"client_id": "d", "token_endpoint_auth_method": "none"}],
        "tenants": [{"hosts": ["a.b"], "mode": "shadow"}]
    }"#;
    assert_eq!(policy(with_default, "c.d").common.mode, Mode::Enforce);
    assert!(knows(&policy(with_default, "a.b"), "d"));
    assert_eq!(parse(with_default).unwrap().number_of_clients(), 1);
}

#[test]
fn every_mistake_has_its_place() {
    for (text, pointer, message) in [
        ("", "", "found nothing"),
        ("[]", "", "expected a configuration object"),
        ("{}", "", "expected the member clients"),
        (r#"{"clients": [], "client": []}"#, "/client", "did you mean \"clients\"?"),
        (r#"{"clients": [], "clients": []}"#, "/clients", "found it twice"),
        (r#"{"clients": {}}"#, "/clients", "expected an array"),
        (r#"{"clients": null}"#, "/clients", "found null"),
        (r#"{"clients": [], "mode": "Shadow"}"#, "/mode", "\"enforce\" or \"shadow\""),
        (r#"{"clients": [], "log": true}"#, "/log", "\"rejections\" or"),
        (r#"{"clients": [], "max_body_bytes": 0}"#, "/max_body_bytes", "from 1 to"),
        (r#"{"clients": [], "max_body_bytes": 1.5}"#, "/max_body_bytes", "from 1 to"),
        (r#"{"clients": [], "max_body_bytes": "1"}"#, "/max_body_bytes", "from 1 to"),
        (r#"{"clients": [], "max_body_bytes": 16777217}"#, "/max_body_bytes", "from 1 to"),
        (r#"{"clients": [], "endpoints": {}}"#, "/endpoints", "an array of paths"),
        (
            r#"{"clients": [], "peer_certificate": {"source": "x"}}"#,
            "/peer_certificate/source",
            "\"connection\"",
        ),
        (
            r#"{"clients": [], "peer_certificate": {"chain": "anchor"}}"#,
            "/peer_certificate/chain",
            "\"listener\"",
        ),
        (
            r#"{"clients": [], "peer_certificate": {"chain": "anchors"}}"#,
            "/peer_certificate/chain",
            "the member trust_anchors",
        ),
        (
            r#"{"clients": [], "peer_certificate": {"chains": "x"}}"#,
            "/peer_certificate/chains",
            "\"chain\"",
        ),
        (r#"{"clients": [], "trust_anchors": []}"#, "/trust_anchors", "at least one trust anchor"),
        (r#"{"clients": [], "intermediates": ["x"]}"#, "/intermediates/0", "the PEM of one"),
        (r#"{"clients": [], "tenants": []}"#, "/tenants", "empty array"),
        (r#"{"clients": [], "tenants": [{}]}"#, "/tenants/0", "hosts"),
        (r#"{"tenants": [{"hosts": ["a"]}]}"#, "/tenants/0", "clients"),
        (
            r#"{"clients": [], "tenants": [{"hosts": ["a", "A"]}]}"#,
            "/tenants/0/hosts/1",
            "not named before",
        ),
        (
            r#"{"clients": [], "tenants": [{"hosts": ["*.a"]}, {"hosts": ["*.A"]}]}"#,
            "/tenants/1/hosts/0",
            "not named before",
        ),
        (
            r#"{"clients": [], "tenants": [{"hosts": ["a:443"]}]}"#,
            "/tenants/0/hosts/0",
            "without port",
        ),
        (r#"{"clients": [], "tenants": [{"hosts": ["*"]}]}"#, "/tenants/0/hosts/0", "host name"),
        (
            r#"{"clients": [], "tenants": [{"hosts": ["a.*.b"]}]}"#,
            "/tenants/0/hosts/0",
            "host name",
        ),
        (
            r#"{"clients": [], "tenants": [{"hosts": ["a"], "log": "all"}]}"#,
            "/tenants/0/log",
            "unknown member",
        ),
        (
            r#"{"clients": [], "tenants": [{"hosts": ["a"], "tenants": []}]}"#,
            "/tenants/0/tenants",
            "unknown member",
        ),
        (r#"{"clients": [1]}"#, "/clients/0", "client metadata"),
        (r#"{"clients": [{}]}"#, "/clients/0", "client_id"),
        (r#"{"clients": [{"client_id": ""}]}"#, "/clients/0/client_id", "client_id"),
        (r#"{"clients": [{"client_id": " a"}]}"#, "/clients/0/client_id", "blanks"),
        (r#"{"clients": [{"client_id": "a\u0000"}]}"#, "/clients/0/client_id", "control"),
        (r#"{"clients": [{"client_id": 1}]}"#, "/clients/0/client_id", "found a number"),
        (
            r#"{"clients": [
                {"client_id": "a", "token_endpoint_auth_method": "none"},
                {"client_id": "a", "token_endpoint_auth_method": "none"}
            ]}"#,
            "/clients/1/client_id",
            "no other client",
        ),
        (r#"{"clients": [{"client_id": "a", "client_id": "b"}]}"#, "/clients/0/client_id", "twice"),
        (r#"{"clients": [{"clientId": "a"}]}"#, "/clients/0", "client_id"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.pointer, pointer, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
}

/// The error of one client with `members` besides its `client_id`, relative to the client.
fn client_error(members: &str) -> Option<(String, String)> {
    let error = parse(&format!(r#"{{"clients": [{{"client_id": "a", {members}}}]}}"#)).err()?;
    Some((error.pointer.strip_prefix("/clients/0").unwrap().to_owned(), error.message))
}

#[test]
fn clients_are_refused_at_the_place_of_the_mistake() {
    const TLS: &str = r#""token_endpoint_auth_method": "tls_client_auth""#;
    const SELF_SIGNED: &str = r#""token_endpoint_auth_method": "self_signed_tls_client_auth""#;
    let digest = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
    for (members, pointer, message) in [
        (TLS.to_owned(), "", "exactly one of"),
        (
            format!(
                r#"{TLS}, "tls_client_auth_san_dns": "a.b", "tls_client_auth_san_uri": "urn:a""#
            ),
            "",
            "exactly one of",
        ),
        (
            format!(r#"{TLS}, "tls_client_auth_subject_dn": "CNN=x""#),
            "/tls_client_auth_subject_dn",
            "\"CNN\"",
        ),
        (
            format!(r#"{TLS}, "tls_client_auth_subject_dn": ["CN=x"]"#),
            "/tls_client_auth_subject_dn",
            "found an array",
        ),
        (
            format!(r#"{TLS}, "tls_client_auth_san_dns": "a b""#),
            "/tls_client_auth_san_dns",
            "host name",
        ),
        (format!(r#"{TLS}, "tls_client_auth_san_uri": "a""#), "/tls_client_auth_san_uri", "URI"),
        (
            format!(r#"{TLS}, "tls_client_auth_san_ip": "1.2.3""#),
            "/tls_client_auth_san_ip",
            "address",
        ),
        (
            format!(r#"{TLS}, "tls_client_auth_san_email": "a""#),
            "/tls_client_auth_san_email",
            "mailbox",
        ),
        (
            r#""tls_client_auth_san_dsn": "a""#.to_owned(),
            "/tls_client_auth_san_dsn",
            "\"tls_client_auth_san_dns\"",
        ),
        (
            r#""tls_client_auth_issuer": "a""#.to_owned(),
            "/tls_client_auth_issuer",
            "unknown member",
        ),
        (
            r#""certificate_thumbprint": []"#.to_owned(),
            "/certificate_thumbprint",
            "\"certificate_thumbprints\"",
        ),
        (
            r#""token_endpoint_auth_methods": []"#.to_owned(),
            "/token_endpoint_auth_methods",
            "token_endpoint_auth_method",
        ),
        (
            r#""tls_client_auth_san_dns": "a.b""#.to_owned(),
            "",
            "the member token_endpoint_auth_method",
        ),
        (
            r#""client_secret": "x", "jwks_uri": "https://a.test/""#.to_owned(),
            "",
            "the member token_endpoint_auth_method",
        ),
        (
            r#""token_endpoint_auth_method": null"#.to_owned(),
            "",
            "the member token_endpoint_auth_method",
        ),
        (
            r#""token_endpoint_auth_method": "TLS-Client-Auth""#.to_owned(),
            "/token_endpoint_auth_method",
            "\"tls_client_auth\"",
        ),
        (
            r#""token_endpoint_auth_method": "selfSignedTlsClientAuth""#.to_owned(),
            "/token_endpoint_auth_method",
            "\"self_signed_tls_client_auth\"",
        ),
        (
            r#""token_endpoint_auth_method": "self_signed_tls_client_aut""#.to_owned(),
            "/token_endpoint_auth_method",
            "\"self_signed_tls_client_auth\"",
        ),
        (
            r#""token_endpoint_auth_method": """#.to_owned(),
            "/token_endpoint_auth_method",
            "authentication method",
        ),
        (r#""certificate_thumbprints": []"#.to_owned(), "/certificate_thumbprints", "empty array"),
        (
            r#""certificate_binding": {"jwks": {}}"#.to_owned(),
            "/certificate_binding/jwks",
            "at least one key",
        ),
        (r#""trust_anchor": []"#.to_owned(), "/trust_anchor", "did you mean \"trust_anchors\"?"),
        (
            r#""tokenEndpointAuthMethod": "none""#.to_owned(),
            "/tokenEndpointAuthMethod",
            "\"token_endpoint_auth_method\"",
        ),
        (
            r#""tlsClientAuthSanDns": "a.b""#.to_owned(),
            "/tlsClientAuthSanDns",
            "\"tls_client_auth_san_dns\"",
        ),
        (r#""tlsClientAuthIssuer": "a""#.to_owned(), "/tlsClientAuthIssuer", "unknown member"),
        (
            r#""tls-client-auth-issuer": "a""#.to_owned(),
            "/tls-client-auth-issuer",
            "unknown member",
        ),
        (
            r#""certificateThumbprints": ["x"]"#.to_owned(),
            "/certificateThumbprints",
            "\"certificate_thumbprints\"",
        ),
        (r#""certificate_thumbprints": ["x"]"#.to_owned(), "/certificate_thumbprints/0", "SHA-256"),
        (r#""trust_anchors": []"#.to_owned(), "/trust_anchors", "at least one trust anchor"),
        (r#""trust_anchors": [{}]"#.to_owned(), "/trust_anchors/0", "the member subject"),
        (SELF_SIGNED.to_owned(), "", "or jwks_uri"),
        (
            format!(r#"{SELF_SIGNED}, "jwks_uri": "https://keys.example/""#),
            "/jwks_uri",
            "no member jwks_uri at its top level",
        ),
        (format!(r#"{SELF_SIGNED}, "jwks_uri": "http://a/""#), "/jwks_uri", "an https URI"),
        (format!(r#"{SELF_SIGNED}, "jwks_uri": 5"#), "/jwks_uri", "found a number"),
        (
            format!(r#"{SELF_SIGNED}, "jwks": {{"keys": []}}"#),
            "/jwks/keys",
            "an array of keys, at least one",
        ),
        (
            format!(r#"{SELF_SIGNED}, "jwks": {{"keys": [{{"kty": "EC"}}]}}"#),
            "/jwks",
            "x5c or x5t#S256",
        ),
        (
            format!(r#"{SELF_SIGNED}, "jwks": {{"keys": [{{"kty": "EC", "x5t#S256": "x"}}]}}"#),
            "/jwks/keys/0/x5t#S256",
            "thumbprint",
        ),
        (
            format!(r#"{SELF_SIGNED}, "jwks": {{"keys": [{{"kty": "EC", "x5c": []}}]}}"#),
            "/jwks/keys/0/x5c",
            "empty array",
        ),
        (
            format!(r#"{SELF_SIGNED}, "jwks": {{"keys": [{{"kty": "EC", "x5c": ["*"]}}]}}"#),
            "/jwks/keys/0/x5c/0",
            "base64",
        ),
        (
            format!(r#"{SELF_SIGNED}, "jwks": {{"keys": [{{"kty": "EC", "x5c": ["AAAA"]}}]}}"#),
            "/jwks/keys/0/x5c/0",
            "X.509",
        ),
    ] {
        let (found, error) =
            client_error(&members).unwrap_or_else(|| panic!("accepted: {members}"));
        assert_eq!(found, pointer, "{members}: {error}");
        assert!(error.contains(message), "{members}: {error}");
    }
    for members in [
        format!(
            r#"{TLS}, "tls_client_auth_san_dns": "a.b", "tls_client_auth_san_uri": null,
                "jwks": null"#
        ),
        format!(
            r#"{SELF_SIGNED}, "jwks": {{"keys": [
                {{"kty": "EC"}}, {{"kty": "EC", "x5t#S256": "{digest}", "x5c": null}}
            ]}}"#
        ),
        format!(
            r#"{TLS}, "tls_client_auth_san_dns": "a.b", "certificate_thumbprints": ["{digest}"],
                "client_name": "x", "client_uri": "y", "jwks_uri": "z", "scope": "s""#
        ),
        r#""token_endpoint_auth_method": "none", "client_id_issued_at": 1, "redirect_uris": [],
            "tls_client_certificate_bound_access_tokens": true"#
            .to_owned(),
    ] {
        assert_eq!(client_error(&members), None, "{members}");
    }
}

#[test]
fn shadow_of_all_needs_the_top_level_and_every_tenant() {
    for (text, mode) in [
        (r#"{"clients": []}"#, Mode::Enforce),
        (r#"{"clients": [], "mode": "shadow"}"#, Mode::Shadow),
        (r#"{"mode": "shadow", "tenants": [{"hosts": ["a"], "clients": []}]}"#, Mode::Shadow),
        (r#"{"tenants": [{"hosts": ["a"], "clients": [], "mode": "shadow"}]}"#, Mode::Enforce),
        (
            r#"{"mode": "shadow", "clients": [], "tenants": [
                {"hosts": ["a"]}, {"hosts": ["b"], "mode": "enforce"}, {"hosts": ["c"]}
            ]}"#,
            Mode::Enforce,
        ),
    ] {
        let configuration = parse(text).unwrap();
        assert_eq!(configuration.mode_of_all(), mode, "{text}");
        if text.contains("tenants") {
            assert_eq!(configuration.policy_for(b"user@host", b"/").common().mode, mode, "{text}");
        }
    }
}

#[test]
fn server_names_and_authorities_choose_one_tenant() {
    let text = r#"{"tenants": [
        {"hosts": ["a.example", "*.a.example", "10.0.0.1", "box"], "clients": []},
        {"hosts": ["b.example", "[::1]"], "clients": []}
    ]}"#;
    let with_top_level = text.replacen('{', r#"{"clients": [], "#, 1);
    let alone = r#"{"clients": []}"#;
    for (text, authority, server_name, agrees) in [
        (text, "a.example", Some("a.example"), true),
        (text, "a.example:443", Some("A.Example"), true),
        (text, "a.example.", Some("a.example"), true),
        (text, "a.example", Some("a.example."), false),
        (text, "a.example", Some("a.example:443"), false),
        (text, "x.a.example", Some("a.example"), true),
        (text, "a.example", Some("y.x.a.example"), true),
        (text, "a.example", Some("b.example"), false),
        (text, "b.example", Some("a.example"), false),
        (text, "a.example", Some("other.example"), false),
        (text, "a.example", Some("not a name"), false),
        (text, "a.example", Some(""), false),
        (text, "a.example", None, false),
        (text, "10.0.0.1:8443", None, true),
        (text, "10.0.0.1", Some("b.example"), false),
        (text, "[::1]:8443", None, true),
        (text, "[::1]", Some("[::1]"), false),
        (text, "[0::0001]", None, true),
        (text, "[::ffff:192.0.2.1]", None, true),
        (text, "box", None, true),
        (text, "box", Some("b.example"), false),
        (with_top_level.as_str(), "other.example", Some("another.example"), true),
        (&with_top_level, "other.example", None, true),
        (&with_top_level, "other.example", Some("a.example"), false),
        (&with_top_level, "a.example", None, false),
        (alone, "a.example", Some("b.example"), true),
        (alone, "a.example", None, true),
    ] {
        let found = parse(text).unwrap().server_name_agrees(
            authority.as_bytes(),
            &Target::new(b"/"),
            server_name.map(str::as_bytes),
        );
        assert_eq!(found, agrees, "{authority} {server_name:?}");
    }
}

#[test]
fn the_longest_suffix_and_the_longest_path_choose_the_tenant() {
    let tenant = |hosts: &str, path: &str, client: &str| {
        format!(
            r#"{{"hosts": ["{hosts}"], "paths": ["{path}"], "clients": [{{"client_id": "{client}",
                "token_endpoint_auth_method": "client_secret_basic"}}]}}"#
        )
    };
    let tenants = [
        tenant("*.example", "/r", "a"),
        tenant("*.a.example", "/r", "b"),
        tenant("*.a.example", "/r/s", "c"),
        tenant("*.b.a.example", "/r", "d"),
        tenant("*.b.example", "/r", "e"),
    ];
    for turned in 0..tenants.len() {
        let mut tenants = tenants.clone();
        tenants.rotate_left(turned);
        let configuration = parse(&format!(r#"{{"tenants": [{}]}}"#, tenants.join(","))).unwrap();
        for (host, path, client) in [
            ("x.example", "/r/token", "a"),
            ("x.a.example", "/r/token", "b"),
            ("x.a.example", "/r/s/token", "c"),
            ("x.b.a.example", "/r/s/token", "d"),
            ("y.x.b.example", "/r", "e"),
        ] {
            let found = configuration.policy_for(host.as_bytes(), path.as_bytes());
            let TenantPolicy::Known(policy) = found else { panic!("{host}{path} has no tenant") };
            assert!(knows(&policy, client), "{host}{path}");
        }
    }
}

#[test]
fn examples_are_paths_of_the_tenant() {
    let text = br#"{
        "tenants": [
            {"hosts": ["a.example"], "endpoints": ["/a/token", "/a/par"], "clients": []},
            {"hosts": ["b.example"], "endpoints": [], "clients": []}
        ]
    }"#;
    let configuration = Configuration::parse(text).unwrap();
    assert_eq!(configuration.example_path(b"a.example:443").as_deref(), Some("/a/token"));
    assert_eq!(configuration.example_path(b"b.example"), None);
}

#[test]
fn a_configuration_is_read_as_a_value_whatever_it_means() {
    let value = configuration_value(br#"{"a": [1, "\ud800", true]}"#).unwrap();
    assert_eq!(value.to_string(), r#"{"a":[1,null,true]}"#);
    assert_eq!(configuration_value(b"{"), None);
}

#[test]
fn server_names_are_compared_where_there_are_tenants_and_no_proxies() {
    for (peer_certificate, matches) in [
        ("{}", true),
        (r#"{"server_name": "ignore"}"#, false),
        (r#"{"source": "forwarded"}"#, true),
        (r#"{"source": "forwarded", "trusted_proxies": ["a.b"]}"#, false),
        (r#"{"source": "forwarded", "trusted_proxies": ["a.b"], "server_name": "match"}"#, true),
    ] {
        let tenants = format!(
            r#"{{"peer_certificate": {peer_certificate},
                 "tenants": [{{"hosts": ["a"], "clients": []}}]}}"#
        );
        assert_eq!(policy(&tenants, "a").common.matches_server_name, matches, "{peer_certificate}");
        let alone = format!(r#"{{"peer_certificate": {peer_certificate}, "clients": []}}"#);
        assert!(!policy(&alone, "a").common.matches_server_name, "{peer_certificate}");
    }
}

#[test]
fn what_is_written_and_supported() {
    let filter_state =
        |text: &str| parse(&format!(r#"{{"clients": [] {text}}}"#)).unwrap().filter_state;
    assert_eq!(filter_state(""), FilterState { code: true, client_id: true });
    assert_eq!(
        filter_state(r#", "filter_state": []"#),
        FilterState { code: false, client_id: false }
    );
    assert_eq!(
        filter_state(r#", "filter_state": ["client_id"]"#),
        FilterState { code: false, client_id: true }
    );
    let methods = |text: &str| policy(&format!(r#"{{"clients": [] {text}}}"#), "a").methods;
    assert_eq!(methods(""), Methods { tls_client_auth: true, self_signed_tls_client_auth: true });
    let only = methods(r#", "methods": ["self_signed_tls_client_auth"]"#);
    assert_eq!(only, Methods { tls_client_auth: false, self_signed_tls_client_auth: true });
    for (text, pointer) in [
        (r#""filter_state": ["code", "code"]"#, "/filter_state/1"),
        (r#""filter_state": ["id"]"#, "/filter_state/0"),
        (r#""filter_state": "code""#, "/filter_state"),
        (r#""methods": []"#, "/methods"),
        (r#""methods": ["private_key_jwt"]"#, "/methods/0"),
        (r#""methods": ["tls_client_auth", "tls_client_auth"]"#, "/methods/1"),
        (r#""unidentified_clients": "allow""#, "/unidentified_clients"),
        (r#""peer_certificate": {"server_name": "any"}"#, "/peer_certificate/server_name"),
        (r#""tenants": [{"hosts": ["a"], "filter_state": []}]"#, "/tenants/0/filter_state"),
    ] {
        assert_eq!(
            parse(&format!(r#"{{"clients": [], {text}}}"#)).unwrap_err().pointer,
            pointer,
            "{text}"
        );
    }
}

#[test]
fn members_about_responses_need_a_host_that_reads_them() {
    let discovery = r#""endpoints": ["/token"], "discovery": {"paths": ["/.well-known/x"]}"#;
    let check = r#""bound_tokens": {"response_check": "enforce"}"#;
    for (members, pointer) in [
        (discovery.to_owned(), "/discovery"),
        (check.to_owned(), "/bound_tokens/response_check"),
        (
            format!(r#""tenants": [{{"hosts": ["a"], {check}}}]"#),
            "/tenants/0/bound_tokens/response_check",
        ),
    ] {
        let text = format!(r#"{{"clients": [], {members}}}"#);
        parse(&text).unwrap();
        let error = Configuration::parse_without_responses(text.as_bytes()).unwrap_err();
        assert_eq!(error.pointer, pointer);
        assert!(error.message.contains("tls_client_auth_responses.wasm"), "{error}");
    }
    for (members, pointer, message) in [
        (r#""discovery": {"paths": ["/x"]}"#, "/discovery/paths/0", "not gated"),
        (
            r#""endpoints": ["/token"], "discovery": {"paths": ["/x", "/token"]}"#,
            "/discovery/paths/1",
            "not gated",
        ),
        (r#""endpoints": ["/token"], "discovery": {}"#, "/discovery", "paths"),
        (
            r#""endpoints": ["/token"],
               "discovery": {"paths": ["/x"], "mtls_endpoint_aliases": "https://a/b"}"#,
            "/discovery/mtls_endpoint_aliases",
            "an origin",
        ),
        (r#""bound_tokens": {}"#, "/bound_tokens", "response_check"),
        (r#""bound_tokens": {"response_check": true}"#, "/bound_tokens/response_check", "enforce"),
    ] {
        let error = parse(&format!(r#"{{"clients": [], {members}}}"#)).unwrap_err();
        assert_eq!(error.pointer, pointer, "{error}");
        assert!(error.message.contains(message), "{error}");
    }
}
