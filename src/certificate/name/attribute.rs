//! Attribute types of distinguished names: their object identifiers, and the names that are written
//! for them.

use std::fmt;

use super::NameError;

/// Object identifiers with their names, of which the first is the one that is printed. Names are
/// compared without regard to ASCII case.
///
/// Sources: RFC 4514 §3, RFC 4519, X.520 (2019), RFC 2985, RFC 4524, RFC 3739; for the
/// `jurisdiction…` types, the EV guidelines of the CA/Browser Forum; and the programs that print
/// subjects, which operators copy: OpenSSL (`objects.txt`), Java (`AVAKeyword`), Bouncy Castle
/// (`BCStyle`), GnuTLS (`_oid2str`), NSS (`alg1485.c`), Windows and .NET (`CertNameToStr`).
///
/// Where two of them use one name for different types, the name has the meaning of the LDAP
/// standards:
/// - `SN` is the surname (RFC 4519, OpenSSL, Windows), not the serial number, as in Bouncy Castle.
/// - `uid` is the user id (RFC 4519) in any letter case. In OpenSSL, `uid` in lower case is its
///   uniqueIdentifier.
/// - `uniqueIdentifier` is that of RFC 4524 and OpenSSL. Bouncy Castle prints it for 2.5.4.45,
///   which is `x500UniqueIdentifier` here.
/// - `mail` is that of RFC 4524, not `emailAddress`.
/// - `DN`, in Bouncy Castle a name of dnQualifier, is none: elsewhere it means a whole name.
///
/// A client that was registered with the other meaning is refused, until the registration uses the
/// object identifier or the unambiguous name. No client is accepted by mistake.
const NAMES: &[(&str, &[&str])] = &[
    ("2.5.4.2", &["knowledgeInformation"]),
    ("2.5.4.3", &["CN", "commonName"]),
    ("2.5.4.4", &["SN", "surname"]),
    ("2.5.4.5", &["serialNumber"]),
    ("2.5.4.6", &["C", "countryName"]),
    ("2.5.4.7", &["L", "localityName"]),
    ("2.5.4.8", &["ST", "stateOrProvinceName", "S"]),
    ("2.5.4.9", &["STREET", "streetAddress"]),
    ("2.5.4.10", &["O", "organizationName"]),
    ("2.5.4.11", &["OU", "organizationalUnitName", "organizationUnitName"]),
    ("2.5.4.12", &["title", "T"]),
    ("2.5.4.13", &["description"]),
    ("2.5.4.14", &["searchGuide"]),
    ("2.5.4.15", &["businessCategory"]),
    ("2.5.4.16", &["postalAddress"]),
    ("2.5.4.17", &["postalCode"]),
    ("2.5.4.18", &["postOfficeBox", "POBox"]),
    ("2.5.4.19", &["physicalDeliveryOfficeName"]),
    ("2.5.4.20", &["telephoneNumber", "Phone"]),
    ("2.5.4.21", &["telexNumber"]),
    ("2.5.4.22", &["teletexTerminalIdentifier"]),
    ("2.5.4.23", &["facsimileTelephoneNumber"]),
    ("2.5.4.24", &["x121Address", "X21Address"]),
    ("2.5.4.25", &["internationalISDNNumber", "internationaliSDNNumber"]),
    ("2.5.4.26", &["registeredAddress"]),
    ("2.5.4.27", &["destinationIndicator"]),
    ("2.5.4.28", &["preferredDeliveryMethod"]),
    ("2.5.4.29", &["presentationAddress"]),
    ("2.5.4.30", &["supportedApplicationContext"]),
    ("2.5.4.31", &["member"]),
    ("2.5.4.32", &["owner"]),
    ("2.5.4.33", &["roleOccupant"]),
    ("2.5.4.34", &["seeAlso"]),
    ("2.5.4.35", &["userPassword"]),
    ("2.5.4.41", &["name"]),
    ("2.5.4.42", &["givenName", "GN", "G"]),
    ("2.5.4.43", &["initials", "I"]),
    ("2.5.4.44", &["generationQualifier", "generation"]),
    ("2.5.4.45", &["x500UniqueIdentifier"]),
    ("2.5.4.46", &["dnQualifier", "DNQ"]),
    ("2.5.4.47", &["enhancedSearchGuide"]),
    ("2.5.4.48", &["protocolInformation"]),
    ("2.5.4.49", &["distinguishedName"]),
    ("2.5.4.50", &["uniqueMember"]),
    ("2.5.4.51", &["houseIdentifier"]),
    ("2.5.4.54", &["dmdName"]),
    ("2.5.4.65", &["pseudonym"]),
    ("2.5.4.72", &["role"]),
    ("2.5.4.83", &["uri"]),
    ("2.5.4.86", &["urn"]),
    ("2.5.4.87", &["url"]),
    ("2.5.4.97", &["organizationIdentifier"]),
    ("2.5.4.98", &["c3", "countryCode3c"]),
    ("2.5.4.99", &["n3", "countryCode3n"]),
    ("2.5.4.100", &["dnsName"]),
    ("0.9.2342.19200300.100.1.1", &["UID", "userId"]),
    ("0.9.2342.19200300.100.1.3", &["mail", "rfc822Mailbox"]),
    ("0.9.2342.19200300.100.1.4", &["info"]),
    ("0.9.2342.19200300.100.1.6", &["roomNumber"]),
    ("0.9.2342.19200300.100.1.8", &["userClass"]),
    ("0.9.2342.19200300.100.1.9", &["host"]),
    ("0.9.2342.19200300.100.1.10", &["manager"]),
    ("0.9.2342.19200300.100.1.20", &["homePhone", "homeTelephoneNumber"]),
    ("0.9.2342.19200300.100.1.25", &["DC", "domainComponent"]),
    ("0.9.2342.19200300.100.1.37", &["associatedDomain"]),
    ("0.9.2342.19200300.100.1.40", &["personalTitle"]),
    ("0.9.2342.19200300.100.1.41", &["mobile", "mobileTelephoneNumber"]),
    ("0.9.2342.19200300.100.1.42", &["pager", "pagerTelephoneNumber"]),
    ("0.9.2342.19200300.100.1.43", &["co", "friendlyCountryName"]),
    ("0.9.2342.19200300.100.1.44", &["uniqueIdentifier"]),
    ("0.9.2342.19200300.100.1.45", &["organizationalStatus"]),
    ("0.9.2342.19200300.100.1.48", &["buildingName"]),
    ("1.2.840.113549.1.9.1", &["emailAddress", "E", "email"]),
    ("1.2.840.113549.1.9.2", &["unstructuredName"]),
    ("1.2.840.113549.1.9.7", &["challengePassword"]),
    ("1.2.840.113549.1.9.8", &["unstructuredAddress"]),
    ("1.2.840.113549.1.9.13", &["signingDescription"]),
    ("1.2.840.113549.1.9.20", &["friendlyName"]),
    ("1.2.840.113556.1.4.656", &["userPrincipalName"]),
    ("1.2.643.3.131.1.1", &["INN"]),
    ("1.2.643.100.1", &["OGRN"]),
    ("1.2.643.100.3", &["SNILS"]),
    ("1.2.643.100.4", &["INNLE"]),
    ("1.2.643.100.5", &["OGRNIP"]),
    ("1.3.6.1.4.1.42.2.11.2.1", &["IP"]),
    ("1.3.6.1.5.5.7.9.1", &["dateOfBirth"]),
    ("1.3.6.1.5.5.7.9.2", &["placeOfBirth"]),
    ("1.3.6.1.5.5.7.9.3", &["gender"]),
    ("1.3.6.1.5.5.7.9.4", &["countryOfCitizenship"]),
    ("1.3.6.1.5.5.7.9.5", &["countryOfResidence"]),
    ("1.3.36.8.3.14", &["nameAtBirth"]),
    (
        "1.3.6.1.4.1.311.60.2.1.1",
        &[
            "jurisdictionLocalityName",
            "jurisdictionL",
            "jurisdictionOfIncorporationLocalityName",
            "incorporationLocality",
        ],
    ),
    (
        "1.3.6.1.4.1.311.60.2.1.2",
        &[
            "jurisdictionStateOrProvinceName",
            "jurisdictionST",
            "jurisdictionOfIncorporationStateOrProvinceName",
            "incorporationState",
        ],
    ),
    (
        "1.3.6.1.4.1.311.60.2.1.3",
        &[
            "jurisdictionCountryName",
            "jurisdictionC",
            "jurisdictionOfIncorporationCountryName",
            "incorporationCountry",
        ],
    ),
];

