//! The headers in which one hop reports the client's certificate to the next: how each is read and
//! written.
//!
//! A client influences the text of such a header, because a proxy writes names of the client's
//! certificate into it. So the grammar is strict, and any text outside of it makes the whole header
//! malformed.

mod xfcc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::peer::{CertificateError, PeerCertificate};
use super::pem;
use super::thumbprint::Thumbprint;
use crate::limits;

/// A header that carries a client's certificate. A further form takes a variant here, with its
/// place in [`CertificateHeader::ALL`], its names, how it is read and how it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateHeader {
    /// Envoy's `x-forwarded-client-cert`. It is read as text or as JSON, and written as text with
    /// `Hash` and `Cert`.
    #[default]
    XForwardedClientCert,
    /// `client-cert` (RFC 9440 §2.1).
    ClientCert,
    /// `x-ssl-cert`, a percent-encoded PEM, as nginx and others write it.
    XSslCert,
}

impl CertificateHeader {
    /// Every form, so that `form as usize` is its index.
    pub const ALL: [Self; 3] = [Self::XForwardedClientCert, Self::ClientCert, Self::XSslCert];

    /// The name of the header, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::XForwardedClientCert => "x-forwarded-client-cert",
            Self::ClientCert => "client-cert",
            Self::XSslCert => "x-ssl-cert",
        }
    }

    /// The value of `peer_certificate.dialect` that stands for it (contract §4).
    #[must_use]
    pub fn dialect(self) -> &'static str {
        match self {
            Self::XForwardedClientCert => "xfcc",
            Self::ClientCert | Self::XSslCert => self.name(),
        }
    }

    /// The certificate in the value of a header field.
    ///
    /// In a form with one element for each hop, the last one counts. If it describes the
    /// certificate `own_hop`, which is that of the connection to this hop, the one before it does.
    ///
    /// # Errors
    /// [`CertificateError::Header`], [`CertificateError::NotForwarded`], and those of
    /// [`PeerCertificate::from_pem`].
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

    /// The value of the header field for `certificate`.
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
    // RFC 8941 §4.2.7: parsers should not fail on missing padding or on non-zero pad bits.
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

    /// The element that Envoy writes for a certificate.
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

    /// A case that the property below found.
    #[test]
    fn a_name_with_the_text_of_an_element_is_no_element() {
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

    /// Text that a client would choose to pass as the victim.
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

        /// Neither the names of a client nor the header that it sends to a proxy, which appends to
        /// it, make it another client.
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
                let hash = own_hop.to_hex();
                header += &format!(",By=spiffe://mesh/inner;Hash={hash};URI=spiffe://mesh/edge");
            }
            let read = CertificateHeader::XForwardedClientCert;
            if let Ok(read) = read.read(header.as_bytes(), Some(&own_hop)) {
                prop_assert_eq!(read.thumbprint(), mallory.thumbprint());
            }
        }

        #[test]
        fn names_without_separators_are_read(
            uris in proptest::collection::vec("[a-z]{1,8}:[!#-+\\--:<-~]{0,20}", 0..3)
        ) {
            let named = certificate(&uris);
            let header = element(&named, &uris);
            let read = CertificateHeader::XForwardedClientCert.read(header.as_bytes(), None);
            prop_assert_eq!(read.map(|read| read.thumbprint()), Ok(named.thumbprint()));
        }

        #[test]
        fn any_octets_are_read_or_refused(
            value in proptest::collection::vec(any::<u8>(), 0..60),
            text in hostile_text(),
        ) {
            let own_hop = Thumbprint::of(&value);
            for header in CertificateHeader::ALL {
                let _ = header.read(&value, None);
                let longer = [value.as_slice(), text.as_bytes()].concat();
                let _ = header.read(&longer, Some(&own_hop));
            }
        }
    }
}
