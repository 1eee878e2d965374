"""Bodies of forms: names that some parser reads as a credential's, and rows of the case tables.

Each body is an object {"body": octets, "headers": [[name, octets]]}. A seed determines the bodies.
"""

import itertools
import json
import random
import re

CREDENTIALS = ["client_id", "client_secret", "client_assertion", "client_assertion_type"]
FORM = b"application/x-www-form-urlencoded"
JWT = b"e30.eyJzdWIiOiJnb29kIn0.c2ln"  # {"sub": "good"}
VICTIM_JWT = b"e30.eyJzdWIiOiJ2aWN0aW0ifQ.c2ln"  # {"sub": "victim"}
# RFC 7523 section 2.2
JWT_BEARER = b"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"

# fmt: off
# Octets that some parser treats as separator, end, nesting or nothing: raw or percent-encoded.
BLANKS = [
    b" ", b"\t", b"\n", b"\v", b"\f", b"\r", b"\r\n", b"\x1c", b"\x1f", b"\0", b"\x7f", b"\xc2\x85",
    b"\xc2\xa0", b"\xe1\x9a\x80", b"\xe2\x80\x8b", b"\xe2\x80\xa8", b"\xe2\x80\xaf",
    b"\xe3\x80\x80", b"\xe2\x81\xa0", b"\xc2\xad", b"\xef\xbb\xbf",
]
MARKS = [bytes([b]) for b in range(0x21, 0x7F) if not chr(b).isalnum()]
BEFORE = [
    b"[", b"]", b"[]", b"[[", b"][", b"[0]", b"[0][", b"[x]", b"[x][", b"a[", b"a[]", b"a.", b"?",
    b"??", b"&amp;", b"amp;", b"x;", b";", b"#", b"?a&", b"__proto__[", b"__proto__.",
    b"constructor[", b"constructor[prototype][", b"0[", b"0=", b"=", b"==", b"x=1;", b"x=1,", b"x,",
    b"'", b'"', b"$", b":", b"/", b"\\", b"%u0020", b"\xef\xbb\xbf?", b"?\xef\xbb\xbf", b"\xff",
    b"\xfe\xff", b"http://a/?", b"a?",
]
AFTER = [
    b"[]", b"[0]", b"[1]", b"[x]", b"[x", b"x]", b"[", b"]", b"[[", b"[[]", b"[]]", b"[][]",
    b"[][x]", b"[0][x]", b"[x][]", b"[x][y]", b"[][", b"[ ]", b"[client_id]", b"[$ne]",
    b"[__proto__]", b"[constructor]", b"[length]", b"]x", b"]]", b"][", b"][x]", b".", b".x", b".0",
    b"..", b".[", b"[.", b".x[]", b"[]x", b"[x]y", b":", b"*", b";", b";x", b";x=1", b";=", b"\0x",
    b"\0[]", b",", b"(1i)", b"!", b"'", b'"', b"_", b"s", b"%", b"%2", b"%zz", b"%u005b", b"\xc3",
    b"\xc0\x80", b"\xff", b"&", b"&amp;", b"=", b"==", b"[0", b"[0]]", b"[-1]", b"[00]",
    b"[99999999999]", b"[" * 40, b"[x]" * 40, b"[]" * 70,
]
VALUES = [
    b"victim", b"", b"good", b"victim;x=y", b"victim;x", b"victim;", b";victim",
    b"victim;client_id=other", b"victim&amp;x=y", b"victim%26x=y", b"victim%3Bx=y", b"=victim",
    b"victim=", b"victim==", b"a=b", b"victim+", b"+victim", b"%20victim", b"victim%20",
    b"victim%00", b"victim%00x", b"%00victim", b"victim%0A", b"victim%0D%0A", b"victim\n",
    b"victim\r\n", b"victim\0", b"victim ", b" victim", b"victim\t", b"victim%C2%A0",
    b"victim\xc2\xa0", b"%EF%BB%BFvictim", b"\xef\xbb\xbfvictim", b"Victim", b"VICTIM",
    b"victim,other", b"[victim]", b'["victim"]', b'"victim"', b"{}", b"null", b"0", b"true",
    b"v%C3%ADctim", b"v\xc3\xadctim", b"v\xc3%ADctim", b"v%C3\xadctim", b"vi%CC%81ctim",
    b"victim%2B", b"vic+tim", b"vic%2Btim", b"vic%252Btim", b"%76ictim", b"%u0076ictim", b"victim%",
    b"victim%2", b"victim%zz", b"%C0%B6ictim", b"victim%ED%A0%80", b"victim\xff", b"&#118;ictim",
    b"%26%23118%3Bictim", b"$victim", b"victim#x", b"victim?x", b"victim/x", b"victim\\",
    b"victim'--", b"v" * 300, b"victim:secret",
]
OTHERS = [
    b"grant_type=client_credentials", b"scope=a+b", b"scope=a;b;c", b"resource=https%3A%2F%2Fa",
    b"resource=https%3A%2F%2Fb", b"a=1", b"b", b"=", b"=1", b"", b"code=x%2Fy",
    b"redirect_uri=https%3A%2F%2Fc%2F%3Fa%3Db%26client_id%3Dd", b"_charset_=utf-16",
    b"_charset_=iso-8859-1", b"utf8=%E2%9C%93", b"utf8=%26%2310003%3B", b"_method=PUT",
    b"__proto__=1", b"constructor=1", b"0=1", b"toString=1", b"hasOwnProperty=1", b"length=1",
    b"client=1", b"client[x]=1", b"client_=1", b"client_ids=1", b"client_name=1",
    b"client_id_hint=1", b"id=1", b"secret=1", b"a[]=1", b"a[b]=1", b"a[client_id]=victim",
    b"a.client_id=victim", b"xclient_id=victim", b"\xc3\xa9=1", b"%C3%A9=1",
    b"GLOBALS[client_id]=victim", b"_POST[client_id]=victim", b"_REQUEST[client_id]=victim",
]
SEPARATORS = [b"&"] * 12 + [
    b"&&", b"& ", b" &", b"&\n", b"\r\n", b"\n&", b";", b"; ", b"&;", b";&", b"&amp;", b"%26", b",",
    b"|", b"\0", b"&+", b"&%20", b"&?", b"&#38;",
]
CONTENT_TYPES = [
    b"application/x-www-form-urlencoded;charset=UTF-8",
    b"application/x-www-form-urlencoded; charset=utf8",
    b'application/x-www-form-urlencoded; charset="utf-8"',
    b"application/x-www-form-urlencoded; charset='utf-8'",
    b"application/x-www-form-urlencoded; charset=us-ascii",
    b"application/x-www-form-urlencoded; charset=US-ASCII;", b"APPLICATION/X-WWW-FORM-URLENCODED",
    b"application/x-www-form-urlencoded ;x=y", b"application/x-www-form-urlencoded; boundary=x",
    b"application/x-www-form-urlencoded; charset=iso-8859-1",
    b"application/x-www-form-urlencoded; charset=utf-7",
    b"application/x-www-form-urlencoded; charset=utf-16",
    b"application/x-www-form-urlencoded; charset=cp037",
    b"application/x-www-form-urlencoded; charset=base64",
    b"application/x-www-form-urlencoded; charset=utf-8; charset=utf-16",
    b"application/x-www-form-urlencoded; x=charset=utf-16",
    b"application/x-www-form-urlencoded; charset*=utf-8''utf-16",
    b"application/x-www-form-urlencoded; charset=", b"application/x-www-form-urlencoded; charset",
    b"application/x-www-form-urlencoded;",
    b"application/x-www-form-urlencoded, multipart/form-data; boundary=x",
    b"multipart/form-data; boundary=x", b"application/json", b"text/plain",
    b"application/x-www-form-urlencoded\t; charset=utf-8",
    b"application/x-www-form-urlencoded; Charset=Utf-8; version=1",
    b"application/x-www-form-urlencoded; _charset_=utf-16",
    b"application/x-www-form-urlencoded; encoding=utf-16",
]
# fmt: on


