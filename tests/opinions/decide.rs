//! What the filter says of names and certificates, for main.py. Reads a line for each question, and
//! writes a line for each:
//!
//! - two names, each `t` and a text of RFC 4514 in hexadecimal or `d` and DER: `=` equal, `!`
//!   different, `-` one of them is refused;
//! - `c` and a certificate: what is read in it, or `error`, as JSON;
//! - `m`, a certificate, and a name as above: whether its subject is that name.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::io::{self, BufWriter, Write as _};

use serde_json::{Value, json};
use test_support::der::hex;
use tls_client_auth::{AlternativeName, DistinguishedName, PeerCertificate};

fn main() {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lines() {
        let line = line.expect("standard input is text");
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words.as_slice() {
            ["c", der] => read(&hex(der).expect("hexadecimal")).to_string(),
            ["m", der, wanted] => match (certificate(der), name(wanted)) {
                (Some(certificate), Some(wanted)) => {
                    match certificate.subject_difference(&wanted) {
                        Ok(None) => "=".to_owned(),
                        Ok(Some(_)) => "!".to_owned(),
                        Err(_) => "-".to_owned(),
                    }
                }
                _ => "-".to_owned(),
            },
            [one, other] => match (name(one), name(other)) {
                (Some(one), Some(other)) => if one == other { "=" } else { "!" }.to_owned(),
                _ => "-".to_owned(),
            },
            _ => panic!("not a question: {line}"),
        };
        writeln!(out, "{answer}").expect("standard output takes it");
    }
    out.flush().expect("standard output takes it");
}

fn name(word: &str) -> Option<DistinguishedName> {
    let (kind, octets) = word.split_at_checked(1).expect("a kind");
    let octets = hex(octets).expect("hexadecimal");
    match kind {
        "t" => DistinguishedName::parse(&String::from_utf8(octets).expect("UTF-8")).ok(),
        "d" => DistinguishedName::from_der(&octets).ok(),
        other => panic!("not a kind of name: {other}"),
    }
}

fn certificate(der: &str) -> Option<PeerCertificate> {
    PeerCertificate::from_der(&hex(der).expect("hexadecimal")).ok()
}

fn read(der: &[u8]) -> Value {
    let certificate = match PeerCertificate::from_der(der) {
        Ok(certificate) => certificate,
        Err(error) => return json!({"error": error.to_string()}),
    };
    let digits = |octets: &[u8]| octets.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let names = certificate.alternative_names().ok().map(|names| {
        let name = |name: &AlternativeName| match name {
            AlternativeName::Dns(dns) => json!(["dns", dns]),
            AlternativeName::Uri(uri) => json!(["uri", uri]),
            AlternativeName::Ip(ip) => json!(["ip", ip.to_string()]),
            AlternativeName::Email(email) => json!(["email", email]),
        };
        names.iter().map(name).collect::<Vec<_>>()
    });
    json!({
        "validity": [certificate.not_before().0, certificate.not_after().0],
        "serial": digits(certificate.serial_number()),
        "names": names,
        "subject_error": certificate.subject().err().map(|error| error.to_string()),
    })
}
