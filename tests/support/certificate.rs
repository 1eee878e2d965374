//! Certificates made to order, from a description that fits in a row of a table.
//!
//! The bytes are written here, not by a library, because a library refuses to make what a client
//! can send: a SAN extension twice, an IP address of three bytes, a name with an embedded NUL. What
//! is signed is signed properly, so that a real Envoy accepts it under the certification authority
//! of [`authority_pem`].

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::der::{self, context, context_constructed, hex, tlv};
use super::moment::Moment;

/// One certificate of a case table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CertificateSpec {
    /// RDNs in the order of the DER (most significant first), each a set of attributes `["CN",
    /// "text"]` (UTF8String), `["C", "printable", "JP"]`, or `["2.5.4.97", "hex", "0c03414243"]`
    /// (tag, length and value). Absent: `CN=client`.
    pub subject: Option<Vec<Vec<Vec<String>>>>,
    /// The whole Name in hexadecimal, in place of `subject`.
    pub subject_hex: Option<String>,
    /// `{"dns": text}`, `uri`, `email`, `ip`; with `_hex` the content bytes; `{"tag_hex": ..}` a
    /// whole GeneralName.
    pub san: Option<Vec<BTreeMap<String, String>>>,
    /// The whole value of the SAN extension in hexadecimal, in place of `san`.
    pub san_hex: Option<String>,
    /// The SAN extension is there a second time.
    pub san_twice: bool,
    /// So many DNS names come before `san`.
    pub san_filler: usize,
    pub not_before: Option<Moment>,
    pub not_after: Option<Moment>,
    pub issuer: Issuer,
    pub key: KeyKind,
    /// Extended key usages as object identifiers. Absent: clientAuth. Empty: no such extension.
    pub eku: Option<Vec<String>>,
    /// An extension of so many kilobytes that nobody knows.
    pub filler: usize,
    /// In place of all of the above: exactly the text that the host gives.
    pub pem: Option<String>,
    /// In place of all of the above: the bytes that stand in the PEM.
    pub der_hex: Option<String>,
    pub pem_encoding: PemEncoding,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Issuer {
    /// The certification authority of [`authority_pem`].
    #[default]
    Ca,
    /// An authority of the same name with another key.
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
    /// As in `x-forwarded-client-cert`; the documentation of Envoy promises it for
    /// `connection.peer_certificate` too.
    Percent,
}

/// A certificate, with everything that a TLS client or a proxy-wasm host tells about it.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Absent where the host's text is no certificate.
    pub der: Option<Vec<u8>>,
    /// The value of `connection.peer_certificate`.
    pub host_text: String,
    pub key: KeyKind,
    pub issuer: Issuer,
    pub not_before: Moment,
    pub not_after: Moment,
}

impl Certificate {
    /// SHA-256 of the DER; of the host's text where that holds none, for the host always gives some
    /// digest.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.der.as_deref().unwrap_or(self.host_text.as_bytes())).into()
    }

    /// The value of `connection.sha256_peer_certificate_digest`.
    pub fn sha256_hex(&self) -> String {
        self.sha256().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `x5t#S256` of RFC 7515 §4.1.8.
    pub fn x5t_s256(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.sha256())
    }

    /// An element of `x5c` (RFC 7515 §4.1.6); between colons the value of `client-cert` (RFC 9440
    /// §2.1).
    pub fn x5c(&self) -> String {
        STANDARD.encode(self.der.as_deref().unwrap_or_default())
    }

    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.der.as_deref().unwrap_or_default())
    }

    /// The PEM as Envoy escapes it in headers.
    pub fn percent_encoded_pem(&self) -> String {
        percent_encode(&self.pem())
    }

    /// What Envoy's verification against [`authority_pem`] comes to at `now`.
    pub fn is_trusted_at(&self, now: Moment) -> bool {
        self.issuer == Issuer::Ca && self.not_before <= now && now <= self.not_after
    }
}

/// The private key of every certificate of this kind, as PKCS #8 DER for a TLS client.
pub fn private_key_pkcs8(kind: KeyKind) -> &'static [u8] {
    leaf_key(kind).serialized_der()
}