def encoded(octets, which, upper=True):
    """Percent-encodes the octets that `which` selects by position and value."""
    return b"".join(
        (b"%%%02X" if upper else b"%%%02x") % b if which(place, b) else bytes([b])
        for place, b in enumerate(octets)
    )


def everything(octets):
    return encoded(octets, lambda place, b: True)


def marks(octets):
    return encoded(octets, lambda place, b: not chr(b).isalnum() and b != 0x5F)


def renamed(name):
    """Names that differ from `name` in the middle."""
    words = name.split(b"_")
    for joint in [
        b".",
        b" ",
        b"+",
        b"-",
        b"[",
        b"]",
        b"][",
        b"[]",
        b"",
        b"__",
        b"%5F",
        b"%2E",
        b"%20",
        b"%5B",
        b"%2B",
        b"%2D",
        b"\xc2\xa0",
        b"\xe2\x80\xbf",
        b"\0",
        b"\t",
        b"/",
        b":",
        b"~",
        b"\xef\xbc\xbf",
        b"%C2%A0",
        b"%3F",
        b"%00",
        b"\xcc\xb2_",
        b"%5f",
        b"$",
        b"%255F",
    ]:
        yield joint.join(words)
        if len(words) > 2:
            yield b"_".join([words[0], joint.join(words[1:])])
            yield joint.join([b"_".join(words[:-1]), words[-1]])
            yield b"[".join([words[0], joint.join(words[1:])])
    yield name.upper()
    yield name.title()
    yield name.capitalize()
    yield name.swapcase()
    yield b"".join(words[:1] + [word.title() for word in words[1:]])
    yield b"".join(word.title() for word in words)
    for there, other in [
        (b"i", b"\xc4\xb1"),
        (b"i", b"\xc4\xb0"),
        (b"s", b"\xc5\xbf"),
        (b"c", b"\xd1\x81"),
        (b"e", b"\xd0\xb5"),
        (b"_", b"\xef\xbc\xbf"),
        (b"c", b"\xef\xbd\x83"),
        (b"i", b"%u0069"),
        (b"c", b"%C1%A3"),
        (b"c", b"%E0%81%A3"),
        (b"i", b"i\xcc\x81"),
        (b"i", b"&#105;"),
        (b"l", b"\xe2\x85\xbc"),
        (b"d", b"d\xc2\xad"),
        (b"i", b"i\xe2\x80\x8b"),
        (b"i", b"%25%36%39"),
        (b"i", b"%2569"),
    ]:
        if there in name:
            yield name.replace(there, other, 1)
    yield name[:-1]
    yield b"".join(bytes([b]) * 2 for b in name)


