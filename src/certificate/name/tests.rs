mod comparison;
mod properties;
mod strings;
mod values;

use super::*;

// Identifier octets of the universal class.
const UTF8: u8 = 0x0c;
const NUMERIC: u8 = 0x12;
const PRINTABLE: u8 = 0x13;
const T61: u8 = 0x14;
const IA5: u8 = 0x16;
const VISIBLE: u8 = 0x1a;
const UNIVERSAL: u8 = 0x1c;
const BMP: u8 = 0x1e;

fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match contents.len() {
        length @ 0..=0x7f => der.push(length as u8),
        length @ 0x80..=0xff => der.extend([0x81, length as u8]),
        length => der.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    der.extend(contents);
    der
}

/// `(type, tag, contents octets)`
type Attribute<'a> = (&'a str, u8, &'a [u8]);

fn attribute((attribute_type, tag, contents): Attribute<'_>) -> Vec<u8> {
    // Contents octets of the identifier, which the table of names must agree with.
    let oid = match attribute_type {
        "C" => &[0x55, 4, 6][..],
        "ST" => &[0x55, 4, 8],
        "L" => &[0x55, 4, 7],
        "O" => &[0x55, 4, 10],
        "OU" => &[0x55, 4, 11],
        "CN" => &[0x55, 4, 3],
        "serialNumber" => &[0x55, 4, 5],
        "organizationIdentifier" => &[0x55, 4, 97],
        "jurisdictionC" => &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3],
        "emailAddress" => &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1],
        other => panic!("{other} is not in the test's table"),
    };
    tlv(0x30, &[tlv(6, oid), tlv(tag, contents)].concat())
}

/// The DER of a name from its RDNs, least specific first, as certificates have them.
fn der(rdns: &[&[Attribute<'_>]]) -> Vec<u8> {
    let sets = rdns
        .iter()
        .map(|rdn| tlv(0x31, &rdn.iter().map(|one| attribute(*one)).collect::<Vec<_>>().concat()));
    tlv(0x30, &sets.collect::<Vec<_>>().concat())
}

/// The subject of a certificate.
struct Subject {
    der: Vec<u8>,
    name: DistinguishedName,
}

fn certificate(rdns: &[&[Attribute<'_>]]) -> Subject {
    let der = der(rdns);
    assert_eq!(DistinguishedName::check_der(&der), Ok(()));
    let name = DistinguishedName::from_der(&der).unwrap();
    Subject { der, name }
}

impl DistinguishedName {
    fn differs_from(&self, subject: &Subject) -> Option<NameDifference> {
        self.difference(&subject.der).unwrap()
    }
}

fn registered(text: &str) -> DistinguishedName {
    DistinguishedName::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn seed() -> Subject {
    certificate(&[
        &[("C", PRINTABLE, b"JP")],
        &[("ST", UTF8, b"Tokyo")],
        &[("L", UTF8, b"Chiyoda-ku")],
        &[("O", UTF8, b"Client")],
        &[("CN", UTF8, b"client.example.org")],
    ])
}
