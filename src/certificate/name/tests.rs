use proptest::prelude::*;

use super::*;

// A tiny DER writer: tag numbers of the universal class.
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
    // The octets of the identifier, taken from the DER that this crate itself would compare.
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

#[test]
fn every_way_to_write_the_seed_documents_name() {
    for text in [
        "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP",
        "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP",
        "  cn = CLIENT.example.org ,  o=client,l=Chiyoda-KU,s=TOKYO,c=jp  ",
        "2.5.4.3=client.example.org,OID.2.5.4.10=Client,oid.2.5.4.7=Chiyoda-ku,2.5.4.8=Tokyo,2.5.4.6=JP",
        "commonName=client.example.org,organizationName=Client,localityName=Chiyoda-ku,stateOrProvinceName=Tokyo,countryName=JP",
        "CN=\"client.example.org\",O=\"Client\" , L=Chiyoda-ku,ST=#0C05546f6b796f,C=#13024a50",
        "CN=cl\\69ent.example.org,O=\\20Client\\20,L=Chiyoda\\2dku,ST=Tokyo,C=\\ JP",
        "/C=JP/ST=Tokyo/L=Chiyoda-ku/O=Client/CN=client.example.org",
        "/c=JP/st=Tokyo/l=Chiyoda-ku/o=Client/cn=CLIENT.example.org",
    ] {
        assert_eq!(registered(text).differs_from(&seed()), None, "{text}");
    }
}

#[test]
fn case_blanks_and_string_types_do_not_count() {
    let expected = registered("CN=GOOD CA,C=US");
    for (tag, contents) in [
        (PRINTABLE, b"Good  CA ".to_vec()),
        (UTF8, b" Good  CA".to_vec()),
        (T61, b"good ca".to_vec()),
        (IA5, b"GOOD CA".to_vec()),
        (BMP, utf16("Good  CA ")),
        (UNIVERSAL, "Good  CA ".chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()),
    ] {
        let subject = certificate(&[&[("C", PRINTABLE, b"us")], &[("CN", tag, &contents)]]);
        assert_eq!(expected.differs_from(&subject), None, "{tag:#x}");
    }
    for tag in [NUMERIC, VISIBLE, PRINTABLE, T61, IA5] {
        let subject = certificate(&[&[("serialNumber", tag, b"1234")]]);
        for text in [
            "serialNumber=1234",
            "serialNumber=\\ 1234\\ ",
            &format!("serialNumber=#{tag:02x}0431323334"),
            "SERIALNUMBER=#130431323334",
        ] {
            assert_eq!(registered(text).differs_from(&subject), None, "{tag:#x} {text}");
        }
        assert!(registered("serialNumber=12345").differs_from(&subject).is_some());
    }
    for tag in [PRINTABLE, T61] {
        // Latin-1 in a type that is ASCII, or T.61, by its name.
        let latin1 = certificate(&[&[("O", tag, b"Soci\xe9t\xe9")]]);
        for text in [
            "O=Société",
            "O=SOCIÉTÉ",
            "O=Socie\u{301}te\u{301}",
            "O=#1407536f6369e974e9",
            "O=#0c09536f6369c3a974c3a9",
        ] {
            assert_eq!(registered(text).differs_from(&latin1), None, "{tag:#x} {text}");
        }
        assert!(registered("O=Societe").differs_from(&latin1).is_some());
        // In another character set than Latin-1: nobody knows which, so byte for byte.
        let unknown = certificate(&[&[("O", tag, b"\x93Acme\x94")]]);
        assert_eq!(
            registered(&format!("O=#{tag:02x}069341636d6594")).differs_from(&unknown),
            None,
            "{tag:#x}"
        );
        for text in ["O=Acme", "O=\u{201c}Acme\u{201d}", "O=#0c0441636d65"] {
            assert!(registered(text).differs_from(&unknown).is_some(), "{tag:#x} {text}");
        }
    }
    // ASCII alone, and byte for byte where it is not.
    for tag in [NUMERIC, VISIBLE] {
        let unknown = certificate(&[&[("O", tag, b"Soci\xe9t\xe9")]]);
        assert_eq!(
            registered(&format!("O=#{tag:02x}07536f6369e974e9")).differs_from(&unknown),
            None,
            "{tag:#x}"
        );
        for text in ["O=Société", "O=#1407536f6369e974e9"] {
            assert!(registered(text).differs_from(&unknown).is_some(), "{tag:#x} {text}");
        }
    }
}

