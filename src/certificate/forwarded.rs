//! The certificate in a header that another hop wrote.
//!
//! A header is text that a client may have had a hand in: what its certificate names, a proxy prints. So the grammar is
//! strict, every element must fit the certificate in it, and what does not fit refuses the whole header.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::alternative_name::GeneralNameType;
use super::peer::{CertificateError, PeerCertificate};
use super::pem;
use super::thumbprint::Thumbprint;
use crate::json::{Json, Members};

/// How a hop writes the certificate that it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Envoy's `x-forwarded-client-cert`, as text or as JSON.
    Xfcc,
    /// RFC 9440 §2.1.
    ClientCert,
    /// A percent-encoded PEM, as nginx and others write it.
    XSslCert,
}

impl Dialect {
    /// The header's name in lower case.
    #[must_use]
    pub fn header_name(self) -> &'static str {
        match self {
            Self::Xfcc => "x-forwarded-client-cert",
            Self::ClientCert => "client-cert",
            Self::XSslCert => "x-ssl-cert",
        }
    }

    /// Most octets of a header that is read. Room for a leaf and a chain of large keys, and less than what Envoy lets all
    /// headers together take.
    pub const MOST_OCTETS: usize = 48 << 10;

    /// The certificate in a header field's value. A last element that describes the certificate `own_hop` is this hop's own,
    /// and the one before it counts.
    ///
    /// # Errors
    /// The header or the certificate in it is malformed.
    pub fn read(self, value: &[u8], own_hop: Option<&Thumbprint>) -> Result<PeerCertificate, CertificateError> {
        if value.len() > Self::MOST_OCTETS {
            return Err(malformed("too long"));
        }
        let text = std::str::from_utf8(value).map_err(|_| malformed("not UTF-8"))?;
        if text.contains(|c: char| c.is_control() && c != '\t') {
            return Err(malformed("a control character"));
        }
        let text = text.trim_matches(BLANK);
        match self {
            Self::Xfcc => nearest(text, own_hop),
            Self::ClientCert => PeerCertificate::from_der(&byte_sequence(text)?),
            Self::XSslCert => PeerCertificate::from_pem(text.as_bytes()),
        }
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// A Byte Sequence (RFC 8941 §3.3.5) without parameters, of which RFC 9440 defines none.
fn byte_sequence(text: &str) -> Result<Vec<u8>, CertificateError> {
    // RFC 8941 §4.2.7: parsers should not fail on padding that is not there, or on bits behind the last octet.
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let base64 = text.strip_prefix(':').and_then(|text| text.strip_suffix(':'));
    base64.and_then(|base64| BASE64.decode(base64).ok()).ok_or(malformed("not one Byte Sequence of RFC 8941"))
}

/// What one hop wrote.
#[derive(Debug, Default)]
struct Element<'a> {
    hash: Option<Cow<'a, str>>,
    /// PEM, plain or percent-encoded.
    cert: Option<Cow<'a, str>>,
    /// PEM of the whole chain, leaf first.
    chain: Option<Cow<'a, str>>,
    /// Only the text form shows these: there they may end an element before its end.
    names: Vec<(GeneralNameType, &'a str)>,
}

/// The certificate of the last element, which the nearest hop wrote.
fn nearest(text: &str, own_hop: Option<&Thumbprint>) -> Result<PeerCertificate, CertificateError> {
    let mut elements = if text.starts_with('[') { json_elements(text)? } else { text_elements(text)? };
    let describes = |element: &Element<'_>, certificate: &Thumbprint| {
        element.hash.as_ref().and_then(|hash| Thumbprint::from_hex(hash.as_bytes())) == Some(*certificate)
    };
    if let Some(own_hop) = own_hop {
        elements.pop_if(|element| describes(element, own_hop));
    }
    let mut nearest = None;
    // What a client's name made of the element of its hop shows in that element, so all of them must be right.
    for element in &elements {
        let certificate = match (&element.cert, &element.chain) {
            (Some(cert), _) => PeerCertificate::from_pem(cert.as_bytes())?,
            (None, Some(chain)) => PeerCertificate::from_der(&pem::decode_first(chain.as_bytes()).ok_or(CertificateError::Pem)?)?,
            (None, None) => return Err(malformed("an element without Cert and Chain")),
        };
        if element.hash.is_some() && !describes(element, &certificate.thumbprint()) {
            return Err(malformed("Hash and Cert of one element differ"));
        }
        if !shows_names_of(element, &certificate)? {
            return Err(malformed("the URI or DNS of an element are not those of its Cert"));
        }
        nearest = Some(certificate);
    }
    nearest.ok_or(CertificateError::NotForwarded)
}

