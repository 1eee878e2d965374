//! Certificates, made from a description that fits in a row of a table.
//!
//! The DER is written here and not by a library, because a library refuses what a client can send:
//! a second SAN extension, an IP address of three bytes, a name with an embedded NUL. The
//! signatures are correct, so that a real Envoy accepts the certificates under the CA of
//! [`authority_pem`].

mod authority;
mod fields;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::KeyPair;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub use self::authority::{Algorithm, Authority, AuthoritySpec};
use self::authority::{PrivateKey, certificate};
pub use self::fields::extension;
use self::fields::{extensions, name};
use crate::der::{hex, to_hex};
use crate::moment::Moment;

/// One certificate of a case table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CertificateSpec {
    /// RDNs in the order of the DER (most significant first), each a set of attributes: `["CN",
    /// "text"]` (UTF8String), `["C", "printable", "JP"]`, or `["2.5.4.97", "hex", "0c03414243"]`
    /// (tag, length and value). If absent, `CN=client`.
    pub subject: Option<Vec<Vec<Vec<String>>>>,
    /// The whole Name in hexadecimal, instead of `subject`.
    pub subject_hex: Option<String>,
    /// `{"dns": text}`, `uri`, `email`, `ip`; with `_hex` the content in hexadecimal;
    /// `{"tag_hex": ..}` is a whole GeneralName.
    pub san: Option<Vec<BTreeMap<String, String>>>,
    /// The whole value of the SAN extension in hexadecimal, instead of `san`.
    pub san_hex: Option<String>,
    /// Whether the SAN extension occurs twice.
    pub san_twice: bool,
    /// The number of DNS names before those of `san`.
    pub san_filler: usize,
    pub not_before: Option<Moment>,
    pub not_after: Option<Moment>,
    pub issuer: Issuer,
    pub key: KeyKind,
    /// Extended key usages as object identifiers; if absent, clientAuth; if empty, no extension.
    pub eku: Option<Vec<String>>,
    /// The value of keyUsage, a BIT STRING, in hexadecimal; if absent, there is no such extension.
    pub key_usage_hex: Option<String>,
    /// The size of an unknown extension, in kilobytes.
    pub filler: usize,
    /// Further extensions, each whole and in DER.
    #[serde(skip)]
    pub extensions: Vec<Vec<u8>>,
    /// The URI of an OCSP responder.
    pub ocsp: Option<String>,
    /// Instead of all of the above: exactly the text that the host gives.
    pub pem: Option<String>,
    /// Instead of all of the above: the content of the PEM in hexadecimal.
    pub der_hex: Option<String>,
    pub pem_encoding: PemEncoding,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Issuer {
    /// The CA of [`authority_pem`].
    #[default]
    Ca,
    /// A CA of the same name with another key.
    Untrusted,
    #[serde(rename = "self")]
    SelfSigned,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    #[default]
    Ec,
    Rsa,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum PemEncoding {
    #[default]
    Plain,
    /// As in `x-forwarded-client-cert`. Envoy documents it for `connection.peer_certificate` too.
    Percent,
}

/// A certificate, with what a TLS client or a proxy-wasm host needs to know about it.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// `None` if the text that the host gives is not a certificate.
    pub der: Option<Vec<u8>>,
    /// The value of `connection.peer_certificate`.
    pub host_text: String,
    pub key: KeyKind,
    pub issuer: Issuer,
    pub not_before: Moment,
    pub not_after: Moment,
}

impl Certificate {
    /// SHA-256 of the DER. Without DER, of the text that the host gives: the host always gives a
    /// digest.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.der.as_deref().unwrap_or(self.host_text.as_bytes())).into()
    }

    /// The value of `connection.sha256_peer_certificate_digest`.
    pub fn sha256_hex(&self) -> String {
        to_hex(&self.sha256())
    }

    /// `x5t#S256` of RFC 7515 §4.1.8.
    pub fn x5t_s256(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.sha256())
    }

    /// The serial number in hexadecimal digits.
    pub fn serial_hex(&self) -> Option<String> {
        const VERSION_3: [u8; 5] = [0xa0, 3, 2, 1, 2];
        let der = self.der.as_deref()?;
        let start = der.windows(5).position(|window| window == VERSION_3)? + 5;
        let length = usize::from(*der.get(start + 1)?);
        der.get(start + 2..start + 2 + length).map(to_hex)
    }

    /// An element of `x5c` (RFC 7515 §4.1.6); between colons, the value of `client-cert` (RFC 9440
    /// §2.1).
    pub fn x5c(&self) -> String {
        STANDARD.encode(self.der.as_deref().unwrap_or_default())
    }

    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.der.as_deref().unwrap_or_default())
    }

    /// The certificate of its issuer, which is its own where it is self-signed.
    pub fn issuer_pem(&self) -> String {
        match self.issuer {
            Issuer::SelfSigned => self.pem(),
            issuer => authority(issuer).pem(),
        }
    }

    /// The PEM as Envoy escapes it in a header.
    pub fn percent_encoded_pem(&self) -> String {
        percent_encode(&self.pem())
    }

    /// Whether Envoy accepts it at `now` if it trusts [`authority_pem`].
    pub fn is_trusted_at(&self, now: Moment) -> bool {
        self.issuer == Issuer::Ca && self.not_before <= now && now <= self.not_after
    }
}