/// The authority that the listener under test trusts.
pub fn authority_pem() -> String {
    pem("CERTIFICATE", &authority(Issuer::Ca).certificate)
}

/// A server certificate (DER) under the trusted authority, with the key of [`private_key_pkcs8`],
/// for `localhost`.
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

/// Makes the certificate that `spec` describes. Two calls give two certificates: serial number and
/// signature differ.
pub fn mint(spec: &CertificateSpec) -> Result<Certificate, String> {
    let not_before = spec.not_before.unwrap_or(CENTURY.0);
    let not_after = spec.not_after.unwrap_or(CENTURY.1);
    let der = match (&spec.pem, &spec.der_hex) {
        (Some(_), Some(_)) => return Err("`pem` and `der_hex` exclude each other".into()),
        (Some(_), None) => None,
        (None, Some(text)) => Some(hex(text)?),
        (None, None) => Some(sign_leaf(spec, not_before, not_after)?),
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

// 2020 to 2120, for what does not care: real Envoy reads the real clock.
const CENTURY: (Moment, Moment) = (Moment(1_577_836_800), Moment(4_733_510_400));

const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

struct Authority {
    key: KeyPair,
    name: Vec<u8>,
    certificate: Vec<u8>,
}

fn authority(issuer: Issuer) -> &'static Authority {
    static TRUSTED: OnceLock<Authority> = OnceLock::new();
    static UNTRUSTED: OnceLock<Authority> = OnceLock::new();
    let slot = if issuer == Issuer::Ca { &TRUSTED } else { &UNTRUSTED };
    slot.get_or_init(|| {
        let key = new_ec_key();
        let cn = vec!["CN".to_string(), "Clients CA".to_string()];
        let name = name(&[vec![cn]]).expect("a constant name is well-formed");
        let basic_constraints = tlv(der::SEQUENCE, &[tlv(der::BOOLEAN, &[[0xff]])]);
        let key_cert_sign_and_crl_sign = tlv(der::BIT_STRING, &[[0x01, 0x06]]);
        let extensions = [
            extension("2.5.29.19", true, &basic_constraints)
                .expect("a constant OID is well-formed"),
            extension("2.5.29.15", true, &key_cert_sign_and_crl_sign)
                .expect("a constant OID is well-formed"),
        ];
        let certificate = certificate(&name, &name, CENTURY, &key, &key, &extensions)
            .expect("a key that was just made signs");
        Authority { key, name, certificate }
    })
}

fn new_ec_key() -> KeyPair {
    KeyPair::generate().expect("the system gives randomness for a P-256 key")
}

fn leaf_key(kind: KeyKind) -> &'static KeyPair {
    static EC: OnceLock<KeyPair> = OnceLock::new();
    static RSA: OnceLock<KeyPair> = OnceLock::new();
    match kind {
        KeyKind::Ec => EC.get_or_init(new_ec_key),
        KeyKind::Rsa => RSA.get_or_init(|| {
            KeyPair::from_pem(include_str!("rsa_2048.test-only.pem"))
                .expect("the fixture is a PKCS #8 RSA key")
        }),
    }
}

fn sign_leaf(
    spec: &CertificateSpec,
    not_before: Moment,
    not_after: Moment,
) -> Result<Vec<u8>, String> {
    let subject = match (&spec.subject, &spec.subject_hex) {
        (Some(_), Some(_)) => return Err("`subject` and `subject_hex` exclude each other".into()),
        (Some(rdns), None) => name(rdns)?,
        (None, Some(text)) => hex(text)?,
        (None, None) => name(&[vec![vec!["CN".into(), "client".into()]]])?,
    };
    let key = leaf_key(spec.key);
    let (issuer, issuer_key) = match spec.issuer {
        Issuer::SelfSigned => (&subject, key),
        authority_kind => {
            let authority = authority(authority_kind);
            (&authority.name, &authority.key)
        }
    };
    let extensions = extensions(spec)?;
    certificate(issuer, &subject, (not_before, not_after), key, issuer_key, &extensions)
}

