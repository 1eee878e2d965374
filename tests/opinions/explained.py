"""The differences that are understood; docs/verification.md has them as a table."""

# Class, and what the filter, X500Principal and slapd say: `=` equal, `!` different, `-` refused.
NAMES = {
    (kind, *verdicts): why
    for verdicts, why, kinds in [
        (
            "-=-",
            "a control character, which no registered name has (contract §3)",
            ["NUL"],
        ),
        (
            "-!!",
            "a control character, which no registered name has (contract §3)",
            ["control", "tabulator"],
        ),
        (
            "-==",
            "RFC 4518 §2.4 prohibits the character; the others do not",
            ["private use", "replacement character"],
        ),
        (
            "=!!",
            "RFC 4518 §2.2 maps the character to nothing; the others do not",
            [
                "soft hyphen",
                "zero-width space",
                "zero-width joiner",
                "right-to-left mark",
                "variation selector",
            ],
        ),
        (
            "==!",
            "slapd folds character by character, not by table B.2 of RFC 3454",
            ["case: I with a dot", "case: final sigma", "case: sharp s"],
        ),
        (
            "==!",
            "slapd folds letters alone, before it decomposes them",
            ["roman numeral"],
        ),
        (
            "!=!",
            "Java folds to upper case first, where the two letters are one",
            ["case: dotless i"],
        ),
        (
            "!=!",
            "RFC 4518 knows Unicode 3.2 alone; Java folds by the newest",
            ["case: a letter after Unicode 3.2"],
        ),
        (
            "=!=",
            "Java compares only PrintableString and UTF8String as text, and types of RFC 2253",
            ["case: DC", "case: EMAILADDRESS", "case: SERIALNUMBER"],
        ),
        (
            "==-",
            "slapd refuses the form, which RFC 4514 §2.4 has",
            [
                "hexadecimal: UTF8String",
                "hexadecimal: PrintableString",
                "syntax: hexadecimal of an integer",
            ],
        ),
        (
            "-==",
            "an empty name identifies no client (contract §3)",
            ["syntax: empty name"],
        ),
        (
            "==-",
            "slapd's schema has no empty values; RFC 4514 §3 has them",
            ["syntax: empty value"],
        ),
        (
            "==-",
            "the form of RFC 1779, which tools print",
            ["syntax: OID. in front"],
        ),
        (
            "=--",
            "the form that openssl prints, which only the filter takes (contract §3)",
            ["syntax: slashes"],
        ),
        (
            "-==",
            "the separator of RFC 1779 and RFC 2253; RFC 4514 escapes it",
            ["syntax: semicolon"],
        ),
        (
            "-=-",
            "Java replaces what is no UTF-8, so that different octets are equal",
            ["syntax: invalid UTF-8 by escapes"],
        ),
        (
            "-=-",
            "RFC 4512 §1.4 has no such number",
            ["syntax: OID with a zero in front"],
        ),
        (
            "==-",
            "slapd knows the types of its schema alone",
            ["syntax: unknown OID", "syntax: organizationIdentifier"],
        ),
        (
            "==-",
            "X.501 §9.3 has each type once; equal sets are equal all the same",
            ["syntax: one type twice in an RDN"],
        ),
        (
            "=--",
            "the filter alone has the word of the type: organizationIdentifier, INN, "
            "jurisdictionC, x500UniqueIdentifier",
            ["published", "published: letter case"],
        ),
        (
            "!--",
            "the same words, in different names",
            ["published: another", "published: order of RDNs"],
        ),
        (
            "=-=",
            "Java does not have the word of the type: postalCode, title, initials, pseudonym",
            ["published", "published: letter case"],
        ),
        (
            "!-!",
            "the same words, in different names",
            ["published: another", "published: order of RDNs"],
        ),
        (
            "=!=",
            "Java compares other types by their octets: emailAddress, serialNumber, DC",
            ["published: letter case"],
        ),
    ]
    for kind in kinds
}

HERE = "Go refuses, the filter does not"
KEY = "it is used by the handshake, and by a path, which read it themselves"

CERTIFICATES = {
    (HERE, "the subject, with which no name is equal then"): "the certificate may have other names",
    (HERE, "the issuer, or a string of the subject"): "the issuer is not read; a PrintableString "
    "with other characters is compared as Latin-1, and a type that is no string by its octets",
    (HERE, "alternative names"): "a name that is not printable matches nothing, the others count",
    (HERE, "another extension"): "only the handshake, and a path, read it",
    (HERE, "an identifier"): "only the handshake, and a path, read it",
    (HERE, "the key"): KEY,
    (HERE, "the signature"): KEY,
    (
        "the filter refuses, Go does not",
        "not the DER of an X.… certificate",
    ): "another tag for [3], octets behind the key, extensions before version 3",
    (
        "Go reads alternative names that the filter refuses",
    ): "malformed names of types that Go leaves out",
    ("only Go has the name", "dns"): "a name with a control character matches nothing",
    ("only Go has the name", "email"): "a text without @ is no mailbox, and none can be registered",
    ("Go: serial number",): "negative numbers, of which the filter compares the octets",
    ("openssl: serial number",): "negative numbers, of which the filter compares the octets",
    (
        "openssl refuses, the filter does not",
    ): "openssl cannot print the subject: of invalid UTF-8, which matches no name, or of an "
    "unknown type, which is compared by its octets",
    (
        "the filter refuses, openssl does not",
        "not the DER of an X.… certificate",
    ): "a time and a version that RFC 5280 does not have",
}