#[test]
fn bit_strings_by_their_bits_their_text_or_their_der() {
    let subject = |contents: &[u8]| {
        let value = tlv(0x03, contents);
        let attribute = tlv(0x30, &[tlv(6, &[0x55, 4, 45]), value].concat());
        let der = tlv(0x30, &tlv(0x31, &attribute));
        assert_eq!(DistinguishedName::check_der(&der), Ok(()));
        let name = DistinguishedName::from_der(&der).unwrap();
        Subject { der, name }
    };
    let text = subject(b"\0ID-42");
    for matching in
        ["ID-42", "#030600", "#03060049442d3432", "'0100100101000100001011010011010000110010'B"]
    {
        let expected = matching != "#030600";
        let parsed = DistinguishedName::parse(&format!("x500UniqueIdentifier={matching}"));
        assert_eq!(
            parsed.is_ok_and(|name| name.differs_from(&text).is_none()),
            expected,
            "{matching}"
        );
    }
    for other in [
        "id-42",
        "ID-42 ",
        "ID-4",
        "ID-422",
        "''B",
        "'0'B",
        "'010010010100010000101101001101000011001'B",
    ] {
        assert!(
            registered(&format!("x500UniqueIdentifier=\"{other}\"")).differs_from(&text).is_some(),
            "{other}"
        );
    }
    assert!(
        registered("uniqueIdentifier=ID-42").differs_from(&text).is_some(),
        "RFC 4524 has another type of this name"
    );
    let bits = subject(&[5, 0b0110_0000]);
    assert_eq!(registered("2.5.4.45='011'B").differs_from(&bits), None);
    assert_eq!(registered("2.5.4.45=#03020560").differs_from(&bits), None);
    for other in ["'0110'B", "'01100000'B", "'01'B", "'111'B", "'01a'B", "'011'b", "`", "#03020460"]
    {
        assert!(registered(&format!("2.5.4.45={other}")).differs_from(&bits).is_some(), "{other}");
    }
    let empty = subject(&[0]);
    assert_eq!(registered("2.5.4.45=''B").differs_from(&empty), None);
    // Text that looks like bits means the bits.
    assert!(registered("2.5.4.45='0'B").differs_from(&subject(b"\0'0'B")).is_some());
    // Not DER, and so nothing that anybody could register but by its octets.
    for contents in [&[][..], &[8, 0], &[5, 0xff], &[1]] {
        for other in ["''B", "'111'B", "'0'B", "'1111111'B"] {
            assert!(
                registered(&format!("2.5.4.45={other}")).differs_from(&subject(contents)).is_some(),
                "{contents:?} {other}"
            );
        }
    }
}

#[test]
fn escapes_and_hexadecimal_values() {
    for (one, other) in [
        ("CN=\\23John Smith\\20", "CN=\\#John Smith\\ "),
        ("OU=Sales\\; Data\\+Algorithms", "OU=Sales\\3B Data\\2BAlgorithms"),
        ("2.5.4.97=#0c084f46424d50532d31", "organizationIdentifier=OFBMPS-1"),
        ("2.5.4.97=#0C084F46424D50532D31", "2.5.4.97=#13084f46424d50532d31"),
        (
            "2.5.4.5=#130e3138303333353532303030313034,L=São Paulo",
            "serialNumber=18033552000104,L=S\\C3\\A3o Paulo",
        ),
        ("JURISDICTIONCOUNTRYNAME=BR", "1.3.6.1.4.1.311.60.2.1.3=#13024252"),
        ("jurisdictionC=BR", "jurisdictionCountryName=br"),
        ("emailAddress=a@b.c", "E=A@B.C"),
        ("O=\"Acme, Inc.\"", "O=Acme\\, Inc."),
        ("O=\"a\\\"b\"", "O=a\\\"b"),
        ("O=a\\=b", "O=a=b"),
        ("O=a#b", "O=a\\#b"),
        ("O=", "O=\\20"),
        ("O=é", "O=É"),
        ("O=e\u{301}", "O=\\C3\\89"),
        ("OU=Sales+CN=x", "CN=X + OU=SALES"),
        ("/O=a/b=c/CN=x", "CN=x,O=a/b=c"),
        ("/O=a=b\\/CN=c/CN=x+OU=y", "OU=y+CN=x,O=a\\=b/CN\\=c"),
        ("/O=A+B/CN=x", "CN=x,O=A\\+B"),
        // Only `\/` and `\+` are escapes in this form: a domain and a user of Windows, or anything
        // else with a backslash.
        ("/CN=CORP\\svc", "CN=CORP\\\\svc"),
        ("/CN=x\\\\y", "CN=x\\\\\\\\y"),
        ("/CN=x\\xg0\\x1", "CN=x\\\\xg0\\\\x1"),
        ("/CN=a\\", "CN=a\\\\"),
        ("/CN=a\\/CN=b\\+OU=c", "CN=a/CN\\=b\\+OU\\=c"),
        ("/CN=\\\\/O=b", "CN=\\\\/O\\=b"),
        ("/CN=a\\nb", "CN=a\\\\nb"),
    ] {
        assert_eq!(registered(one), registered(other));
    }
}