fn extensions(spec: &CertificateSpec) -> Result<Vec<Vec<u8>>, String> {
    let mut extensions = Vec::new();
    let default_eku = [CLIENT_AUTH.to_string()];
    let eku = spec.eku.as_deref().unwrap_or(&default_eku);
    if !eku.is_empty() {
        let usages = eku.iter().map(|usage| der::oid(usage)).collect::<Result<Vec<_>, _>>()?;
        extensions.push(extension("2.5.29.37", false, &tlv(der::SEQUENCE, &usages))?);
    }
    let san = match (&spec.san, &spec.san_hex) {
        (Some(_), Some(_)) => return Err("`san` and `san_hex` exclude each other".into()),
        (Some(entries), None) => {
            let filler =
                (0..spec.san_filler).map(|n| tlv(context(2), &[format!("filler{n}.example.org")]));
            let names = entries.iter().map(general_name).collect::<Result<Vec<_>, _>>()?;
            Some(tlv(der::SEQUENCE, &filler.chain(names).collect::<Vec<_>>()))
        }
        (None, Some(text)) => Some(hex(text)?),
        (None, None) => None,
    };
    if let Some(san) = &san {
        let extension = extension("2.5.29.17", false, san)?;
        extensions.extend(std::iter::repeat_n(extension, if spec.san_twice { 2 } else { 1 }));
    }
    if spec.filler > 0 {
        let content = tlv(der::OCTET_STRING, &[vec![0x5a; spec.filler * 1024]]);
        extensions.push(extension("1.3.6.1.4.1.55555.1", false, &content)?);
    }
    Ok(extensions)
}

fn extension(oid: &str, critical: bool, value: &[u8]) -> Result<Vec<u8>, String> {
    let critical = if critical { tlv(der::BOOLEAN, &[[0xff]]) } else { Vec::new() };
    Ok(tlv(der::SEQUENCE, &[der::oid(oid)?, critical, tlv(der::OCTET_STRING, &[value])]))
}

fn certificate(
    issuer: &[u8],
    subject: &[u8],
    (not_before, not_after): (Moment, Moment),
    subject_key: &KeyPair,
    issuer_key: &KeyPair,
    extensions: &[Vec<u8>],
) -> Result<Vec<u8>, String> {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    let algorithm = signature_algorithm(issuer_key)?;
    let version_3 = tlv(context_constructed(0), &[der::integer(2)]);
    let serial = der::integer(SERIAL.fetch_add(1, Ordering::Relaxed));
    let validity = tlv(der::SEQUENCE, &[time(not_before), time(not_after)]);
    let extensions = match extensions {
        [] => Vec::new(),
        some => tlv(context_constructed(3), &[tlv(der::SEQUENCE, some)]),
    };
    let key = subject_key.subject_public_key_info();
    let parts = [&version_3, &serial, &algorithm, issuer, &validity, subject, &key, &extensions];
    let to_be_signed = tlv(der::SEQUENCE, &parts);
    let signature = issuer_key.sign(&to_be_signed).map_err(|error| error.to_string())?;
    Ok(tlv(der::SEQUENCE, &[to_be_signed, algorithm, der::bit_string(&signature)]))
}

fn signature_algorithm(key: &KeyPair) -> Result<Vec<u8>, String> {
    let algorithm = key.algorithm();
    if algorithm == &rcgen::PKCS_ECDSA_P256_SHA256 {
        Ok(tlv(der::SEQUENCE, &[der::oid("1.2.840.10045.4.3.2")?]))
    } else if algorithm == &rcgen::PKCS_RSA_SHA256 {
        Ok(tlv(der::SEQUENCE, &[der::oid("1.2.840.113549.1.1.11")?, vec![0x05, 0x00]]))
    } else {
        Err(format!("no object identifier is known for {algorithm:?}"))
    }
}

// RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
fn time(moment: Moment) -> Vec<u8> {
    let (year, rest) = moment.asn1();
    if (1950..2050).contains(&year) {
        tlv(der::UTC_TIME, &[format!("{:02}{rest}", year % 100)])
    } else {
        tlv(der::GENERALIZED_TIME, &[format!("{year:04}{rest}")])
    }
}