def spellings(name):
    """`name` with every decoration, raw and encoded."""
    yield name
    yield everything(name)
    yield everything(name).lower()
    yield encoded(name, lambda place, b: place == 0)
    yield encoded(name, lambda place, b: place == len(name) - 1, upper=False)
    yield encoded(name, lambda place, b: b == 0x5F, upper=False)
    for blank, raw in itertools.product(BLANKS, (True, False)):
        said = blank if raw else everything(blank)
        yield said + name
        yield name + said
    for mark in BEFORE + MARKS:
        yield mark + name
        yield marks(mark) + name
    for mark in AFTER + MARKS:
        yield name + mark
        yield name + marks(mark)
    for front, back in [
        (b"[", b"]"),
        (b"[[", b"]]"),
        (b"a[", b"]"),
        (b"a[b][", b"]"),
        (b"a[][", b"]"),
        (b"][", b"]["),
        (b"[", b"[]"),
        (b"(", b")"),
        (b'"', b'"'),
        (b" ", b" "),
        (b"+", b"[]"),
        (b"?", b"[]"),
        (b"\xef\xbb\xbf", b"[]"),
        (b"?[", b"]"),
        (b"__proto__[", b"]"),
        (b"[", b"][x]"),
        (b"]", b"["),
    ]:
        yield front + name + back
        yield marks(front) + name + marks(back)
    yield from renamed(name)


def value_of(name):
    return {b"client_assertion": VICTIM_JWT, b"client_assertion_type": JWT_BEARER}.get(
        name, b"victim"
    )


