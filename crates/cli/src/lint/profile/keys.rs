//! The lengths of registered keys.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use crate::arguments::ProfileArgument;

/// A public key whose length matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLength {
    Rsa(usize),
    EllipticCurve(usize),
}

impl KeyLength {
    /// That of a JWK: of its certificate, or else of its own members.
    pub fn of(key: &Value) -> Option<Self> {
        let certificate = key.pointer("/x5c/0").and_then(Value::as_str);
        if let Some(certificate) = certificate {
            return Self::of_certificate(&STANDARD.decode(certificate).ok()?);
        }
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        match text("kty")? {
            "RSA" => {
                let modulus = URL_SAFE_NO_PAD.decode(text("n")?).ok()?;
                let octets = modulus.iter().skip_while(|octet| **octet == 0).count();
                Some(Self::Rsa(octets * 8))
            }
            "EC" => match text("crv")? {
                "P-256" | "secp256k1" => Some(Self::EllipticCurve(256)),
                "P-384" => Some(Self::EllipticCurve(384)),
                "P-521" => Some(Self::EllipticCurve(521)),
                _ => None,
            },
            _ => None,
        }
    }

    fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        match certificate.public_key().parsed().ok()? {
            PublicKey::RSA(key) => Some(Self::Rsa(key.key_size())),
            PublicKey::EC(key) => Some(Self::EllipticCurve(key.key_size())),
            _ => None,
        }
    }

    /// What is wrong with it.
    pub fn shortfall(self, profile: ProfileArgument) -> Option<String> {
        let least = match (self, profile) {
            (Self::Rsa(_), _) => 2048,
            (Self::EllipticCurve(_), ProfileArgument::Fapi1Advanced) => 160,
            (Self::EllipticCurve(_), ProfileArgument::Fapi2) => 224,
        };
        let (kind, length) = match self {
            Self::Rsa(length) => ("RSA", length),
            Self::EllipticCurve(length) => ("elliptic curve", length),
        };
        (length < least).then(|| {
            format!("an {kind} key of {length} bits: the client needs one of at least {least} bits")
        })
    }
}
