//! The string forms of registered names.

use super::*;

#[test]
fn every_way_to_write_the_seed_documents_name() {
    for text in [
        "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP",
        "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP",
        "  cn = CLIENT.example.org ,  o=client,l=Chiyoda-KU,s=TOKYO,c=jp  ",
        "2.5.4.3=client.example.org,OID.2.5.4.10=Client,oid.2.5.4.7=Chiyoda-ku,2.5.4.8=Tokyo,\
         2.5.4.6=JP",
        "commonName=client.example.org,organizationName=Client,localityName=Chiyoda-ku,\
         stateOrProvinceName=Tokyo,countryName=JP",
        "CN=\"client.example.org\",O=\"Client\" , L=Chiyoda-ku,ST=#0C05546f6b796f,C=#13024a50",
        "CN=cl\\69ent.example.org,O=\\20Client\\20,L=Chiyoda\\2dku,ST=Tokyo,C=\\ JP",
        "/C=JP/ST=Tokyo/L=Chiyoda-ku/O=Client/CN=client.example.org",
        "/c=JP/st=Tokyo/l=Chiyoda-ku/o=Client/cn=CLIENT.example.org",
    ] {
        assert_eq!(registered(text).differs_from(&seed()), None, "{text}");
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
        // Windows and .NET.
        ("O=\"a \"\"b\"\"\"", "O=a \\\"b\\\""),
        ("O=\"\"\"\"", "O=\\\""),
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
        ("CN=\"a\"\"", syntax(7, "`\"`")),
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

/// Workers give each other clients with their names in this form.
#[test]
fn a_printed_name_is_escaped_where_it_must_be() {
    for (text, printed) in [
        (r"CN=\#a", r"CN=\#a"),
        (r"CN=a\#", r"CN=a#"),
        (r"CN=\ a", r"CN=\ a"),
        (r"CN=a\20", r"CN=a\ "),
        (r"CN=a b", r"CN=a b"),
        (r"CN=a\0Ab", r"CN=a\0Ab"),
        (r"CN=a\2Cb\3D", r"CN=a\,b="),
    ] {
        let name = registered(text);
        assert_eq!(name.to_string(), printed, "{text}");
        assert_eq!(registered(printed), name, "{text}");
    }
}
