//! The DER that most CAs write for a name. Where the subject of a certificate is this DER octet for
//! octet, it has the registered attributes with the registered text, and needs no comparison part
//! by part. Where it is not, nothing is known.

use super::{AttributeTypeAndValue, AttributeValue, RelativeDistinguishedName};
use crate::certificate::der::tag;

/// Types whose values RFC 5280 appendix A wants as a PrintableString: countryName, serialNumber and
/// dnQualifier.
const PRINTABLE: [&[u8]; 3] = [&[0x55, 4, 6], &[0x55, 4, 5], &[0x55, 4, 46]];
/// Types whose values are an IA5String: emailAddress and domainComponent.
const IA5: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
    &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25],
];

/// The DER of the name with these RDNs, which are in the order of RFC 4514; empty where an RDN has
/// several attributes, a value that is no text, or a long one.
pub(super) fn of(rdns: &[RelativeDistinguishedName]) -> Box<[u8]> {
    let parts: Option<Vec<Vec<u8>>> = rdns.iter().rev().map(rdn).collect();
    parts.and_then(|parts| element(tag::SEQUENCE, &parts.concat())).unwrap_or_default().into()
}

fn rdn(rdn: &RelativeDistinguishedName) -> Option<Vec<u8>> {
    let [AttributeTypeAndValue { attribute_type, value: AttributeValue::Text { printed, .. } }] =
        &*rdn.attributes
    else {
        return None;
    };
    let oid = attribute_type.oid();
    let kind = if PRINTABLE.contains(&oid) && printed.is_ascii() {
        tag::PRINTABLE_STRING
    } else if IA5.contains(&oid) && printed.is_ascii() {
        tag::IA5_STRING
    } else {
        tag::UTF8_STRING
    };
    let parts = [element(tag::OBJECT_IDENTIFIER, oid)?, element(kind, printed.as_bytes())?];
    element(tag::SET, &element(tag::SEQUENCE, &parts.concat())?)
}

/// A DER element of at most 255 octets of contents (X.690 §8.1.3).
fn element(tag: u8, contents: &[u8]) -> Option<Vec<u8>> {
    let length = u8::try_from(contents.len()).ok()?;
    let header: &[u8] = if length < 0x80 { &[tag, length] } else { &[tag, 0x81, length] };
    Some([header, contents].concat())
}

#[cfg(test)]
mod tests {
    use crate::certificate::DistinguishedName;

    #[test]
    fn the_usual_der_is_the_name() {
        for text in [
            "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP",
            "/C=JP/O=Client/CN=a",
            "emailAddress=a@example.org,CN=A,DC=example,DC=org",
            "CN=Zo\u{eb}  b,C=\u{e9}",
            "serialNumber=1,CN=x*y",
        ] {
            let name = DistinguishedName::parse(text).unwrap();
            assert!(!name.usual_der.is_empty(), "{text}");
            assert_eq!(DistinguishedName::from_der(&name.usual_der).unwrap(), name, "{text}");
            assert_eq!(name.difference(&name.usual_der), Ok(None), "{text}");
            // Without the short way.
            let slow = DistinguishedName { usual_der: Box::default(), ..name.clone() };
            assert_eq!(slow.difference(&name.usual_der), Ok(None), "{text}");
        }
        let long = "x".repeat(256);
        for text in ["CN=a+O=b", "CN=#0403010203", &format!("CN={long}")] {
            assert!(DistinguishedName::parse(text).unwrap().usual_der.is_empty(), "{text}");
        }
    }

    #[test]
    fn an_openssl_certificate_has_the_usual_der() {
        let text = "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP";
        let expected: Vec<u8> = [
            &b"\x30\x65\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02JP"[..],
            b"\x31\x0e\x30\x0c\x06\x03\x55\x04\x08\x0c\x05Tokyo",
            b"\x31\x13\x30\x11\x06\x03\x55\x04\x07\x0c\x0aChiyoda-ku",
            b"\x31\x0f\x30\x0d\x06\x03\x55\x04\x0a\x0c\x06Client",
            b"\x31\x1b\x30\x19\x06\x03\x55\x04\x03\x0c\x12client.example.org",
        ]
        .concat();
        let mut expected = expected;
        expected[1] = u8::try_from(expected.len() - 2).unwrap();
        assert_eq!(*DistinguishedName::parse(text).unwrap().usual_der, *expected);
    }
}