#[test]
fn names_that_differ() {
    for (one, other) in [
        ("OU=Sales+CN=x", "OU=Sales,CN=x"),
        ("o=A+o=a+o=b", "o=a+o=b+o=B"),
        ("CN=x,OU=a,OU=b", "CN=x,OU=b,OU=a"),
        ("CN=x,O=y", "O=y,CN=x"),
        ("CN=x", "CN=x,O=y"),
        ("CN=client.example.org\\,O=Client", "CN=client.example.org,O=Client"),
        ("CN=client", "CN=сlient"),
        ("CN=a", "OU=a"),
        ("CN=a b", "CN=ab"),
        ("CN=é", "CN=e"),
        ("/CN=x/O=y", "CN=x,O=y"),
        ("/CN=CORP\\svc", "CN=CORPsvc"),
        ("CN=🄰dmin", "CN=admin"),
        ("x500UniqueIdentifier=a", "uniqueIdentifier=a"),
        ("SN=a", "serialNumber=a"),
    ] {
        assert_ne!(registered(one), registered(other), "{one} {other}");
    }
}

#[test]
fn the_first_difference_is_told() {
    let rdn = |position, expected: Option<&str>, found: Option<&str>| {
        Some(NameDifference::Rdn {
            position,
            expected: expected.map(Into::into),
            found: found.map(Into::into),
        })
    };
    let difference = |text: &str| registered(text).differs_from(&seed());
    assert_eq!(
        difference("CN=client.example.org,O=Other,L=x,ST=Tokyo,C=JP"),
        rdn(2, Some("O=Other"), Some("O=Client"))
    );
    assert_eq!(
        difference("CN=client.example.org,O=Other,L=x,ST=Tokyo,C=JP").unwrap().to_string(),
        "RDN 2: expected O=Other, certificate has O=Client"
    );
    assert_eq!(
        difference("C=JP,ST=Tokyo,L=Chiyoda-ku,O=Client,CN=client.example.org"),
        Some(NameDifference::ReverseOrder)
    );
    assert!(NameDifference::ReverseOrder.to_string().starts_with("reverse order"));
    assert_eq!(
        difference("CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo"),
        rdn(5, None, Some("C=JP"))
    );
    assert_eq!(
        difference("CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP,DC=x"),
        rdn(6, Some("DC=x"), None)
    );
    assert_eq!(
        rdn(6, Some("DC=x"), None).unwrap().to_string(),
        "RDN 6: expected DC=x, certificate has nothing"
    );
    let hostile = certificate(&[&[("O", UTF8, b"x\"+CN=\\,;<>#  ")], &[("CN", 0x03, &[0, 1])]]);
    assert_eq!(
        hostile.name.to_string(),
        "CN=#03020001,O=x\\\"\\+CN=\\\\\\,\\;\\<\\>#\\ \\ ".replace("#\\ \\ ", "# \\ ")
    );
}

#[test]
fn to_the_letter_is_the_whole_attribute() {
    let registered = registered("CN=xy");
    let is_to_the_letter = |set: &[u8]| registered.rdns[0].is_to_the_letter(set);
    assert!(is_to_the_letter(&[0x30, 9, 6, 3, 0x55, 4, 3, UTF8, 2, b'x', b'y']));
    for set in [
        &[0x30, 8, 6, 3, 0x55, 4, 3, UTF8, 2, b'x', b'y'][..],
        &[0x30, 10, 6, 3, 0x55, 4, 3, UTF8, 2, b'x', b'y'],
        &[0x30, 9, 6, 3, 0x55, 4, 3, UTF8, 1, b'x', b'y'],
        &[0x30, 9, 6, 3, 0x55, 4, 3, UTF8, 3, b'x', b'y'],
        &[0x30, 9, 6, 3, 0x55, 4, 3, UTF8, 0x82, b'x', b'y'],
        &[0x30, 9, 6, 3, 0x55, 4, 4, UTF8, 2, b'x', b'y'],
        &[0x30, 9, 6, 3, 0x55, 4, 3, BMP, 2, b'x', b'y'],
        &[0x30, 9, 6, 3, 0x55, 4, 3, UTF8, 2, b'x', b'Y'],
        &[0x31, 9, 6, 3, 0x55, 4, 3, UTF8, 2, b'x', b'y'],
        &[0x30, 9, 6, 9, 0x55, 4, 3, UTF8, 2, b'x', b'y'],
        &[],
    ] {
        assert!(!is_to_the_letter(set), "{set:02x?}");
    }
}