def one_by_one():
    """Each credential with each decoration: alone, beside client_id, and after a semicolon."""
    for credential in CREDENTIALS:
        name = credential.encode()
        for spelling in dict.fromkeys(spellings(name)):
            pair = spelling + b"=" + value_of(name)
            yield pair
            yield pair + b"&grant_type=client_credentials&client_id=good" * (
                name != b"client_id" or spelling != name
            )
            yield b"client_id=good&" + pair
            yield b"client_id=good&a=1;" + pair
    for value in VALUES:
        yield b"client_id=" + value
        yield b"grant_type=client_credentials&client_id=" + value + b"&scope=a"
        yield b"client_id=good&a=" + value
        yield b"client_id=good&client_secret=" + value
    for first, second in itertools.product(
        [
            b"",
            b"?",
            b"??",
            b"&",
            b"=",
            b"\xef\xbb\xbf",
            b"\xef\xbb\xbf?",
            b"%EF%BB%BF",
            b"%3F",
            b"\xff\xfe",
            b" ",
            b"\n",
            b"\r\n",
            b"#",
            b"\0",
        ],
        [b"", b"\n", b"\r\n", b"\0", b" ", b"\t", b"&", b"&\n", b";", b"#", b"=", b"%00", b"+"],
    ):
        yield first + b"client_id=victim" + second
        yield first + b"client_id=victim&scope=a" + second
        yield first + b"client_secret=victim" + second
    for jwt in [
        JWT,
        JWT[:-1],
        JWT + b"=",
        JWT + b";x",
        JWT + b";x=1",
        b"x.y.z",
        b"PHNhbWw%2B",
        b"",
    ]:
        for named in [b"", b"client_id=good&", b"client_id=victim&", b"client_id=&"]:
            yield named + b"client_assertion=" + jwt
            yield named + b"client_assertion_type=" + JWT_BEARER + b"&client_assertion=" + jwt


def by_number():
    """More parameters, longer names and deeper brackets than some parsers support."""
    for count in [254, 255, 256, 257, 258, 499, 998, 999, 1000, 1001, 1002, 2000]:
        for filler in [
            lambda n: b"a%d=1" % n,
            lambda n: b"a=1",
            lambda n: b"",
            lambda n: b"resource=%d" % n,
            lambda n: b"a[]=%d" % n,
            lambda n: b"a[%d]=1" % n,
            lambda n: b"b%d" % n,
        ]:
            many = b"&".join(filler(n) for n in range(count - 1))
            yield many + b"&client_id=victim"
            yield b"client_id=victim&" + many
            yield b"client_id=good&" + many + b"&client_id=victim"
            yield many + b"&client_secret=x&client_id=good"
            yield many[: len(many) // 2] + b"&client_id=victim&" + many[len(many) // 2 :]
            yield many.replace(b"&", b";") + b"&client_id=victim"
    for length in [50, 63, 64, 65, 127, 128, 255, 256, 1000, 4096, 20000]:
        yield b"client_id=good&" + b"a" * length + b"=1"
        yield b"client_id=good&" + b"client_id" + b"a" * length + b"=1"
        yield b"client_id=" + b"v" * length
        yield b"client_id=good&a" + b"[b]" * (length // 3) + b"=1"
        yield b"client_id=good&a" + b"[" * length + b"client_id" + b"]" * length + b"=victim"
        yield b"client_id=good&client_id" + b"[a]" * (length // 3) + b"=victim"
        yield b"[" * length + b"client_id=victim"
        yield b"client_id=good&" + b"%20" * length + b"client_secret=x"
        yield b"a=" + b"x" * length + b"&client_id=victim"
        yield b"a=" + b";" * length + b"&client_id=victim"
        yield b"&" * length + b"client_id=victim"


def with_content_types():
    """The same octets with other content types, and octets that these types decode differently."""
    multipart = (
        b'--x\r\nContent-Disposition: form-data; name="client_id"\r\n\r\nvictim\r\n--x--\r\n'
    )
    bodies = [
        b"client_id=victim",
        b"client_id=good&a=%C3%A9",
        b"client_id=good&a=\xc3\xa9",
        b"client_id=v%E9",
        b"client_id=v\xc3\xadctim",
        multipart,
        b"client_id=good&x=" + multipart,
        b'{"client_id": "victim"}',
        b"+AGM-lient_id=victim&client_id=good",
        "client_id=victim".encode("utf-16"),
        "client_id=victim".encode("utf-16-le"),
        "client_id=victim&".encode("cp037") + b"&client_id=good",
        b"_charset_=utf-16&client_id=good",
        b"utf8=%26%2310003%3B&client_id=%E9",
        b"client_id=good&client_id[]=victim",
        b"Y2xpZW50X2lkPXZpY3RpbQ==",
    ]
    for content_type, body in itertools.product(CONTENT_TYPES, bodies):
        yield body, content_type


def composed(chance):
    """A body of several parameters, each with up to three decorations."""

    def octets_of(pool):
        return chance.choice(pool)

    def decorated(name):
        for _ in range(chance.choice([0, 0, 1, 1, 1, 2, 3])):
            kind = chance.randrange(6)
            if kind == 0:
                name = octets_of(BLANKS + BEFORE + MARKS) + name
            elif kind == 1:
                name = name + octets_of(BLANKS + AFTER + MARKS)
            elif kind == 2:
                place = chance.randrange(len(name) + 1)
                name = (
                    name[:place]
                    + octets_of(BLANKS + MARKS + [b"[", b"]", b".", b" ", b"[]"])
                    + name[place:]
                )
            elif kind == 3:
                name = octets_of(list(renamed(name)) if b"_" in name else [name.swapcase()])
            elif kind == 4:
                place = chance.randrange(len(name)) if name else 0
                name = name[:place] + name[place : place + 1].swapcase() + name[place + 1 :]
            else:
                name = name.replace(b"_", octets_of([b".", b" ", b"-", b"[", b"+"]))
        how_often = chance.choice([0, 0, 0.1, 0.5, 1])
        chosen = {place for place in range(len(name)) if chance.random() < how_often}
        # Most escapes are kept: encoding the percent sign would make another name.
        return encoded(
            name,
            lambda place, b: place in chosen and (b != 0x25 or chance.random() < 0.1),
            upper=chance.random() < 0.5,
        )

    parts = []
    if chance.random() < 0.7:
        parts.append(b"client_id=" + (b"good" if chance.random() < 0.7 else octets_of(VALUES)))
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3])):
        name = octets_of([credential.encode() for credential in CREDENTIALS])
        value = value_of(name) if chance.random() < 0.7 else octets_of(VALUES)
        parts.append(
            decorated(name) + octets_of([b"="] * 12 + [b"", b"==", b"%3D", b" = ", b":"]) + value
        )
    for _ in range(chance.choice([0, 1, 1, 2, 4])):
        parts.append(octets_of(OTHERS))
    chance.shuffle(parts)
    body = parts[0]
    for part in parts[1:]:
        body += octets_of(SEPARATORS) + part
    if chance.random() < 0.08:
        body = (
            octets_of(
                [
                    b"?",
                    b"&",
                    b"\xef\xbb\xbf",
                    b"\xef\xbb\xbf?",
                    b"=",
                    b" ",
                    b"\n",
                    b"#",
                    b"\0",
                    b"%EF%BB%BF",
                ]
            )
            + body
        )
    if chance.random() < 0.08:
        body += octets_of([b"\n", b"\r\n", b"\0", b" ", b"&", b";", b"=", b"#x"])
    content_type = octets_of(CONTENT_TYPES) if chance.random() < 0.05 else FORM
    return body, content_type


