//! The headers that the filter writes, in the format that a server reads, read by that server's own
//! code. READERS in the environment is the class path of `Readers.java`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

extern crate test_support as support;

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;
use tls_client_auth::{Action, Gate, GateRequest, Peer, UnixTime};

use crate::support::case::{NOW, Request};
use crate::support::certificate::{Certificate, CertificateSpec, mint};

/// A reader, the header that it reads, and the format that it reads there.
const READERS: [(&str, &str, &str); 9] = [
    ("keycloak-nginx", "ssl-client-cert", "pem"),
    ("keycloak-apache", "ssl-client-cert", "pem-line"),
    ("keycloak-haproxy", "ssl-client-cert", "der"),
    ("keycloak-traefik", "x-forwarded-tls-client-cert", "der"),
    ("keycloak-envoy", "x-forwarded-client-cert", "xfcc"),
    ("keycloak-rfc9440", "client-cert", "byte-sequence"),
    ("tomcat", "ssl_client_cert", "pem-line"),
    ("tomcat", "ssl_client_escaped_cert", "pem"),
    ("authlete", "x-ssl-cert", "pem"),
];

/// How many certificates each of them reads: among so many, base64 has each of its characters.
const CERTIFICATES: usize = 20;

fn main() {
    let class_path = std::env::var("READERS")
        .expect("READERS names the class path of Readers.java: ./build.sh test interop sets it");
    let certificates: Vec<Certificate> = (0..CERTIFICATES)
        .map(|n| {
            let key = if n % 2 == 0 { "ec" } else { "rsa" };
            let description: CertificateSpec = serde_json::from_value(json!({
                "key": key, "subject": [[["CN", "client"]], [["O", "é+ /=%"]]], "filler": n % 3,
            }))
            .expect("the constant description is valid");
            mint(&description).expect("it can be minted")
        })
        .collect();
    let written: Vec<(&str, String, &str, String)> = certificates
        .iter()
        .flat_map(|certificate| {
            READERS.iter().map(|(reader, header, format)| {
                let value = header_of(certificate, header, format);
                (*reader, value, *header, certificate.x5t_s256())
            })
        })
        .collect();
    let plus = |escape: &str| written.iter().any(|(_, value, ..)| value.contains(escape));
    assert!(plus("%2B") && plus("+") && plus("/"), "no certificate has what is hard to read");

    let lines: String = written
        .iter()
        .map(|(reader, value, header, _)| format!("{reader}\t{header}\t{value}\n"))
        // What is not the format of a reader must not be read, or the comparison means nothing.
        .chain(["tomcat\tssl_client_cert\t(null)\n".into(), "keycloak-envoy\tx\tHash=00\n".into()])
        .collect();
    let read = readers(&class_path, &lines);
    let read: Vec<&str> = read.lines().collect();
    assert_eq!(read.len(), written.len() + 2, "{read:?}");
    for ((reader, value, header, thumbprint), read) in written.iter().zip(&read) {
        assert_eq!(read, thumbprint, "{reader} reads {header}: {value}");
    }
    for nothing in read.iter().skip(written.len()) {
        assert!(nothing.contains("Exception"), "{nothing}");
    }
    println!("{} headers read by {} readers", written.len(), READERS.len());
}

/// The value of the header that the filter writes for this client.
fn header_of(certificate: &Certificate, header: &str, format: &str) -> String {
    let configuration = json!({
        "endpoints": ["/token"],
        "forward": {"certificate": [{"header": header, "format": format}]},
        "clients": [{
            "client_id": "client", "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "jwks": {"keys": [{"kty": "EC", "x5t#S256": certificate.x5t_s256()}]},
        }],
    });
    let gate = Gate::new(configuration.to_string().as_bytes()).expect("a configuration");
    let body = "grant_type=client_credentials&client_id=client";
    let request = Request::form("/token", body);
    let request = GateRequest { headers: request.header_map(), body: request.body };
    let peer = Peer { now: Some(UnixTime(NOW.0)), ..Peer::default() };
    let mut peer = peer.presenting(certificate.pem().as_bytes());
    let decision = gate.decide(&request, &mut peer).decision;
    let Action::Continue { set } = decision.action else { panic!("{decision}") };
    let [(name, value)] = &set[..] else { panic!("{set:?}") };
    assert_eq!(name, header);
    value.clone()
}

/// What `Readers.java` answers.
fn readers(class_path: &str, lines: &str) -> String {
    let mut java = Command::new("java")
        .args(["-cp", class_path, "Readers"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // They log each header that they cannot read.
        .stderr(Stdio::null())
        .spawn()
        .expect("java runs");
    let mut stdin = java.stdin.take().expect("a pipe");
    let lines = lines.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = java.wait_with_output().expect("java ends");
    writer.join().expect("a thread").expect("java reads");
    assert!(output.status.success(), "java: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}