/// The private key of every certificate of this kind, as PKCS #8 DER for a TLS client.
pub fn private_key_pkcs8(kind: KeyKind) -> &'static [u8] {
    leaf_key(kind).serialized_der()
}

/// The CA that the listener under test trusts.
pub fn authority_pem() -> String {
    authority(Issuer::Ca).pem()
}

/// The CA of an issuer: the one that the listener trusts, or another of its name.
pub fn authority(issuer: Issuer) -> &'static Authority {
    static TRUSTED: OnceLock<Authority> = OnceLock::new();
    static UNTRUSTED: OnceLock<Authority> = OnceLock::new();
    let slot = if issuer == Issuer::Ca { &TRUSTED } else { &UNTRUSTED };
    slot.get_or_init(|| Authority::root(&AuthoritySpec::default()))
}

/// A server certificate (DER) for `localhost` under the trusted CA, with the key of
/// [`private_key_pkcs8`].
pub fn server_certificate() -> Result<Vec<u8>, String> {
    let spec = CertificateSpec {
        subject: Some(vec![vec![vec!["CN".into(), "localhost".into()]]]),
        san: Some(vec![
            BTreeMap::from([("dns".into(), "localhost".into())]),
            BTreeMap::from([("ip".into(), "127.0.0.1".into())]),
        ]),
        eku: Some(vec!["1.3.6.1.5.5.7.3.1".into()]),
        ..CertificateSpec::default()
    };
    mint(&spec)?.der.ok_or_else(|| "a minted certificate has a DER form".into())
}

/// Makes the certificate that `spec` describes. Each call makes another certificate, with its own
/// serial number and signature.
pub fn mint(spec: &CertificateSpec) -> Result<Certificate, String> {
    minted(spec, authority(spec.issuer))
}

/// As [`mint`]; `issuer` signs where `spec.issuer` is not the certificate itself.
fn minted(spec: &CertificateSpec, issuer: &Authority) -> Result<Certificate, String> {
    let not_before = spec.not_before.unwrap_or(CENTURY.0);
    let not_after = spec.not_after.unwrap_or(CENTURY.1);
    let der = match (&spec.pem, &spec.der_hex) {
        (Some(_), Some(_)) => return Err("`pem` and `der_hex` exclude each other".into()),
        (Some(_), None) => None,
        (None, Some(text)) => Some(hex(text)?),
        (None, None) => Some(sign_leaf(spec, issuer, (not_before, not_after))?),
    };
    let plain = match (&spec.pem, &der) {
        (Some(text), _) => text.clone(),
        (None, bytes) => pem("CERTIFICATE", bytes.as_deref().unwrap_or_default()),
    };
    let host_text = match spec.pem_encoding {
        PemEncoding::Plain => plain,
        PemEncoding::Percent => percent_encode(&plain),
    };
    Ok(Certificate { der, host_text, key: spec.key, issuer: spec.issuer, not_before, not_after })
}

/// The default validity, 2020 to 2120: a real Envoy compares it with the real clock.
const CENTURY: (Moment, Moment) = (Moment(1_577_836_800), Moment(4_733_510_400));

const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

fn new_ec_key() -> KeyPair {
    KeyPair::generate().expect("the system has randomness for a P-256 key")
}

fn leaf_key(kind: KeyKind) -> &'static KeyPair {
    static EC: OnceLock<KeyPair> = OnceLock::new();
    static RSA: OnceLock<KeyPair> = OnceLock::new();
    match kind {
        KeyKind::Ec => EC.get_or_init(new_ec_key),
        KeyKind::Rsa => RSA
            .get_or_init(|| KeyPair::from_pem(RSA_2048).expect("the fixture is a PKCS #8 RSA key")),
    }
}

const RSA_2048: &str = include_str!("rsa_2048.test-only.pem");

fn sign_leaf(
    spec: &CertificateSpec,
    issuer: &Authority,
    validity: (Moment, Moment),
) -> Result<Vec<u8>, String> {
    let subject = match (&spec.subject, &spec.subject_hex) {
        (Some(_), Some(_)) => return Err("`subject` and `subject_hex` exclude each other".into()),
        (Some(rdns), None) => name(rdns)?,
        (None, Some(text)) => hex(text)?,
        (None, None) => name(&[vec![vec!["CN".into(), "client".into()]]])?,
    };
    let key = leaf_key(spec.key);
    let (issuer, issuer_key): (_, &dyn PrivateKey) = match spec.issuer {
        Issuer::SelfSigned => (&*subject, key),
        Issuer::Ca | Issuer::Untrusted => (issuer.name(), issuer.key()),
    };
    let key_info = key.key_info();
    certificate(issuer, &subject, validity, &key_info, issuer_key, &extensions(spec)?)
}

/// PEM (RFC 7468) of `der` under `label`.
pub fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for at in (0..base64.len()).step_by(64) {
        text.push_str(&base64[at..base64.len().min(at + 64)]);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// Escapes exactly the characters that Envoy escapes in a PEM.
pub fn percent_encode(pem: &str) -> String {
    pem.replace('\n', "%0A")
        .replace(' ', "%20")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}
