"""Pairs of names that differ in one respect, which is the class of the pair."""

import random
import re
import unicodedata

SPECIAL = '",+;<>\\='


def escaped(value):
    out = "".join("\\" + c if c in SPECIAL else c for c in value)
    if out[:1] in ("#", " "):
        out = "\\" + out
    if out.endswith(" ") and not out.endswith("\\ "):
        out = out[:-1] + "\\ "
    return out


def text(rdns):
    return ",".join("+".join(f"{kind}={value}" for kind, value in rdn) for rdn in rdns)


WORDS = ["Client", "Ledger Bank", "x", "Example Org", "north 7", "Jane Doe", "a-b.c"]
TYPES = ["CN", "O", "OU", "L", "ST"]

# Class: (a value, the same in another spelling). `{}` stands for a word.
VALUES = {
    "the same": ("{}", "{}"),
    "another letter": ("{}a", "{}b"),
    "case: Latin": ("É{}", "é{}"),
    "case: Greek": ("{}ΣΑ", "{}σα"),
    "case: final sigma": ("{}ς", "{}σ"),
    "case: Cyrillic": ("{}Ж", "{}ж"),
    "case: Deseret": ("{}\U00010400", "{}\U00010428"),
    "case: sharp s": ("{}ß", "{}ss"),
    "case: capital sharp s": ("{}\u1e9e", "{}ß"),
    "case: I with a dot": ("{}\u0130", "{}i\u0307"),
    "case: dotless i": ("{}\u0131", "{}i"),
    "case: Kelvin sign": ("{}\u212a", "{}k"),
    "case: long s": ("{}\u017f", "{}s"),
    "case: a letter after Unicode 3.2": ("{}\ua640", "{}\ua641"),
    "a letter after Unicode 3.2": ("{}\ua640", "{}\ua640"),
    "an emoji": ("{}\U0001f600", "{}\U0001f600"),
    "an accent": ("{}é", "{}e"),
    "composed": ("{}\u00e9", "{}e\u0301"),
    "order of marks": ("{}a\u0323\u0307", "{}a\u0307\u0323"),
    "Hangul": ("{}\uac00", "{}\u1100\u1161"),
    "full-width": ("{}\uff41\uff22", "{}aB"),
    "ligature": ("{}\ufb01", "{}fi"),
    "superscript": ("{}\u00b2", "{}2"),
    "roman numeral": ("{}\u2163", "{}iv"),
    "double blank": ("{}  a", "{} a"),
    "no blank": ("{} a", "{}a"),
    "blank in front": (" {}", "{}"),
    "blank at the end": ("{} ", "{}"),
    "no-break space": ("{}\u00a0a", "{} a"),
    "ideographic space": ("{}\u3000a", "{} a"),
    "tabulator": ("{}\ta", "{} a"),
    "control": ("{}\u0001a", "{}a"),
    "soft hyphen": ("{}\u00ada", "{}a"),
    "zero-width space": ("{}\u200ba", "{}a"),
    "zero-width joiner": ("{}\u200da", "{}a"),
    "right-to-left mark": ("{}\u200fa", "{}a"),
    "variation selector": ("{}\ufe0fa", "{}a"),
    "private use": ("{}\ue000", "{}\ue000"),
    "replacement character": ("{}\ufffd", "{}\ufffd"),
    "NUL": ("{}\0a", "{}\0a"),
    "special characters": ("{},+\"\\<>;=", "{},+\"\\<>;="),
    "a Cyrillic look-alike": ("{}\u0430", "{}a"),
}

# Texts that are malformed, or of an older grammar, against themselves.
SYNTAX = {
    "syntax: no equals sign": "CN",
    "syntax: no type": "=x",
    "syntax: empty value": "CN=",
    "syntax: empty RDN": "CN=a,,O=b",
    "syntax: comma at the end": "CN=a,",
    "syntax: plus at the end": "CN=a+",
    "syntax: backslash at the end": "CN=a\\",
    "syntax: half of an escape": "CN=a\\4",
    "syntax: quotation marks": 'CN="a b",O=c',
    "syntax: semicolon": "CN=a;O=b",
    "syntax: OID. in front": "OID.2.5.4.3=a",
    "syntax: slashes": "/C=JP/CN=a",
    "syntax: blanks round separators": "CN = a , O = b",
    "syntax: less-than": "CN=a<b",
    "syntax: equals sign in a value": "CN=a=b",
    "syntax: escaped letter": "CN=\\a",
    "syntax: invalid UTF-8 by escapes": "CN=\\C3",
    "syntax: hexadecimal of half an octet": "CN=#0C016",
    "syntax: hexadecimal that is no DER": "CN=#0C05",
    "syntax: hexadecimal of an integer": "CN=#020105",
    "syntax: unknown type": "foo=a",
    "syntax: unknown OID": "1.2.3.4=a",
    "syntax: organizationIdentifier": "2.5.4.97=a",
    "syntax: OID with a zero in front": "2.5.04.3=a",
    "syntax: one type twice in an RDN": "CN=a+CN=b",
    "syntax: empty name": "",
}