/// The type of an attribute, by its object identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttributeType {
    /// The contents octets of the DER encoding (X.690 §8.19).
    oid: Box<[u8]>,
}

impl AttributeType {
    /// The type with this name: a known name in any letter case, or a dotted-decimal object
    /// identifier (RFC 4512 §1.4 `numericoid`), with or without the prefix `OID.` of RFC 1779.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        let unknown = || NameError::UnknownAttributeType(text.to_owned());
        if let Some((oid, _)) =
            NAMES.iter().find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(text)))
        {
            return Ok(Self { oid: encode_oid(oid).ok_or_else(unknown)? });
        }
        let dotted = match text.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("oid.") => {
                text.get(4..).unwrap_or_default()
            }
            _ => text,
        };
        Ok(Self { oid: encode_oid(dotted).ok_or_else(unknown)? })
    }

    /// Whether this is a known name, in this letter case.
    pub(crate) fn is_name(text: &str) -> bool {
        NAMES.iter().any(|(_, names)| names.contains(&text))
    }

    /// The type with these contents octets of a DER `OBJECT IDENTIFIER`.
    pub(super) fn from_der_contents(octets: &[u8]) -> Result<Self, NameError> {
        Self::check_der_contents(octets)?;
        Ok(Self { oid: octets.into() })
    }

    /// Checks the contents octets of a DER `OBJECT IDENTIFIER`.
    pub(super) fn check_der_contents(octets: &[u8]) -> Result<(), NameError> {
        // X.690 §8.19.2: no arc begins with a padding octet, and in the last octet of an arc bit 8
        // is clear.
        let mut at_start = true;
        for &octet in octets {
            if at_start && octet == 0x80 {
                return Err(NameError::MalformedDer);
            }
            at_start = octet & 0x80 == 0;
        }
        if octets.is_empty() || !at_start { Err(NameError::MalformedDer) } else { Ok(()) }
    }

    /// The contents octets of its DER encoding.
    pub(super) fn oid(&self) -> &[u8] {
        &self.oid
    }
}