/// Whether the names that the element shows are the certificate's, as far as it shows any. Neither quoted nor escaped, a
/// name with a comma or a semicolon is more than it seems: it may bring a `Cert` of its own.
fn shows_names_of(element: &Element<'_>, certificate: &PeerCertificate) -> Result<bool, CertificateError> {
    if element.names.is_empty() {
        return Ok(true);
    }
    for wanted in [GeneralNameType::Uri, GeneralNameType::Dns] {
        let mut certified = certificate.names_as_they_stand(wanted)?;
        let mut shown = element.names.iter().filter(|(kind, _)| *kind == wanted).map(|(_, name)| name.as_bytes());
        // A proxy may show the first name only, or an empty one where there is none.
        if !shown.all(|shown| certified.next().unwrap_or_default() == shown) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Most hops that a header may tell of: each costs the reading of a certificate.
const MOST_ELEMENTS: usize = 8;

/// `Key=value;Key="value",Key=value`: elements of pairs, keys in any letter case.
fn text_elements(text: &str) -> Result<Vec<Element<'_>>, CertificateError> {
    let mut elements = Vec::new();
    let mut element = Element::default();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=').ok_or(malformed("a key without a value"))?;
        let key = key.trim_matches(BLANK);
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
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
                if elements.len() == MOST_ELEMENTS {
                    return Err(malformed("too many elements"));
                }
            }
        }
        rest = separated.as_str();
    }
}

/// A value, quoted or not, and what follows it: nothing, or something that begins with a separator.
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
            let (value, rest) = quoted.split_at_checked(end).ok_or(malformed("a quotation that does not end"))?;
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
    if rest.is_empty() || rest.starts_with([';', ',']) { Ok((value, rest)) } else { Err(malformed("text behind a quotation")) }
}

impl<'a> Element<'a> {
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
            // Others, and those that a later Envoy may add, prove nothing.
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
            let owned = |json: &Json| json.string("a string").map(|text| Cow::Owned(text.to_owned()));
            let chain = members.read("chain", |json| json.elements("an array of certificates", owned))?;
            Ok(Element {
                hash: members.read("hash", owned)?,
                cert: members.read("cert", owned)?,
                chain: chain.and_then(|chain| chain.into_iter().next()),
                names: Vec::new(),
            })
        })
    });
    let elements = elements.map_err(|_| malformed("not an array of elements in JSON"))?;
    if elements.len() > MOST_ELEMENTS { Err(malformed("too many elements")) } else { Ok(elements) }
}

