//! Envoy's `x-forwarded-client-cert`, as text or as JSON: elements, of which each hop wrote one.
//!
//! Every element must match the certificate in it. One that does not makes the whole header
//! malformed.

use std::borrow::Cow;

use super::{BLANK, malformed};
use crate::certificate::alternative_name::GeneralNameType;
use crate::certificate::peer::{CertificateError, PeerCertificate};
use crate::certificate::pem;
use crate::certificate::thumbprint::Thumbprint;
use crate::json::{Json, Members};
use crate::limits;

/// What one hop wrote.
#[derive(Debug, Default)]
struct Element<'a> {
    hash: Option<Cow<'a, str>>,
    /// PEM of the leaf, plain or percent-encoded.
    cert: Option<Cow<'a, str>>,
    /// PEM of the chain, leaf first.
    chain: Option<Cow<'a, str>>,
    /// The names of the certificate. In the text form, in which a separator in a name may end the
    /// element too early; they are not read from JSON.
    names: Vec<(GeneralNameType, &'a str)>,
}

/// The certificate of the last element, which the nearest hop wrote.
pub(super) fn nearest(
    text: &str,
    own_hop: Option<&Thumbprint>,
) -> Result<PeerCertificate, CertificateError> {
    let mut elements = elements(text)?;
    if let Some(own_hop) = own_hop {
        elements.pop_if(|element| element.describes(own_hop));
    }
    let mut nearest = None;
    // A client's name that ends the element of its hop too early changes that element and adds
    // others. So all elements must match their certificates.
    for element in &elements {
        let certificate = match (&element.cert, &element.chain) {
            (Some(cert), _) => PeerCertificate::from_pem(cert.as_bytes())?,
            (None, Some(chain)) => PeerCertificate::from_der(
                &pem::decode_first(chain.as_bytes()).ok_or(CertificateError::Pem)?,
            )?,
            (None, None) => return Err(malformed("an element without Cert and Chain")),
        };
        if element.hash.is_some() && !element.describes(&certificate.thumbprint()) {
            return Err(malformed("Hash and Cert of one element differ"));
        }
        if !shows_names_of(element, &certificate)? {
            return Err(malformed("the URI or DNS of an element are not those of its Cert"));
        }
        nearest = Some(certificate);
    }
    nearest.ok_or(CertificateError::NotForwarded)
}

/// Whether the last element describes this certificate.
pub(super) fn ends_with(text: &str, certificate: &Thumbprint) -> bool {
    let elements = elements(text).unwrap_or_default();
    elements.last().is_some_and(|element| element.describes(certificate))
}

/// The `Chain` of the last element that describes `leaf`.
pub(super) fn chain_of(text: &str, leaf: &Thumbprint) -> Option<String> {
    let elements = elements(text).ok()?;
    let described = elements.into_iter().rev().find(|element| element.describes(leaf))?;
    described.chain.map(Cow::into_owned)
}

#[inline(never)]
fn elements(text: &str) -> Result<Vec<Element<'_>>, CertificateError> {
    if text.starts_with('[') { json_elements(text) } else { text_elements(text) }
}

/// Whether the names that the element shows are those of the certificate. A name is neither quoted
/// nor escaped in the header, so that one with a comma or a semicolon may add a `Cert` of its own.
fn shows_names_of(
    element: &Element<'_>,
    certificate: &PeerCertificate,
) -> Result<bool, CertificateError> {
    if element.names.is_empty() {
        return Ok(true);
    }
    for wanted in [GeneralNameType::Uri, GeneralNameType::Dns] {
        let mut certified = certificate.raw_names(wanted)?.into_iter();
        let mut shown = element
            .names
            .iter()
            .filter(|(kind, _)| *kind == wanted)
            .map(|(_, name)| name.as_bytes());
        // A proxy may write the first name only, or an empty value where there is none.
        if !shown.all(|shown| certified.next().unwrap_or_default() == shown) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `Key=value;Key="value",Key=value`: elements of pairs, keys in any letter case.
fn text_elements(text: &str) -> Result<Vec<Element<'_>>, CertificateError> {
    let mut elements = Vec::new();
    let mut element = Element::default();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=').ok_or(malformed("a key without a value"))?;
        let key = key.trim_matches(BLANK);
        if key.is_empty()
            || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err(malformed("no key where one must stand"));
        }
        let (value, after) = value(after)?;
        element.add(key, value)?;
        let mut separated = after.chars();
        match separated.next() {
            Some(';') => {}
            separator => {
                elements.push(std::mem::take(&mut element));
                if separator.is_none() {
                    return Ok(elements);
                }
                if elements.len() == limits::FORWARDED_ELEMENTS {
                    return Err(malformed("too many elements"));
                }
            }
        }
        rest = separated.as_str();
    }
}

