//! Names that differ, and how.

use super::*;

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
fn a_rule_that_takes_something_away_means_the_reversed_name_too() {
    for (text, may_be) in [
        ("CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP", true),
        ("C=JP,ST=Tokyo,L=Chiyoda-ku,O=Client,CN=client.example.org", true),
        ("C=JP,ST=Tokyo,L=Chiyoda-ku,CN=client.example.org,O=Client", false),
        ("CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo", false),
    ] {
        assert_eq!(registered(text).may_be(&seed().der), may_be, "{text}");
    }
    assert!(registered("CN=a").may_be(b"no name"));
}

#[test]
fn the_first_difference_is_reported() {
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
fn enormous_names_get_an_answer() {
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
    // Combining marks in the order that is the most costly to normalize.
    let marks: String =
        "a".chars().chain("\u{315}\u{300}\u{5ae}".chars().cycle().take(10_000)).collect();
    assert!(
        registered("CN=a")
            .differs_from(&certificate(&[&[("CN", UTF8, marks.as_bytes())]]))
            .is_some()
    );
}

/// The log has the start of an RDN, however many attributes the certificate's issuer wrote.
#[test]
fn of_an_enormous_rdn_the_start_is_reported() {
    let flat: Vec<Attribute<'_>> = vec![("OU", UTF8, b"xxx"); 4_000];
    let difference = registered("OU=y").differs_from(&certificate(&[&flat])).unwrap();
    let NameDifference::Rdn { found: Some(found), .. } = difference else { panic!("{difference}") };
    assert!(found.starts_with("OU=xxx+OU=xxx+") && found.ends_with('…'), "{found}");
    assert!((500..600).contains(&found.len()), "{}", found.len());
    let short = certificate(&[&[("OU", UTF8, b"x"), ("OU", UTF8, b"z")]]);
    let difference = registered("OU=y").differs_from(&short).unwrap();
    assert_eq!(difference.to_string(), "RDN 1: expected OU=y, certificate has OU=x+OU=z");
}

/// A length of 0x80 says nothing (X.690 §8.1.3.6), and no 128 octets either.
#[test]
fn an_indefinite_length_is_no_octets_of_a_name() {
    let value = "a".repeat(121);
    let name = registered(&format!("CN={value}"));
    let set = attribute(("CN", UTF8, value.as_bytes()));
    let [0x30, 0x81, 0x80, contents @ ..] = set.as_slice() else { panic!("{set:?}") };
    let shorter = attribute(("CN", UTF8, &value.as_bytes()[1..]));
    assert!(registered(&format!("CN={}", &value[1..])).rdns[0].is_octet_for_octet(&shorter));
    assert!(!name.rdns[0].is_octet_for_octet(&[&[0x30, 0x80], contents].concat()));
}