fn malformed(what: &'static str) -> CertificateError {
    CertificateError::Header(what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, Issuer, KeyPair, SanType};

    use super::*;

    /// A certificate with these URIs, and its DER.
    fn certificate(uris: &[String]) -> PeerCertificate {
        static KEY: std::sync::LazyLock<KeyPair> = std::sync::LazyLock::new(|| KeyPair::generate().unwrap());
        let mut params = CertificateParams::default();
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().unwrap())).collect();
        let certificate = params.signed_by(&*KEY, &Issuer::new(CertificateParams::default(), &*KEY)).unwrap();
        PeerCertificate::from_der(certificate.der()).unwrap()
    }

    /// What Envoy writes of a certificate.
    fn element(certificate: &PeerCertificate, uris: &[String]) -> String {
        let hash = certificate.thumbprint().to_hex();
        let cert = pem::encode_escaped(certificate.der());
        let uris: String = if uris.is_empty() { ";URI=".into() } else { uris.iter().map(|uri| format!(";URI={uri}")).collect() };
        format!("By=spiffe://mesh/edge;Hash={hash};Cert=\"{cert}\";Chain=\"{cert}\";Subject=\"CN=a\\, b\"{uris}")
    }

    static VICTIM: std::sync::LazyLock<PeerCertificate> = std::sync::LazyLock::new(|| certificate(&[]));

    /// Found by the property below.
    #[test]
    fn a_name_that_is_written_as_an_element_is_none() {
        let hash = VICTIM.thumbprint().to_hex();
        let name = format!(",Hash={hash};Cert=\"{}\"", pem::encode_escaped(VICTIM.der()));
        let mallory = certificate(std::slice::from_ref(&name));
        let header = element(&mallory, &[name]);
        for own_hop in [None, Some(&Thumbprint::of(b"proxy"))] {
            assert!(Dialect::Xfcc.read(header.as_bytes(), own_hop).is_err());
        }
    }

    /// Text that somebody who wants to be the victim would choose.
    fn hostile_text() -> impl Strategy<Value = String> {
        let victim = pem::encode_escaped(VICTIM.der());
        let mut words: Vec<String> =
            [",", ";", "\"", "=", "\\", "x", " ", "By=", "URI=", "Cert=", "Subject=\"", "[", "]", "{", "}", ":"]
                .map(String::from)
                .into();
        words.push(format!("Hash={}", VICTIM.thumbprint().to_hex()));
        words.push(format!("Hash={}", Thumbprint::of(b"proxy").to_hex()));
        words.push(format!("Cert=\"{victim}\""));
        words.push(format!("Cert={victim}"));
        words.push(format!(",Hash={};Cert=\"{victim}\"", VICTIM.thumbprint().to_hex()));
        words.push(format!("{{\"cert\":{:?}}}", pem::encode(VICTIM.der())));
        proptest::collection::vec(proptest::sample::select(words), 0..7).prop_map(|words| words.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever a client calls itself, and whatever it sends to a proxy that appends: it is never another one.
        #[test]
        fn no_name_and_no_header_of_a_client_make_it_another(
            uris in proptest::collection::vec(hostile_text(), 0..3),
            sent in proptest::option::of(hostile_text()),
            own_element in any::<bool>(),
        ) {
            let mallory = certificate(&uris);
            let mut header: String = sent.into_iter().map(|sent| sent + ",").collect();
            header += &element(&mallory, &uris);
            let own_hop = Thumbprint::of(b"proxy");
            if own_element {
                header += &format!(",By=spiffe://mesh/inner;Hash={};URI=spiffe://mesh/edge", own_hop.to_hex());
            }
            if let Ok(read) = Dialect::Xfcc.read(header.as_bytes(), Some(&own_hop)) {
                prop_assert_eq!(read.thumbprint(), mallory.thumbprint());
            }
        }

        #[test]
        fn names_without_separators_are_read(uris in proptest::collection::vec("[a-z]{1,8}:[!#-+\\--:<-~]{0,20}", 0..3)) {
            let named = certificate(&uris);
            let read = Dialect::Xfcc.read(element(&named, &uris).as_bytes(), None).map(|read| read.thumbprint());
            prop_assert_eq!(read, Ok(named.thumbprint()));
        }

        #[test]
        fn any_octets_are_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..60), text in hostile_text()) {
            for dialect in [Dialect::Xfcc, Dialect::ClientCert, Dialect::XSslCert] {
                let _ = dialect.read(&value, None);
                let _ = dialect.read(&[value.as_slice(), text.as_bytes()].concat(), Some(&Thumbprint::of(&value)));
            }
        }
    }
}