#[test]
fn strings_that_are_no_names() {
    let syntax = |offset, expected| NameError::Syntax { offset, expected };
    let raw = |offset, character| NameError::RawControlCharacter { offset, character };
    let (attribute, pairs) = ("an attribute type and `=`", "pairs of hexadecimal digits");
    for (text, error) in [
        ("", NameError::Empty),
        ("   ", NameError::Empty),
        ("CN", syntax(2, attribute)),
        ("=x", syntax(0, attribute)),
        ("CN=a,", syntax(5, attribute)),
        ("CN=a+", syntax(5, attribute)),
        (",CN=a", syntax(0, attribute)),
        ("UID=jsmith,,DC=example", syntax(11, attribute)),
        ("CN=a,O", syntax(6, attribute)),
        ("1.1.1=#F", syntax(7, pairs)),
        ("1.1.1=#000", syntax(9, pairs)),
        ("1.1.1=#", syntax(7, pairs)),
        ("1.1.1=#0c0141zz", syntax(13, "`,`, `+` or the end")),
        ("1.1.1=#0c0241", NameError::MalformedDer),
        ("1.1.1=#0c014100", NameError::MalformedDer),
        ("1.1.1=#0c01ff", NameError::MalformedDer),
        ("UID=john\\?smith", syntax(9, "a special character or two hexadecimal digits after `\\`")),
        ("CN=a\\", syntax(5, "a special character or two hexadecimal digits after `\\`")),
        ("01.1=x", NameError::UnknownAttributeType("01.1".to_owned())),
        ("CNN=x", NameError::UnknownAttributeType("CNN".to_owned())),
        ("CN=a;O=b", syntax(4, "this character to be escaped")),
        ("CN=a\"b", syntax(4, "this character to be escaped")),
        ("CN=<a>", syntax(3, "this character to be escaped")),
        ("CN=a\0b", raw(4, '\0')),
        ("CN=a\nO=b", raw(4, '\n')),
        ("CN=a\r\nO=b", raw(4, '\r')),
        ("CN=é\nO=b", raw(5, '\n')),
        ("CN=a\n", raw(4, '\n')),
        ("\nCN=a", raw(0, '\n')),
        ("CN=a,\tO=b", raw(5, '\t')),
        ("CN=\"a\nb\"", raw(5, '\n')),
        ("CN=a\\\nb", raw(5, '\n')),
        ("/CN=a\n/O=b", raw(5, '\n')),
        ("CN=a\u{85}O=b", raw(4, '\u{85}')),
        ("CN=a\u{2028}O=b", raw(4, '\u{2028}')),
        ("CN=a\u{2029}O=b", raw(4, '\u{2029}')),
        ("CN=a\u{7f}", raw(4, '\u{7f}')),
        ("CN=a\u{9b}", raw(4, '\u{9b}')),
        ("CN=\"a", syntax(5, "`\"`")),
        ("CN=\"a\" b", syntax(7, "`,`, `+` or the end")),
        ("CN=\\ff", NameError::NotUtf8),
        ("CN=a\\00b", NameError::ControlCharacter('\0')),
        ("CN=a\u{e000}", NameError::ProhibitedCharacter('\u{e000}')),
        ("/", syntax(1, attribute)),
        ("/x", syntax(1, attribute)),
        ("/nope=x", syntax(1, attribute)),
        ("/CN=a\\xC3\\xA9", NameError::Ambiguous { offset: 5 }),
        ("/CN=\\x2f", NameError::Ambiguous { offset: 4 }),
    ] {
        assert_eq!(DistinguishedName::parse(text), Err(error), "{text:?}");
    }
    // Values that are no strings are values all the same.
    assert!(
        DistinguishedName::parse("  givenName  =  #040474657374  +  sn  =  #040475736572  ")
            .is_ok()
    );
}