/// The type's usual name, or its dotted-decimal identifier where it has none.
impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Oid(&self.oid).fmt(f)
    }
}

/// The name that is printed of the type with these contents octets.
pub(super) fn usual_name(oid: &[u8]) -> Option<&'static str> {
    // No type of the table has a longer identifier. One that a client sends may have any length.
    if oid.len() > 16 {
        return None;
    }
    let mut dotted = String::new();
    write_dotted(oid, &mut dotted).ok()?;
    NAMES.iter().find(|(oid, _)| *oid == dotted).and_then(|(_, names)| names.first().copied())
}

/// The contents octets of a dotted-decimal object identifier, `None` where `text` is no
/// `numericoid`.
fn encode_oid(text: &str) -> Option<Box<[u8]>> {
    let mut arcs = text.split('.').map(|arc| {
        let canonical =
            arc.bytes().all(|b| b.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'));
        // 2.25 carries UUIDs, so an arc may need 128 bits.
        arc.parse::<u128>().ok().filter(|_| canonical)
    });
    let (first, second) = (arcs.next()??, arcs.next()??);
    if first > 2 || (first < 2 && second >= 40) {
        return None;
    }
    let mut octets = Vec::with_capacity(text.len());
    encode_arc(first.checked_mul(40)?.checked_add(second)?, &mut octets);
    for arc in arcs {
        encode_arc(arc?, &mut octets);
    }
    Some(octets.into())
}

fn encode_arc(arc: u128, octets: &mut Vec<u8>) {
    let groups = (128 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let bits = (arc >> (group * 7)) as u8 & 0x7f;
        octets.push(if group == 0 { bits } else { bits | 0x80 });
    }
}

/// Writes contents octets in dotted decimal.
pub(super) fn write_dotted(octets: &[u8], into: &mut impl fmt::Write) -> fmt::Result {
    let mut arc: u128 = 0;
    let mut is_first = true;
    for octet in octets {
        // An arc above 128 bits loses its upper bits in print. It is compared by its octets.
        arc = (arc << 7) | u128::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        if std::mem::take(&mut is_first) {
            let first = (arc / 40).min(2);
            write!(into, "{first}.{}", arc - first * 40)?;
        } else {
            write!(into, ".{arc}")?;
        }
        arc = 0;
    }
    Ok(())
}

/// An attribute type from the contents octets of its identifier, printed as [`AttributeType`] is.
pub(super) struct Oid<'a>(pub(super) &'a [u8]);

