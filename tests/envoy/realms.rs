//! Tenants by path over real connections: two realms with one `client_id`, and the spellings of
//! paths as Envoy hands them to the filter (contract §2).

use serde_json::json;

use super::bootstrap::Listener;
use super::client::{Client, Delivery};
use super::fixture::{CERTIFICATES, ask, post};
use super::process::Envoy;
use crate::support::case::Request;

const TOKEN: &str = "protocol/openid-connect/token";

fn token(path: &str) -> Request {
    post(path, "grant_type=client_credentials&client_id=shared")
}

fn listener() -> Listener {
    let client = |member: &str, value: &str| {
        json!([{
            "client_id": "shared",
            "token_endpoint_auth_method": "tls_client_auth",
            member: value,
        }])
    };
    let seed = "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP";
    Listener::new(
        "gate",
        &json!({
            "endpoints": [format!("/realms/*/{TOKEN}")],
            "forward": { "client_id": "x-client" },
            "tenants": [
                {
                    "paths": ["/realms/bank"],
                    "clients": client("tls_client_auth_subject_dn", seed),
                },
                {
                    "paths": ["/realms/Shop"],
                    "clients": client("tls_client_auth_san_dns", "of.another.example"),
                },
            ],
        }),
    )
}

#[tokio::test]
async fn a_client_id_is_another_client_in_each_realm() {
    let envoy = Envoy::start(vec![listener()]).await;
    let client = Client::new(&CERTIFICATES.seed);
    let mut upstream = 0;
    for delivery in Delivery::ALL {
        for (path, code) in [
            (format!("/realms/bank/{TOKEN}"), "authenticated"),
            (format!("/realms/bank/x/../{TOKEN}"), "authenticated"),
            (format!("/realms/Shop/{TOKEN}"), "subject_mismatch"),
            (format!("/realms/shop/{TOKEN}"), "unknown_tenant"),
            (format!("/realms/BANK/{TOKEN}"), "unknown_tenant"),
            (format!("/realms/other/{TOKEN}"), "unknown_tenant"),
            (format!("/realms/Shop/%2e%2e/bank/{TOKEN}"), "unknown_tenant"),
            (format!("/realms/Shop/..;/bank/{TOKEN}"), "unknown_tenant"),
            (format!("/realms/Shop%2f..%2fbank/{TOKEN}"), "unknown_tenant"),
            (format!("/realms/b%61nk/{TOKEN}"), "unknown_tenant"),
            (format!("//realms/bank/{TOKEN}"), "unknown_tenant"),
            ("/realms/bank/account".to_owned(), "not_gated"),
            ("/.well-known/oauth-authorization-server/realms/bank".to_owned(), "not_gated"),
            ("/login".to_owned(), "not_gated"),
        ] {
            ask(&envoy, "gate", &client, token(&path), delivery).await.assert_is(code);
            upstream += u64::from(matches!(code, "authenticated" | "not_gated"));
        }
    }
    assert_eq!(envoy.upstream_requests("gate").await, upstream);
    envoy.assert_healthy().await;
}
