//! The headers in which one hop reports the client's certificate to the next: how each is read and
//! written.
//!
//! A client influences the text of such a header, because a proxy writes names of the client's
//! certificate into it. So the grammar is strict, and any text outside of it makes the whole header
//! malformed.

mod bare_der;
mod pem_text;
mod xfcc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::peer::{CertificateError, PeerCertificate};
use super::pem;
use super::thumbprint::Thumbprint;
use crate::limits;

/// A form in which a header carries a client's certificate, read and written. The name of the
/// header is the operator's choice; some forms have a usual one.
///
/// A further form takes a variant here, with its place in [`CertificateHeader::ALL`], its words in
/// a configuration, how it is read and how it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateHeader {
    /// Envoy's `x-forwarded-client-cert`. It is read as text or as JSON, and written as text with
    /// `Hash` and `Cert`.
    #[default]
    Xfcc,
    /// A Byte Sequence of RFC 8941, as in `client-cert` (RFC 9440 §2.1).
    ByteSequence,
    /// Percent-encoded PEM, as nginx and others write it. It is read in every way in which a proxy
    /// brings PEM into one line, and written with all but unreserved characters escaped, because
    /// Java's decoder makes a blank of `+`.
    Pem,
    /// PEM with a blank for every line end, as Apache writes it. It is read like
    /// [`CertificateHeader::Pem`].
    PemLine,
    /// Base64 of the DER, without armour.
    Der,
}

impl CertificateHeader {
    /// Every form, so that `form as usize` is its index.
    pub const ALL: [Self; 5] =
        [Self::Xfcc, Self::ByteSequence, Self::Pem, Self::PemLine, Self::Der];

    /// The values of `peer_certificate.dialect` (contract §4). `x-ssl-cert` is an older word for
    /// `pem`.
    pub const DIALECTS: [(&str, Self); 5] = [
        ("xfcc", Self::Xfcc),
        ("client-cert", Self::ByteSequence),
        ("pem", Self::Pem),
        ("der", Self::Der),
        ("x-ssl-cert", Self::Pem),
    ];

    /// The values of `format` in `forward.certificate` (contract §5).
    pub const FORMATS: [(&str, Self); 5] = [
        ("pem", Self::Pem),
        ("pem-line", Self::PemLine),
        ("der", Self::Der),
        ("byte-sequence", Self::ByteSequence),
        ("xfcc", Self::Xfcc),
    ];

    /// The name of the header in lower case, where a configuration names none; `None` = the form
    /// has no usual name.
    #[must_use]
    pub const fn usual_name(self) -> Option<&'static str> {
        match self {
            Self::Xfcc => Some(XFCC),
            Self::ByteSequence => Some("client-cert"),
            Self::Pem => Some("x-ssl-cert"),
            Self::PemLine | Self::Der => None,
        }
    }

    /// The certificate in the value of a header field.
    ///
    /// In a form with one element for each hop, the last one counts. If it describes the
    /// certificate `own_hop`, which is that of the connection to this hop, the one before it does.
    /// Of a chain the first certificate counts.
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
        if is_placeholder(text) {
            return Err(CertificateError::NotForwarded);
        }
        match self {
            Self::Xfcc => xfcc::nearest(text, own_hop),
            Self::ByteSequence => PeerCertificate::from_der(&byte_sequence(text)?),
            Self::Pem | Self::PemLine => PeerCertificate::from_der(&pem_text::escaped_leaf(text)?),
            Self::Der => PeerCertificate::from_der(&bare_der::leaf(text)?),
        }
    }

    /// Whether the nearest hop says that this is the certificate of its own peer. Only a form with
    /// one element for each hop can say it.
    #[must_use]
    pub fn is_behind(self, value: &[u8], peer: &Thumbprint) -> bool {
        self == Self::Xfcc
            && value.len() <= limits::CERTIFICATE_HEADER_OCTETS
            && std::str::from_utf8(value)
                .is_ok_and(|text| xfcc::ends_with(text.trim_matches(BLANK), peer))
    }

    /// The chain that the client sent with `leaf`, in PEM, leaf first, where a hop reports it;
    /// `None` = none does. It proves nothing.
    #[must_use]
    pub(crate) fn chain_of(self, value: &[u8], leaf: &Thumbprint) -> Option<String> {
        if self != Self::Xfcc || value.len() > limits::CERTIFICATE_HEADER_OCTETS {
            return None;
        }
        xfcc::chain_of(std::str::from_utf8(value).ok()?.trim_matches(BLANK), leaf)
    }

    /// The value of the header field for `certificate`.
    #[must_use]
    pub fn write(self, certificate: &PeerCertificate) -> String {
        let der = certificate.der();
        match self {
            Self::Xfcc => xfcc::write(certificate),
            // A Byte Sequence of RFC 8941 §3.3.5.
            Self::ByteSequence => format!(":{}:", STANDARD.encode(der)),
            Self::Pem => pem::encode_escaped(der),
            // A field value has no blank at its end (RFC 9110 §5.5).
            Self::PemLine => pem::encode(der).trim_end().replace('\n', " "),
            Self::Der => STANDARD.encode(der),
        }
    }
}

