//! Types of values in certificates.

use super::*;

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
        // In an unknown character set, so byte for byte.
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
    // Text in ASCII, and byte for byte otherwise.
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
    // Not DER, so that only its octets can be registered.
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
fn octet_for_octet_is_the_whole_attribute() {
    let registered = registered("CN=xy");
    let is_octet_for_octet = |set: &[u8]| registered.rdns[0].is_octet_for_octet(set);
    assert!(is_octet_for_octet(&[0x30, 9, 6, 3, 0x55, 4, 3, UTF8, 2, b'x', b'y']));
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
        assert!(!is_octet_for_octet(set), "{set:02x?}");
    }
}
