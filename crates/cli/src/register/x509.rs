//! What the filter does not look at in a certificate: the attributes of its names one by one, its
//! key, and alternative names that register nothing.

use serde_json::{Map, Value};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::jwk;

/// One attribute of a name as it is in the DER.
#[derive(Clone, Debug)]
pub struct NameAttribute {
    /// As `2.5.4.3`.
    pub oid: String,
    /// The tag of the value; none: not a primitive value of the universal class.
    pub tag: Option<u8>,
    pub value: Vec<u8>,
}

/// RDNs in the order of the DER.
pub type Rdns = Vec<Vec<NameAttribute>>;

#[derive(Debug)]
pub struct Details {
    pub subject: Rdns,
    pub issuer: Rdns,
    /// Whether the issuer is seen to be the end of the path: its certificate names no other issuer.
    pub is_issued_by_root: bool,
    /// The public key as a JWK, without the certificate; or why there is none.
    pub key: Result<Map<String, Value>, String>,
    /// Alternative names that no client can be registered by, with the reason.
    pub unusable_names: Vec<String>,
}

impl Details {
    /// Of the DER of a certificate that the filter can read; `chain` = those that came with it.
    pub fn of(der: &[u8], chain: &[Vec<u8>]) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return Self {
                subject: Vec::new(),
                issuer: Vec::new(),
                is_issued_by_root: false,
                key: Err("the certificate has parts that this program cannot read".to_owned()),
                unusable_names: Vec::new(),
            };
        };
        Self {
            subject: rdns(certificate.subject()),
            issuer: rdns(certificate.issuer()),
            is_issued_by_root: is_issued_by_root(&certificate, chain),
            key: jwk::of(certificate.public_key()),
            unusable_names: unusable_names(&certificate),
        }
    }
}

fn is_issued_by_root(certificate: &X509Certificate<'_>, chain: &[Vec<u8>]) -> bool {
    let is_root = |one: &X509Certificate<'_>| {
        one.subject().as_raw() == certificate.issuer().as_raw()
            && one.issuer().as_raw() == one.subject().as_raw()
    };
    let mut others = chain.iter().filter_map(|der| X509Certificate::from_der(der).ok());
    is_root(certificate) || others.any(|(_, other)| is_root(&other))
}

fn rdns(name: &X509Name<'_>) -> Rdns {
    let attributes = name.iter_rdn().map(|rdn| {
        let each = rdn.iter().map(|attribute| {
            let value = attribute.attr_value();
            let is_primitive = value.header.class() == x509_parser::asn1_rs::Class::Universal
                && !value.header.constructed();
            let tag = u8::try_from(value.tag().0).ok().filter(|tag| is_primitive && *tag < 0x1F);
            NameAttribute {
                oid: attribute.attr_type().to_id_string(),
                tag,
                value: value.data.to_vec(),
            }
        });
        each.collect()
    });
    attributes.collect()
}

fn unusable_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    const NOT_OF_RFC_8705: &str = "RFC 8705 registers DNS names, URIs, IP addresses and email \
        addresses alone";
    let is_readable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    let reason = |name: &GeneralName<'_>| {
        let unreadable = |kind: &str, text: &str| {
            (!is_readable(text)).then(|| {
                format!(
                    "{kind} {text:?}: a name with a control character, or with one that is not \
                     ASCII, matches nothing"
                )
            })
        };
        let other = |kind: &str| Some(format!("{kind}: {NOT_OF_RFC_8705}"));
        match name {
            GeneralName::DNSName(text) => unreadable("the DNS name", text),
            GeneralName::URI(text) => unreadable("the URI", text),
            GeneralName::RFC822Name(text) => unreadable("the email address", text),
            GeneralName::IPAddress(_) => None,
            GeneralName::OtherName(oid, _) => other(&format!("the otherName {oid}")),
            GeneralName::DirectoryName(name) => other(&format!("the directoryName {name}")),
            GeneralName::RegisteredID(oid) => other(&format!("the registeredID {oid}")),
            GeneralName::X400Address(_) => other("an x400Address"),
            GeneralName::EDIPartyName(_) => other("an ediPartyName"),
            GeneralName::Invalid(tag, _) => Some(format!(
                "an alternative name of type {}: its content is not of that type, so it matches \
                 nothing",
                tag.0
            )),
        }
    };
    extension.value.general_names.iter().filter_map(reason).collect()
}