#[test]
fn der_that_is_no_name() {
    for (der, error) in [
        (vec![], NameError::MalformedDer),
        (vec![0x30], NameError::MalformedDer),
        (vec![0x30, 0x80, 0, 0], NameError::MalformedDer),
        (vec![0x30, 0, 0], NameError::MalformedDer),
        (vec![0x31, 0], NameError::MalformedDer),
        (tlv(0x30, &tlv(0x31, &[])), NameError::MalformedDer),
        (tlv(0x30, &tlv(0x30, &attribute(("CN", UTF8, b"x")))), NameError::MalformedDer),
        (tlv(0x30, &tlv(0x31, &tlv(0x30, &tlv(6, &[0x55, 4, 3])))), NameError::MalformedDer),
        (der(&[&[("CN", BMP, b"abc")]]), NameError::MalformedDer),
        (der(&[&[("CN", BMP, &[0xd8, 0])]]), NameError::MalformedDer),
        (der(&[&[("CN", UNIVERSAL, &[0, 0x11, 0, 0])]]), NameError::MalformedDer),
        (der(&[&[("CN", UTF8, b"\xff")]]), NameError::MalformedDer),
        (der(&[&[("CN", IA5, b"\xe9")]]), NameError::MalformedDer),
        (vec![0x30, 0x81, 0], NameError::MalformedDer),
        (
            [&[0x30, 0x82, 0][..], &der(&[&[("CN", UTF8, b"x")]])[1..]].concat(),
            NameError::MalformedDer,
        ),
        (
            tlv(
                0x30,
                &tlv(
                    0x31,
                    &tlv(0x30, &[tlv(6, &[0x55, 4, 3]), vec![0x1f, 0x0c, 1, b'x']].concat()),
                ),
            ),
            NameError::MalformedDer,
        ),
        (
            tlv(
                0x30,
                &tlv(0x31, &tlv(0x30, &[tlv(6, &[0x55, 0x80, 3]), tlv(UTF8, b"x")].concat())),
            ),
            NameError::MalformedDer,
        ),
        (
            tlv(
                0x30,
                &tlv(
                    0x31,
                    &tlv(0x30, &[tlv(6, &[0x55, 4, 3]), tlv(UTF8, b"x"), vec![5, 0]].concat()),
                ),
            ),
            NameError::MalformedDer,
        ),
        (der(&[&[("CN", UTF8, b"good\0evil")]]), NameError::ControlCharacter('\0')),
        (der(&[&[("CN", BMP, &[0, 0])]]), NameError::ControlCharacter('\0')),
    ] {
        assert_eq!(DistinguishedName::from_der(&der), Err(error.clone()), "{der:02x?}");
        assert_eq!(DistinguishedName::check_der(&der), Err(error), "{der:02x?}");
    }
    assert!(registered("CN=x").differs_from(&certificate(&[])).is_some());
}

