//! Certificates and names.

use std::sync::LazyLock;

use tls_client_auth::host::CertificateHeader;
use tls_client_auth::{DistinguishedName, PeerCertificate};

/// What is printed is parsed as the same name, and printed alike.
pub(crate) fn distinguished_name(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let Ok(name) = DistinguishedName::parse(text) else { return };
    let printed = name.to_string();
    let again = DistinguishedName::parse(&printed).expect("a printed name is a name");
    assert_eq!(again, name, "{printed}");
    assert_eq!(again.to_string(), printed);
}

/// A certificate gives a name that is printed, parsed and found in it again, and its alternative
/// names are found in it.
pub(crate) fn certificate(octets: &[u8]) {
    let is_text = octets.first() != Some(&0x30);
    let read =
        if is_text { PeerCertificate::from_pem(octets) } else { PeerCertificate::from_der(octets) };
    let Ok(certificate) = read else { return };
    if !is_text {
        assert_eq!(certificate.der(), octets);
    }
    if let Ok(subject) = certificate.subject() {
        let printed = subject.to_string();
        // A name of a certificate may hold what no registered name may.
        if let Ok(again) = DistinguishedName::parse(&printed) {
            assert_eq!(again, subject, "{printed}");
        }
        assert_eq!(
            DistinguishedName::parse(&printed).ok(),
            Some(subject)
                .filter(|subject| { DistinguishedName::parse(&subject.to_string()).is_ok() })
        );
    }
    for name in certificate.alternative_names().unwrap_or_default() {
        assert_eq!(certificate.has_alternative_name(&name), Ok(true), "{name:?}");
    }
    headers_of(&certificate);
}

/// A certificate is read from each header as it was written there.
fn headers_of(certificate: &PeerCertificate) {
    for header in CertificateHeader::ALL {
        let value = header.write(certificate);
        let read = header.read(value.as_bytes(), None);
        let read = read.unwrap_or_else(|error| panic!("{header:?}: {error}"));
        assert_eq!(read.thumbprint(), certificate.thumbprint(), "{header:?}");
    }
}

/// A value of each header is refused, or read as a certificate that can be written.
pub(crate) fn certificate_header(octets: &[u8]) {
    for header in CertificateHeader::ALL {
        let Ok(certificate) = header.read(octets, None) else { continue };
        let own = certificate.thumbprint();
        let again = header.read(octets, Some(&own)).map(|read| read.thumbprint());
        assert!(again.is_err() || again == Ok(own) || header == CertificateHeader::Xfcc);
        let value = header.write(&certificate);
        let read = header.read(value.as_bytes(), None).expect("what was written is read");
        assert_eq!(read.thumbprint(), own, "{header:?}");
    }
}

/// What a client sends as `x-forwarded-client-cert` to an Envoy that appends to it. It never makes
/// another certificate count than the one of the connection to that Envoy, in any key.
pub(crate) fn forwarded_chain(octets: &[u8]) {
    static OWN: LazyLock<PeerCertificate> = LazyLock::new(|| {
        PeerCertificate::from_pem(include_bytes!("../../tests/bench/client.pem"))
            .expect("a certificate")
    });
    static PROXY: LazyLock<PeerCertificate> = LazyLock::new(|| {
        PeerCertificate::from_pem(include_bytes!("../../tests/bench/client-400-names.pem"))
            .expect("a certificate")
    });
    let element = |key: &str| {
        let written = CertificateHeader::Xfcc.write(&OWN);
        written.replace(";Cert=", &format!(";{key}="))
    };
    for key in ["Cert", "Chain"] {
        for own_hop in [None, Some(PROXY.thumbprint())] {
            let mut value = [octets, b",", element(key).as_bytes()].concat();
            if own_hop.is_some() {
                let hop = format!(",Hash={}", PROXY.thumbprint().to_hex());
                value.extend_from_slice(hop.as_bytes());
            }
            if let Ok(read) = CertificateHeader::Xfcc.read(&value, own_hop.as_ref()) {
                assert_eq!(read.thumbprint(), OWN.thumbprint(), "{}", octets.escape_ascii());
            }
        }
    }
}
