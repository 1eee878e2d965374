//! What holds for all names.

use proptest::prelude::*;

use super::*;

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

    /// The comparison with DER, which stops at the first difference, and that of parsed names.
    #[test]
    fn both_ways_to_compare_agree(
        one in any_name(),
        other in any_name(),
        tag in prop::sample::select(vec![UTF8, BMP]),
    ) {
        let is_equal = |a: &[Vec<_>], b: &[Vec<_>]| {
            let (a, b) = (subject_of(a, UTF8), subject_of(b, tag));
            let is_equal = a.name == b.name;
            assert_eq!(a.name.differs_from(&b).is_none(), is_equal, "{} {}", a.name, b.name);
            is_equal
        };
        is_equal(&one, &other);
        prop_assert!(is_equal(&one, &one));
        let reversed: Vec<Vec<_>> =
            one.iter().rev().map(|rdn| rdn.iter().rev().cloned().collect()).collect();
        if !is_equal(&one, &reversed) {
            let difference = subject_of(&one, UTF8).name.differs_from(&subject_of(&reversed, tag));
            prop_assert_eq!(difference, Some(NameDifference::ReverseOrder));
        }
        let capital =
            |(kind, text): &(_, String)| (*kind, format!("  {} ", text.to_uppercase()));
        let capitals: Vec<Vec<_>> =
            one.iter().map(|rdn| rdn.iter().map(capital).collect()).collect();
        // A blank before a mark is no blank.
        let begins_with_a_mark = one.iter().flatten().any(|(_, text)| text.starts_with('\u{301}'));
        prop_assert!(is_equal(&one, &capitals) || begins_with_a_mark);
    }

    #[test]
    fn any_escape_of_a_value_is_the_value(text in "[ -~äÖé東]{1,10}", hex in any::<bool>()) {
        let escape = |b: u8| {
            if hex || !b.is_ascii_alphanumeric() {
                format!("\\{b:02X}")
            } else {
                char::from(b).to_string()
            }
        };
        let string: String = text.bytes().map(escape).collect();
        let expected = certificate(&[&[("O", UTF8, text.as_bytes())]]);
        prop_assert_eq!(registered(&format!("O={string}")).differs_from(&expected), None);
        let der: String = tlv(UTF8, text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        prop_assert_eq!(registered(&format!("O=#{der}")).differs_from(&expected), None);
    }

    #[test]
    fn another_name_never_matches(
        name in any_name(),
        which in any::<prop::sample::Index>(),
        change in 0..4,
    ) {
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
    fn any_string_gets_an_answer(
        text in "\\PC{0,40}",
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let _ = DistinguishedName::parse(&text);
        let _ = DistinguishedName::parse(&format!("/CN={text}"));
        let checked = DistinguishedName::check_der(&bytes);
        prop_assert_eq!(DistinguishedName::from_der(&bytes).map(|_| ()), checked);
        let _ = registered("CN=x").difference(&bytes);
    }
}