impl fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usual_name(self.0) {
            Some(name) => f.write_str(name),
            None => write_dotted(self.0, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_its_own_type() {
        for (oid, names) in NAMES {
            let expected = AttributeType::parse(oid).unwrap();
            for name in *names {
                assert_eq!(AttributeType::parse(name).unwrap(), expected, "{name}");
                assert_eq!(AttributeType::parse(&name.to_uppercase()).unwrap(), expected, "{name}");
            }
            assert_eq!(AttributeType::parse(&format!("OID.{oid}")).unwrap(), expected);
            assert_eq!(AttributeType::parse(&format!("oid.{oid}")).unwrap(), expected);
            assert_eq!(expected.to_string(), names[0]);
        }
        let mut all: Vec<String> =
            NAMES.iter().flat_map(|(_, n)| n.iter().map(|n| n.to_lowercase())).collect();
        all.sort();
        all.dedup();
        // `internationaliSDNNumber` (X.520) and `internationalISDNNumber` (RFC 4519) differ by case
        // alone.
        assert_eq!(all.len() + 1, NAMES.iter().map(|(_, n)| n.len()).sum::<usize>());
    }

    #[test]
    fn every_attribute_type_of_rfc_4519_is_known() {
        // Its section 2, in this order.
        for name in [
            "businessCategory",
            "c",
            "cn",
            "dc",
            "description",
            "destinationIndicator",
            "distinguishedName",
            "dnQualifier",
            "enhancedSearchGuide",
            "facsimileTelephoneNumber",
            "generationQualifier",
            "givenName",
            "houseIdentifier",
            "initials",
            "internationalISDNNumber",
            "l",
            "member",
            "name",
            "o",
            "ou",
            "owner",
            "physicalDeliveryOfficeName",
            "postalAddress",
            "postalCode",
            "postOfficeBox",
            "preferredDeliveryMethod",
            "registeredAddress",
            "roleOccupant",
            "searchGuide",
            "seeAlso",
            "serialNumber",
            "sn",
            "st",
            "street",
            "telephoneNumber",
            "teletexTerminalIdentifier",
            "telexNumber",
            "title",
            "uid",
            "uniqueMember",
            "userPassword",
            "x121Address",
            "x500UniqueIdentifier",
        ] {
            assert!(AttributeType::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn object_identifiers_are_encoded_by_x690() {
        let octets = |text| AttributeType::parse(text).unwrap().oid.to_vec();
        assert_eq!(octets("2.5.4.3"), [0x55, 4, 3]);
        assert_eq!(octets("2.999.3"), [0x88, 0x37, 3]);
        assert_eq!(octets("1.2.840.113549"), [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
        let uuid = "2.25.329800735698586629295641978511506172918";
        assert_eq!(AttributeType::parse(uuid).unwrap().to_string(), uuid);
    }

    #[test]
    fn what_is_no_object_identifier_is_refused() {
        for text in [
            "", "1", "01.1", "1.01", "1.40", "3.1", "1..2", "1.2.", ".1.2", "1.2a", "1.+2", "OID.",
            "OID.CN", "xyz",
        ] {
            assert_eq!(
                AttributeType::parse(text),
                Err(NameError::UnknownAttributeType(text.to_owned())),
                "{text}"
            );
        }
        for octets in [&[][..], &[0x80, 1], &[0x55, 0x80, 1], &[0x55, 0x84]] {
            assert_eq!(AttributeType::from_der_contents(octets), Err(NameError::MalformedDer));
        }
    }
}