/// The name of Envoy's own header.
pub(crate) const XFCC: &str = "x-forwarded-client-cert";

/// Whether a proxy writes this where the client has no certificate: Apache `(null)`, nginx and
/// others `NONE`, HAProxy nothing, between two colons if it writes a Byte Sequence, Caddy the name
/// of its variable in braces.
fn is_placeholder(text: &str) -> bool {
    let is_of_a_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    matches!(text, "" | "(null)" | "NONE" | "::")
        || text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .is_some_and(|name| !name.is_empty() && name.bytes().all(is_of_a_name))
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
            assert!(CertificateHeader::Xfcc.read(header.as_bytes(), own_hop).is_err());
        }
    }

    #[test]
    fn elements_in_json_have_a_limit() {
        for (elements, is_too_many) in
            [(limits::FORWARDED_ELEMENTS, false), (limits::FORWARDED_ELEMENTS + 1, true)]
        {
            let value = format!("[{}]", vec!["{}"; elements].join(","));
            let error = CertificateHeader::Xfcc.read(value.as_bytes(), None).err();
            let found = error == Some(malformed("too many elements"));
            assert_eq!(found, is_too_many, "{elements}");
        }
    }

    #[test]
    fn a_value_has_a_limit() {
        for (octets, error) in [
            (limits::CERTIFICATE_HEADER_OCTETS, CertificateError::NotForwarded),
            (limits::CERTIFICATE_HEADER_OCTETS + 1, malformed("too long")),
        ] {
            let value = vec![b' '; octets];
            assert_eq!(CertificateHeader::Pem.read(&value, None).err(), Some(error), "{octets}");
            let is_read = octets == limits::CERTIFICATE_HEADER_OCTETS;
            let padded = format!("{:octets$}", element(&VICTIM, &[]));
            let chain = CertificateHeader::Xfcc.chain_of(padded.as_bytes(), &VICTIM.thumbprint());
            assert_eq!(chain.is_some(), is_read, "{octets}");
        }
    }

    #[test]
    fn the_last_element_says_whose_peer_its_hop_had() {
        let (victim, hop) = (element(&VICTIM, &[]), Thumbprint::of(b"proxy"));
        let own = format!("By=spiffe://mesh/inner;Hash={}", hop.to_hex());
        let json = format!("[{{}},{{\"hash\":\"{}\"}}]", hop.to_hex());
        for (value, wanted) in [
            (format!("{victim},{own}"), true),
            (format!("  {own}\t"), true),
            (json, true),
            (format!("{own},{victim}"), false),
            (format!("{own},{own}x"), false),
            (format!("{victim},{own},"), false),
            (String::new(), false),
            (format!("{}{own}", " ".repeat(limits::CERTIFICATE_HEADER_OCTETS)), false),
        ] {
            assert_eq!(
                CertificateHeader::Xfcc.is_behind(value.as_bytes(), &hop),
                wanted,
                "{value}"
            );
            assert!(!CertificateHeader::Pem.is_behind(value.as_bytes(), &hop), "{value}");
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
            let read = CertificateHeader::Xfcc;
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
            let read = CertificateHeader::Xfcc.read(header.as_bytes(), None);
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