def rows(table):
    """The requests of a case table that do not depend on the rest of their row."""
    repeat = re.compile(r"\$\{repeat:(\d+):([^}]*)\}")
    for case in table["cases"]:
        request = case.get("request", {})
        body = request.get("body", "grant_type=client_credentials&client_id=client")
        body = (
            bytes.fromhex(request["body_hex"])
            if "body_hex" in request
            else repeat.sub(lambda m: m[2] * int(m[1]), body).encode()
        )
        if b"${" in body or request.get("method", "POST") != "POST":
            continue
        headers = request.get("headers", [["content-type", FORM.decode()]]) + request.get(
            "extra_headers", []
        )
        yield (
            body,
            [
                [name, bytes.fromhex(value["hex"]) if isinstance(value, dict) else value.encode()]
                for name, value in headers
            ],
        )


def generate(seed, count, tables):
    """All systematic bodies and `count` composed ones, without duplicates."""
    found = {}

    def add(body, headers):
        found.setdefault((body, tuple(map(tuple, headers))), {"body": body, "headers": headers})

    for table in tables:
        for body, headers in rows(table):
            add(body, headers)
    for body in itertools.chain(one_by_one(), by_number()):
        add(body, [["content-type", FORM]])
    for body, content_type in with_content_types():
        add(body, [["content-type", content_type]])
    chance = random.Random(seed)
    least = len(found) + count
    while len(found) < least:
        body, content_type = composed(chance)
        add(body, [["content-type", content_type]])
    return list(found.values())


def read_table(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)