def random_case(value, random):
    return "".join(random.choice((c.upper(), c.lower())) if c.isascii() else c for c in value)


def hexadecimal(tag, value):
    octets = value.encode()
    return f"#{tag:02X}{len(octets):02X}{octets.hex().upper()}"


def pairs(seed, count):
    """(class, one, other)"""
    random_ = random.Random(seed)
    for _ in range(count):
        kinds = random_.sample(TYPES, 3)
        words = random_.sample(WORDS, 3)
        base = [[(kind, escaped(word))] for kind, word in zip(kinds, words)]

        def changed(at, *rdn):
            return text(base[:at] + [list(rdn)] + base[at + 1 :])

        at = random_.randrange(3)
        kind, word = kinds[at], words[at]
        for name, (one, other) in VALUES.items():
            yield (
                name,
                changed(at, (kind, escaped(one.format(word)))),
                changed(at, (kind, escaped(other.format(word)))),
            )
        same = text(base)
        lower = [[(kind, random_case(value, random_)) for kind, value in rdn] for rdn in base]
        yield "case: ASCII", same, text(lower)
        yield "escapes", same, text(
            [[(kind, "".join(f"\\{o:02x}" for o in value.encode()))] for ((kind, value),) in base]
        )
        oids = {"CN": "2.5.4.3", "O": "2.5.4.10", "OU": "2.5.4.11", "L": "2.5.4.7", "ST": "2.5.4.8"}
        yield "type by its number", same, text([[(oids[k], v)] for ((k, v),) in base])
        yield "letter case of types", same, text([[(k.lower(), v)] for ((k, v),) in base])
        yield "order of RDNs", same, text(base[::-1])
        yield "an RDN less", same, text(base[:2])
        yield "an RDN twice", same, text(base + base[:1])
        joined = [base[0] + base[1], base[2]]
        yield "order within an RDN", text(joined), text([joined[0][::-1], joined[1]])
        yield "one RDN and two", text(joined), same
        yield "another type", changed(at, ("CN", "x")), changed(at, ("OU", "x"))
        yield "hexadecimal: UTF8String", changed(at, (kind, escaped(word))), changed(
            at, (kind, hexadecimal(0x0C, word))
        )
        yield "hexadecimal: PrintableString", changed(at, (kind, escaped(word))), changed(
            at, (kind, hexadecimal(0x13, word))
        )
        for other, value in [
            ("C", "jp"),
            ("DC", "Example"),
            ("UID", "Jane"),
            ("SERIALNUMBER", "ab 12"),
            ("EMAILADDRESS", "Jane@Example.org"),
            ("STREET", "Main Street"),
        ]:
            yield f"case: {other}", text(base + [[(other, value)]]), text(
                base + [[(other, value.upper())]]
            )
        # Any assigned letter, in both normal forms that keep its meaning.
        letter = chr(random_.choice(LETTERS))
        yield "any letter, decomposed", changed(at, (kind, letter)), changed(
            at, (kind, unicodedata.normalize("NFD", letter))
        )
    for name, one in SYNTAX.items():
        yield name, one, one


def published(subjects):
    """Pairs of names that certificates have: (class, one, other)"""
    for subject, following in zip(subjects, subjects[1:] + subjects[:1]):
        rdns = re.split(r"(?<!\\),", subject)
        yield "published", subject, subject
        yield "published: letter case", subject, subject.swapcase()
        yield "published: another", subject, following
        if len(set(rdns)) > 1:
            yield "published: order of RDNs", subject, ",".join(rdns[::-1])


# Letters of Unicode 3.2, which RFC 4518 is about.
LETTERS = [
    code
    for code in range(0x100, 0x30000)
    if unicodedata.ucd_3_2_0.category(chr(code)) in ("Lu", "Ll", "Lo")
]
