//! What else people have beside a certificate, and how they get the certificate from it.

use std::fmt;

use super::find;

/// What a file has in place of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MistakenFor {
    PrivateKey,
    PublicKey,
    /// A certification request (PKCS #10).
    Request,
    /// A PKCS #12 container: key and certificates, encrypted.
    Container,
    /// PKCS #7 or CMS: certificates without a key.
    Bundle,
    /// OpenSSL's `TRUSTED CERTIFICATE`, which is no certificate of RFC 7468.
    Trusted,
    RevocationList,
    /// A key store of Java.
    KeyStore,
}

impl fmt::Display for MistakenFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, instead) = match self {
            Self::PrivateKey => (
                "a private key",
                "give the certificate that belongs to it, and keep the key secret",
            ),
            Self::PublicKey => ("a public key", "give the certificate that was issued for it"),
            Self::Request => (
                "a certificate signing request (PKCS #10)",
                "give the certificate that was issued for it",
            ),
            Self::Container => (
                "a PKCS #12 container",
                "take the certificate out: openssl pkcs12 -in FILE -clcerts -nokeys -out \
                 client.pem",
            ),
            Self::Bundle => (
                "a PKCS #7 container",
                "take the certificate out: openssl pkcs7 -in FILE -print_certs -out client.pem \
                 (-inform DER for a file that is not text)",
            ),
            Self::Trusted => (
                "OpenSSL's own form of a certificate (TRUSTED CERTIFICATE)",
                "convert it: openssl x509 -in FILE -out client.pem",
            ),
            Self::RevocationList => {
                ("a certificate revocation list", "give the certificate of the client")
            }
            Self::KeyStore => (
                "a key store of Java",
                "take the certificate out: keytool -exportcert -rfc -keystore FILE -alias NAME \
                 -file client.pem",
            ),
        };
        write!(f, "this is {what}, not a certificate: {instead}")
    }
}

/// The labels of PEM (RFC 7468), and of what older tools write.
const LABELS: [(&str, MistakenFor); 17] = [
    ("PRIVATE KEY", MistakenFor::PrivateKey),
    ("ENCRYPTED PRIVATE KEY", MistakenFor::PrivateKey),
    ("RSA PRIVATE KEY", MistakenFor::PrivateKey),
    ("EC PRIVATE KEY", MistakenFor::PrivateKey),
    ("DSA PRIVATE KEY", MistakenFor::PrivateKey),
    ("OPENSSH PRIVATE KEY", MistakenFor::PrivateKey),
    // Of a curve; a key follows.
    ("EC PARAMETERS", MistakenFor::PrivateKey),
    ("PUBLIC KEY", MistakenFor::PublicKey),
    ("RSA PUBLIC KEY", MistakenFor::PublicKey),
    ("CERTIFICATE REQUEST", MistakenFor::Request),
    ("NEW CERTIFICATE REQUEST", MistakenFor::Request),
    ("PKCS7", MistakenFor::Bundle),
    ("CMS", MistakenFor::Bundle),
    ("PKCS12", MistakenFor::Container),
    ("TRUSTED CERTIFICATE", MistakenFor::Trusted),
    ("X509 CRL", MistakenFor::RevocationList),
    ("SSH2 PUBLIC KEY", MistakenFor::PublicKey),
];

impl MistakenFor {
    /// None: it has a certificate, or nothing that is known here.
    pub fn of(content: &[u8]) -> Option<Self> {
        if find(content, b"-----BEGIN CERTIFICATE-----").is_some() {
            return None;
        }
        const BEGIN: &[u8] = b"-----BEGIN ";
        if let Some(at) = find(content, BEGIN) {
            let rest = content.get(at + BEGIN.len()..).unwrap_or_default();
            return LABELS
                .iter()
                .find(|(label, _)| {
                    rest.strip_prefix(label.as_bytes())
                        .is_some_and(|rest| rest.starts_with(b"-----"))
                })
                .map(|(_, other)| *other);
        }
        let is_key_of_ssh = ["ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-"]
            .iter()
            .any(|kind| content.starts_with(kind.as_bytes()));
        if is_key_of_ssh {
            return Some(Self::PublicKey);
        }
        if [&[0xFE, 0xED, 0xFE, 0xED], &[0xCE, 0xCE, 0xCE, 0xCE]]
            .iter()
            .any(|magic| content.starts_with(&magic[..]))
        {
            return Some(Self::KeyStore);
        }
        Self::of_der(content)
    }