#[test]
fn monsters_get_an_answer() {
    let long = "x".repeat(33_000);
    assert!(
        registered(&format!("CN={long}"))
            .differs_from(&certificate(&[&[("CN", UTF8, long.as_bytes())]]))
            .is_none()
    );
    let many: Vec<[Attribute<'_>; 1]> = vec![[("OU", UTF8, b"x")]; 4_000];
    let rdns: Vec<&[Attribute<'_>]> = many.iter().map(<[_; 1]>::as_slice).collect();
    assert!(registered("OU=x").differs_from(&certificate(&rdns)).is_some());
    let flat: Vec<Attribute<'_>> = many.concat();
    assert!(registered("OU=x").differs_from(&certificate(&[&flat])).is_some());
    // Combining marks in the order that is dearest to normalize.
    let marks: String =
        "a".chars().chain("\u{315}\u{300}\u{5ae}".chars().cycle().take(10_000)).collect();
    assert!(
        registered("CN=a")
            .differs_from(&certificate(&[&[("CN", UTF8, marks.as_bytes())]]))
            .is_some()
    );
}

const TYPES: [&str; 10] = [
    "C",
    "ST",
    "L",
    "O",
    "OU",
    "CN",
    "serialNumber",
    "organizationIdentifier",
    "jurisdictionC",
    "emailAddress",
];

/// RDNs of `(type, text)`, least specific first.
fn any_name() -> impl Strategy<Value = Vec<Vec<(&'static str, String)>>> {
    let attribute = (prop::sample::select(TYPES.to_vec()), "[ -~äÖßéŠ東京Яя\u{301}]{0,8}");
    prop::collection::vec(prop::collection::vec(attribute, 1..3), 1..5)
}

fn subject_of(name: &[Vec<(&'static str, String)>], tag: u8) -> Subject {
    let octets = |text: &str| if tag == BMP { utf16(text) } else { text.as_bytes().to_vec() };
    let owned: Vec<Vec<(&str, Vec<u8>)>> = name
        .iter()
        .map(|rdn| rdn.iter().map(|(kind, text)| (*kind, octets(text))).collect())
        .collect();
    let borrowed: Vec<Vec<Attribute<'_>>> = owned
        .iter()
        .map(|rdn| rdn.iter().map(|(kind, text)| (*kind, tag, text.as_slice())).collect())
        .collect();
    certificate(&borrowed.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn a_printed_name_is_read_back(name in any_name()) {
        let subject = subject_of(&name, UTF8);
        let read = DistinguishedName::parse(&subject.name.to_string());
        prop_assert_eq!(read.as_ref(), Ok(&subject.name));
        prop_assert_eq!(read.unwrap().differs_from(&subject), None);
    }

    #[test]
    fn the_string_type_never_counts(name in any_name()) {
        let (utf8, bmp) = (subject_of(&name, UTF8), subject_of(&name, BMP));
        prop_assert_eq!(&utf8.name, &bmp.name);
        prop_assert_eq!(utf8.name.differs_from(&bmp), None);
    }

    /// The comparison that reads no further than it must, and the one of what was read whole.
    #[test]
    fn both_ways_to_compare_agree(one in any_name(), other in any_name(), tag in prop::sample::select(vec![UTF8, BMP])) {
        let is_equal = |a: &[Vec<_>], b: &[Vec<_>]| {
            let (a, b) = (subject_of(a, UTF8), subject_of(b, tag));
            let is_equal = a.name == b.name;
            assert_eq!(a.name.differs_from(&b).is_none(), is_equal, "{} {}", a.name, b.name);
            is_equal
        };
        is_equal(&one, &other);
        prop_assert!(is_equal(&one, &one));
        let reversed: Vec<Vec<_>> = one.iter().rev().map(|rdn| rdn.iter().rev().cloned().collect()).collect();
        if !is_equal(&one, &reversed) {
            let difference = subject_of(&one, UTF8).name.differs_from(&subject_of(&reversed, tag));
            prop_assert_eq!(difference, Some(NameDifference::ReverseOrder));
        }
        let capitals: Vec<Vec<_>> =
            one.iter().map(|rdn| rdn.iter().map(|(kind, text)| (*kind, format!("  {} ", text.to_uppercase()))).collect()).collect();
        // A blank before a mark is no blank.
        let begins_with_a_mark = one.iter().flatten().any(|(_, text)| text.starts_with('\u{301}'));
        prop_assert!(is_equal(&one, &capitals) || begins_with_a_mark);
    }

    #[test]
    fn any_escape_of_a_value_is_the_value(text in "[ -~äÖé東]{1,10}", hex in any::<bool>()) {
        let escape = |b: u8| if hex || !b.is_ascii_alphanumeric() { format!("\\{b:02X}") } else { char::from(b).to_string() };
        let string: String = text.bytes().map(escape).collect();
        let expected = certificate(&[&[("O", UTF8, text.as_bytes())]]);
        prop_assert_eq!(registered(&format!("O={string}")).differs_from(&expected), None);
        let der: String = tlv(UTF8, text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        prop_assert_eq!(registered(&format!("O=#{der}")).differs_from(&expected), None);
    }

    #[test]
    fn another_name_never_matches(name in any_name(), which in any::<prop::sample::Index>(), change in 0..4) {
        let subject = subject_of(&name, UTF8);
        let mut other = name.clone();
        let index = which.index(name.len());
        match change {
            0 => other[index][0].1.push('x'),
            1 => other.insert(index, vec![("OU", "one more".to_owned())]),
            2 => { other.remove(index); }
            _ => other[index].push(("OU", "one more".to_owned())),
        }
        prop_assert!(subject.name.differs_from(&subject_of(&other, UTF8)).is_some());
    }

    #[test]
    fn any_string_gets_an_answer(text in "\\PC{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = DistinguishedName::parse(&text);
        let _ = DistinguishedName::parse(&format!("/CN={text}"));
        let checked = DistinguishedName::check_der(&bytes);
        prop_assert_eq!(DistinguishedName::from_der(&bytes).map(|_| ()), checked);
        let _ = registered("CN=x").difference(&bytes);
    }
}
