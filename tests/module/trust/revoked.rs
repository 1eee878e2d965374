//! The member `revoked`.

use serde_json::json;

use super::{ask, client, code, leaf, status};
use crate::fixture::CLOCK;
use crate::run::start;
use crate::support::certificate::{CertificateSpec, Issuer, mint};

/// A new configuration takes effect at the next request of a connection that is open: to the
/// module, that is a request with the same digest, whose certificate it has parsed and found good.
#[test]
fn a_new_configuration_revokes_at_once_and_takes_back() {
    let configuration = |revoked: serde_json::Value| {
        json!({"endpoints": ["/token"], "revoked": revoked, "clients": [client(json!({}))]})
            .to_string()
    };
    let mut vm = start(configuration(json!([])).as_bytes(), CLOCK);
    let (own, other) = (leaf(Issuer::Ca), leaf(Issuer::Ca));
    let serial = own.serial_hex().expect("a serial number");
    assert_eq!(code(&ask(&mut vm, &own, Some(true))), "authenticated");
    for (revoked, expected) in [
        (json!([own.x5t_s256()]), "certificate_revoked"),
        (json!([]), "authenticated"),
        (json!([own.sha256_hex()]), "certificate_revoked"),
        (json!([other.x5t_s256()]), "authenticated"),
        (json!([{"issuer": "cn=clients CA", "serial": serial}]), "certificate_revoked"),
        (json!([{"issuer": "CN=Other CA", "serial": serial}]), "authenticated"),
        (json!([{"issuer": "CN=Clients CA", "serial": "7fffffff"}]), "authenticated"),
    ] {
        vm.reconfigure(configuration(revoked.clone()).as_bytes()).expect("it is accepted");
        let outcome = ask(&mut vm, &own, Some(true));
        assert_eq!(code(&outcome), expected, "{revoked}");
        let refused = (expected == "certificate_revoked").then_some(401);
        assert_eq!(status(&outcome), refused, "{revoked}");
    }
}

#[test]
fn whose_certificate_is_registered_itself_can_be_revoked_too() {
    let spec = CertificateSpec { issuer: Issuer::SelfSigned, ..CertificateSpec::default() };
    let own = mint(&spec).expect("it is well-formed");
    let configuration = |revoked: &[String]| {
        json!({"endpoints": ["/token"], "revoked": revoked, "clients": [{
            "client_id": "client",
            "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "jwks": {"keys": [{"kty": "EC", "x5c": [own.x5c()]}]},
        }]})
        .to_string()
    };
    let mut vm = start(configuration(&[]).as_bytes(), CLOCK);
    assert_eq!(code(&ask(&mut vm, &own, Some(false))), "authenticated");
    vm.reconfigure(configuration(&[own.x5t_s256()]).as_bytes()).expect("it is accepted");
    assert_eq!(code(&ask(&mut vm, &own, Some(false))), "certificate_revoked");
}