    /// By the tags of the first elements.
    fn of_der(content: &[u8]) -> Option<Self> {
        let (SEQUENCE, outer, _) = element(content)? else { return None };
        let parts = children(outer);
        let tags: Vec<u8> = parts.iter().map(|(tag, _)| *tag).collect();
        let starts_with_oid =
            |at: usize| parts.get(at).is_some_and(|(_, inner)| inner.first() == Some(&OID));
        match tags.as_slice() {
            // RFC 7292 §4: version 3 and an authenticated safe of PKCS #7.
            [INTEGER, SEQUENCE] | [INTEGER, SEQUENCE, SEQUENCE] if starts_with_oid(1) => {
                Some(Self::Container)
            }
            // RFC 5652 §3.
            [OID, ..] => Some(Self::Bundle),
            // RFC 5958 §2.
            [INTEGER, SEQUENCE, OCTETS, ..] if starts_with_oid(1) => Some(Self::PrivateKey),
            // RFC 5915 §3.
            [INTEGER, OCTETS, ..] => Some(Self::PrivateKey),
            // RFC 8017 A.1.
            [INTEGER, INTEGER] => Some(Self::PublicKey),
            [INTEGER, INTEGER, INTEGER, ..] => Some(Self::PrivateKey),
            // RFC 5958 §3.
            [SEQUENCE, OCTETS] if starts_with_oid(0) => Some(Self::PrivateKey),
            // RFC 5280 §4.1.
            [SEQUENCE, BITS] if starts_with_oid(0) => Some(Self::PublicKey),
            [SEQUENCE, SEQUENCE, BITS] => Self::of_signed(parts.first()?.1),
            _ => None,
        }
    }

    /// What is signed: a certificate, a request or a revocation list.
    fn of_signed(content: &[u8]) -> Option<Self> {
        const TIMES: [u8; 2] = [0x17, 0x18];
        let parts = children(content);
        let tags: Vec<u8> = parts.iter().map(|(tag, _)| *tag).collect();
        let second_starts_with_oid =
            parts.get(1).is_some_and(|(_, inner)| inner.first() == Some(&OID));
        match tags.as_slice() {
            // RFC 2986 §4: version, subject and key; in a certificate an algorithm comes second.
            [INTEGER, SEQUENCE, SEQUENCE, ..] if !second_starts_with_oid => Some(Self::Request),
            // RFC 5280 §5.1: a time where a certificate has its validity.
            [INTEGER, SEQUENCE, SEQUENCE, time, ..] | [SEQUENCE, SEQUENCE, time, ..]
                if TIMES.contains(time) =>
            {
                Some(Self::RevocationList)
            }
            _ => None,
        }
    }
}

const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

/// The first element: tag, content, and what follows.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (octets.iter().fold(0, |length, octet| (length << 8) | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

fn children(mut content: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((tag, inner, rest)) = element(content) {
        found.push((tag, inner));
        content = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let length = u8::try_from(content.len()).expect("short");
        [vec![tag], if length < 0x80 { vec![length] } else { vec![0x81, length] }, content].concat()
    }

    #[test]
    fn der_by_its_first_elements() {
        let int = |value: u8| tlv(INTEGER, &[&[value]]);
        let algorithm = tlv(SEQUENCE, &[&tlv(OID, &[&[42]])]);
        let (bits, octets) = (tlv(BITS, &[&[0, 1]]), tlv(OCTETS, &[&[1; 130]]));
        let name = tlv(SEQUENCE, &[&tlv(0x31, &[])]);
        let time = tlv(0x17, &[b"270101000000Z"]);
        let validity = tlv(SEQUENCE, &[&time, &time]);
        let key = tlv(SEQUENCE, &[&algorithm, &bits]);
        let signed = |content: Vec<u8>| tlv(SEQUENCE, &[&content, &algorithm, &bits]);
        for (der, wanted) in [
            (tlv(SEQUENCE, &[&int(3), &algorithm, &key]), Some(MistakenFor::Container)),
            (tlv(SEQUENCE, &[&tlv(OID, &[&[42]]), &octets]), Some(MistakenFor::Bundle)),
            (tlv(SEQUENCE, &[&int(0), &algorithm, &octets]), Some(MistakenFor::PrivateKey)),
            (tlv(SEQUENCE, &[&int(1), &octets]), Some(MistakenFor::PrivateKey)),
            (tlv(SEQUENCE, &[&int(0), &int(7), &int(3)]), Some(MistakenFor::PrivateKey)),
            (tlv(SEQUENCE, &[&algorithm, &octets]), Some(MistakenFor::PrivateKey)),
            (tlv(SEQUENCE, &[&int(7), &int(3)]), Some(MistakenFor::PublicKey)),
            (key.clone(), Some(MistakenFor::PublicKey)),
            (signed(tlv(SEQUENCE, &[&int(0), &name, &key])), Some(MistakenFor::Request)),
            (
                signed(tlv(SEQUENCE, &[&int(1), &algorithm, &name, &time])),
                Some(MistakenFor::RevocationList),
            ),
            (signed(tlv(SEQUENCE, &[&algorithm, &name, &time])), Some(MistakenFor::RevocationList)),
            // Certificates: version 3 and version 1.
            (signed(tlv(SEQUENCE, &[&tlv(0xA0, &[&int(2)]), &int(9), &algorithm, &name])), None),
            (signed(tlv(SEQUENCE, &[&int(9), &algorithm, &name, &validity])), None),
            (vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF], None),
            (vec![0x30, 0x80, 0], None),
            (Vec::new(), None),
        ] {
            assert_eq!(MistakenFor::of(&der), wanted, "{der:02x?}");
        }
    }
}
