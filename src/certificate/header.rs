//! The headers in which one hop reports the client's certificate to the next: read and written in
//! one place.
//!
//! A header is text that a client may have had a hand in: what its certificate names, a proxy
//! prints. So the grammar is strict, and what does not fit refuses the whole header.

mod xfcc;

use crate::limits;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::peer::{CertificateError, PeerCertificate};
use super::pem;
use super::thumbprint::Thumbprint;

/// A header that carries a client's certificate. A new form is a variant here:
/// [`CertificateHeader::ALL`], its names, how it is read and how it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateHeader {
    /// Envoy's `x-forwarded-client-cert`, read as text or as JSON, written with `Hash` and `Cert`.
    #[default]
    XForwardedClientCert,
    /// `client-cert` of RFC 9440 §2.1.
    ClientCert,
    /// `x-ssl-cert`: a percent-encoded PEM, as nginx and others write it.
    XSslCert,
}

impl CertificateHeader {
    /// Every form, so that `form as usize` is its index.
    pub const ALL: [Self; 3] = [Self::XForwardedClientCert, Self::ClientCert, Self::XSslCert];

    /// The header's name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedClientCert => "x-forwarded-client-cert",
            Self::ClientCert => "client-cert",
            Self::XSslCert => "x-ssl-cert",
        }
    }

    /// The word for it in `peer_certificate.dialect` (contract §4).
    #[must_use]
    pub fn dialect(self) -> &'static str {
        match self {
            Self::XForwardedClientCert => "xfcc",
            Self::ClientCert | Self::XSslCert => self.name(),
        }
    }

    /// The certificate in a header field's value. A last element that describes the certificate
    /// `own_hop` is this hop's own, and the one before it counts.
    ///
    /// # Errors
    /// The header or the certificate in it is malformed.
    pub fn read(
        self,
        value: &[u8],
        own_hop: Option<&Thumbprint>,
    ) -> Result<PeerCertificate, CertificateError> {
        if value.len() > limits::CERTIFICATE_HEADER_OCTETS {
            return Err(malformed("too long"));
        }
        let text = std::str::from_utf8(value).map_err(|_| malformed("not UTF-8"))?;
        if text.contains(|c: char| c.is_control() && c != '\t') {
            return Err(malformed("a control character"));
        }
        let text = text.trim_matches(BLANK);
        match self {
            Self::XForwardedClientCert => xfcc::nearest(text, own_hop),
            Self::ClientCert => PeerCertificate::from_der(&byte_sequence(text)?),
            Self::XSslCert => PeerCertificate::from_pem(text.as_bytes()),
        }
    }

    /// The header field's value for `certificate`.
    #[must_use]
    pub fn write(self, certificate: &PeerCertificate) -> String {
        match self {
            Self::XForwardedClientCert => xfcc::write(certificate),
            // A Byte Sequence of RFC 8941 §3.3.5.
            Self::ClientCert => format!(":{}:", STANDARD.encode(certificate.der())),
            Self::XSslCert => pem::encode_escaped(certificate.der()),
        }
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// A Byte Sequence (RFC 8941 §3.3.5) without parameters, of which RFC 9440 defines none.
fn byte_sequence(text: &str) -> Result<Vec<u8>, CertificateError> {
    // RFC 8941 §4.2.7: parsers should not fail on padding that is not there, or on bits behind the
    // last octet.
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let base64 = text.strip_prefix(':').and_then(|text| text.strip_suffix(':'));
    base64
        .and_then(|base64| BASE64.decode(base64).ok())
        .ok_or(malformed("not one Byte Sequence of RFC 8941"))
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
        static KEY: std::sync::LazyLock<KeyPair> =
            std::sync::LazyLock::new(|| KeyPair::generate().unwrap());
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            uris.iter().map(|uri| SanType::URI(uri.as_str().try_into().unwrap())).collect();
        let certificate =
            params.signed_by(&*KEY, &Issuer::new(CertificateParams::default(), &*KEY)).unwrap();
        PeerCertificate::from_der(certificate.der()).unwrap()
    }

    /// What Envoy writes of a certificate.
    fn element(certificate: &PeerCertificate, uris: &[String]) -> String {
        let hash = certificate.thumbprint().to_hex();
        let cert = pem::encode_escaped(certificate.der());
        let uris: String = if uris.is_empty() {
            ";URI=".into()
        } else {
            uris.iter().map(|uri| format!(";URI={uri}")).collect()
        };
        format!(
            "By=spiffe://mesh/edge;Hash={hash};Cert=\"{cert}\";Chain=\"{cert}\";Subject=\"CN=a\\, \
             b\"{uris}"
        )
    }

    static VICTIM: std::sync::LazyLock<PeerCertificate> =
        std::sync::LazyLock::new(|| certificate(&[]));

    /// Found by the property below.
    #[test]
    fn a_name_that_is_written_as_an_element_is_none() {
        let hash = VICTIM.thumbprint().to_hex();
        let name = format!(",Hash={hash};Cert=\"{}\"", pem::encode_escaped(VICTIM.der()));
        let mallory = certificate(std::slice::from_ref(&name));
        let header = element(&mallory, &[name]);
        for own_hop in [None, Some(&Thumbprint::of(b"proxy"))] {
            assert!(
                CertificateHeader::XForwardedClientCert.read(header.as_bytes(), own_hop).is_err()
            );
        }
    }

    /// Text that somebody who wants to be the victim would choose.
    fn hostile_text() -> impl Strategy<Value = String> {
        let victim = pem::encode_escaped(VICTIM.der());
        let mut words: Vec<String> = [
            ",",
            ";",
            "\"",
            "=",
            "\\",
            "x",
            " ",
            "By=",
            "URI=",
            "Cert=",
            "Subject=\"",
            "[",
            "]",
            "{",
            "}",
            ":",
        ]
        .map(String::from)
        .into();
        words.push(format!("Hash={}", VICTIM.thumbprint().to_hex()));
        words.push(format!("Hash={}", Thumbprint::of(b"proxy").to_hex()));
        words.push(format!("Cert=\"{victim}\""));
        words.push(format!("Cert={victim}"));
        words.push(format!(",Hash={};Cert=\"{victim}\"", VICTIM.thumbprint().to_hex()));
        words.push(format!("{{\"cert\":{:?}}}", pem::encode(VICTIM.der())));
        proptest::collection::vec(proptest::sample::select(words), 0..7)
            .prop_map(|words| words.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever a client calls itself, and whatever it sends to a proxy that appends: it is
        /// never another one.
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
            if let Ok(read) = CertificateHeader::XForwardedClientCert.read(header.as_bytes(), Some(&own_hop)) {
                prop_assert_eq!(read.thumbprint(), mallory.thumbprint());
            }
        }

        #[test]
        fn names_without_separators_are_read(uris in proptest::collection::vec("[a-z]{1,8}:[!#-+\\--:<-~]{0,20}", 0..3)) {
            let named = certificate(&uris);
            let read = CertificateHeader::XForwardedClientCert.read(element(&named, &uris).as_bytes(), None).map(|read| read.thumbprint());
            prop_assert_eq!(read, Ok(named.thumbprint()));
        }

        #[test]
        fn any_octets_are_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..60), text in hostile_text()) {
            for header in CertificateHeader::ALL {
                let _ = header.read(&value, None);
                let _ = header.read(&[value.as_slice(), text.as_bytes()].concat(), Some(&Thumbprint::of(&value)));
            }
        }
    }
}