/// A value, quoted or not, and the text behind it, which is empty or begins with a separator.
fn value(text: &str) -> Result<(&str, &str), CertificateError> {
    let (value, rest) = match text.strip_prefix('"') {
        Some(quoted) => {
            let mut escaped = false;
            let is_end = |c: char| {
                let is_end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                is_end
            };
            let end = quoted.find(is_end).ok_or(malformed("a quotation that does not end"))?;
            let (value, rest) =
                quoted.split_at_checked(end).ok_or(malformed("a quotation that does not end"))?;
            (value, rest.strip_prefix('"').unwrap_or(rest).trim_start_matches(BLANK))
        }
        None => {
            let end = text.find([';', ',']).unwrap_or(text.len());
            let (value, rest) = text.split_at_checked(end).unwrap_or((text, ""));
            if value.contains('"') {
                return Err(malformed("a quotation mark within a value"));
            }
            (value.trim_end_matches(BLANK), rest)
        }
    };
    if rest.is_empty() || rest.starts_with([';', ',']) {
        Ok((value, rest))
    } else {
        Err(malformed("text behind a quotation"))
    }
}

impl<'a> Element<'a> {
    /// Whether it says that it is about this certificate.
    fn describes(&self, certificate: &Thumbprint) -> bool {
        let hash = self.hash.as_ref().and_then(|hash| Thumbprint::from_hex(hash.as_bytes()));
        hash == Some(*certificate)
    }

    fn add(&mut self, key: &str, value: &'a str) -> Result<(), CertificateError> {
        let mut show = |kind| {
            self.names.push((kind, value));
            Ok(())
        };
        let place = match key.to_ascii_lowercase().as_str() {
            "hash" => &mut self.hash,
            "cert" => &mut self.cert,
            "chain" => &mut self.chain,
            "uri" => return show(GeneralNameType::Uri),
            "dns" => return show(GeneralNameType::Dns),
            // Other keys, and those that a later Envoy may add, are no proof of anything.
            _ => return Ok(()),
        };
        if place.replace(value.into()).is_some() {
            return Err(malformed("a key twice in one element"));
        }
        Ok(())
    }
}

/// Envoy's JSON form: an array of objects.
fn json_elements(text: &str) -> Result<Vec<Element<'_>>, CertificateError> {
    let elements = Json::parse(text.as_bytes()).and_then(|json| {
        json.elements("an array of elements", |element| {
            let mut members = Members::of(element, "an element")?;
            let owned =
                |json: &Json| json.string("a string").map(|text| Cow::Owned(text.to_owned()));
            let chain =
                members.read("chain", |json| json.elements("an array of certificates", owned))?;
            Ok(Element {
                hash: members.read("hash", owned)?,
                cert: members.read("cert", owned)?,
                chain: chain.filter(|chain| !chain.is_empty()).map(|chain| chain.concat().into()),
                names: Vec::new(),
            })
        })
    });
    let elements = elements.map_err(|_| malformed("not an array of elements in JSON"))?;
    if elements.len() > limits::FORWARDED_ELEMENTS {
        Err(malformed("too many elements"))
    } else {
        Ok(elements)
    }
}

/// An element that describes `certificate`, as Envoy writes it.
pub(super) fn write(certificate: &PeerCertificate) -> String {
    let hash = certificate.thumbprint().to_hex();
    format!("Hash={hash};Cert=\"{}\"", pem::encode_escaped(certificate.der()))
}