fn name(rdns: &[Vec<Vec<String>>]) -> Result<Vec<u8>, String> {
    let rdns = rdns
        .iter()
        .map(|rdn| {
            let mut attributes =
                rdn.iter().map(|written| attribute(written)).collect::<Result<Vec<_>, _>>()?;
            // DER sorts the elements of a SET OF (X.690 §11.6).
            attributes.sort();
            Ok(tlv(der::SET, &attributes))
        })
        .collect::<Result<Vec<_>, String>>()?;
    Ok(tlv(der::SEQUENCE, &rdns))
}

fn attribute(written: &[String]) -> Result<Vec<u8>, String> {
    let (kind, form, text) = match written {
        [kind, text] => (kind, "utf8", text),
        [kind, form, text] => (kind, form.as_str(), text),
        _ => return Err(format!("{written:?} is not [type, text] or [type, form, text]")),
    };
    let value = match form {
        "utf8" => tlv(der::UTF8_STRING, &[text]),
        "printable" => tlv(der::PRINTABLE_STRING, &[text]),
        "ia5" => tlv(der::IA5_STRING, &[text]),
        "numeric" => tlv(der::NUMERIC_STRING, &[text]),
        "visible" => tlv(der::VISIBLE_STRING, &[text]),
        "teletex" => tlv(der::TELETEX_STRING, &[latin_1(text)?]),
        "bmp" => {
            tlv(der::BMP_STRING, &text.encode_utf16().map(u16::to_be_bytes).collect::<Vec<_>>())
        }
        "universal" => tlv(
            der::UNIVERSAL_STRING,
            &text.chars().map(|c| u32::from(c).to_be_bytes()).collect::<Vec<_>>(),
        ),
        "hex" => hex(text)?,
        _ => return Err(format!("{form:?} is no form of an attribute value")),
    };
    Ok(tlv(der::SEQUENCE, &[der::oid(attribute_type(kind))?, value]))
}

fn latin_1(text: &str) -> Result<Vec<u8>, String> {
    text.chars().map(|c| u8::try_from(c).map_err(|_| format!("{c:?} is not in Latin-1"))).collect()
}

// The tables that the filter reads names with must not also write the certificates that test it.
fn attribute_type(name: &str) -> &str {
    match name {
        "CN" => "2.5.4.3",
        "SN" => "2.5.4.4",
        "serialNumber" => "2.5.4.5",
        "C" => "2.5.4.6",
        "L" => "2.5.4.7",
        "ST" => "2.5.4.8",
        "street" => "2.5.4.9",
        "O" => "2.5.4.10",
        "OU" => "2.5.4.11",
        "title" => "2.5.4.12",
        "businessCategory" => "2.5.4.15",
        "givenName" => "2.5.4.42",
        "organizationIdentifier" => "2.5.4.97",
        "UID" => "0.9.2342.19200300.100.1.1",
        "DC" => "0.9.2342.19200300.100.1.25",
        "emailAddress" => "1.2.840.113549.1.9.1",
        "jurisdictionC" => "1.3.6.1.4.1.311.60.2.1.3",
        dotted => dotted,
    }
}

// RFC 5280 §4.2.1.6
fn general_name(entry: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let (Some((kind, text)), 1) = (entry.first_key_value(), entry.len()) else {
        return Err(format!("a SAN entry has exactly one member, not {entry:?}"));
    };
    let tag = match kind.strip_suffix("_hex").unwrap_or(kind) {
        "email" => 1,
        "dns" => 2,
        "uri" => 6,
        "ip" => 7,
        "tag" => return hex(text),
        other => return Err(format!("{other:?} is no kind of SAN entry")),
    };
    let content = if kind.ends_with("_hex") {
        hex(text)?
    } else if kind == "ip" {
        match text.parse().map_err(|_| format!("{text:?} is not an IP address"))? {
            std::net::IpAddr::V4(address) => address.octets().to_vec(),
            std::net::IpAddr::V6(address) => address.octets().to_vec(),
        }
    } else {
        text.clone().into_bytes()
    };
    Ok(tlv(context(tag), &[content]))
}

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

// Exactly the characters that Envoy escapes in a PEM.
fn percent_encode(pem: &str) -> String {
    pem.replace('\n', "%0A")
        .replace(' ', "%20")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}
