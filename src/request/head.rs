//! The request headers that a decision reads, found in one pass over all headers.

use super::fields::{Fields, SingletonField};
use super::target::Target;
use crate::certificate::XFCC;
use crate::octets::equal;

/// Whether `text` is a token (RFC 9110 §5.6.2), as names of headers and authentication schemes are.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// The headers of a request that a decision reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// `:method`
    pub method: Option<&'a [u8]>,
    /// `:path`
    pub path: Option<&'a [u8]>,
    /// `:path`, read; that of an empty one where the request has none.
    pub target: Target<'a>,
    /// `:authority`
    pub authority: Option<&'a [u8]>,
    /// `x-request-id`
    pub request_id: Option<&'a [u8]>,
    /// `content-type`
    pub content_type: SingletonField<'a>,
    /// `content-encoding`
    pub content_encoding: SingletonField<'a>,
    /// `content-length`
    pub content_length: SingletonField<'a>,
    /// `authorization`
    pub authorization: SingletonField<'a>,
    /// `x-forwarded-client-cert`
    pub forwarded_client_cert: SingletonField<'a>,
    /// All headers, in which a policy finds the ones that it names itself.
    pub fields: Fields<'a>,
    /// What their names begin with.
    pub(crate) beginnings: Beginnings,
    /// `expect`
    pub expect: SingletonField<'a>,
    /// Whether the request asks for another protocol, by `upgrade` or by `:protocol` (RFC 8441 §4).
    pub has_upgrade: bool,
    /// Whether the request has a header by which frameworks let a client override the method, such
    /// as `x-http-method-override`.
    pub overrides_method: bool,
    /// Whether the request has a header that PHP servers read as credentials: in PHP it is the same
    /// variable as the user name, password or digest of `authorization`.
    pub has_php_credentials: bool,
    /// Whether the request has `oauth-client-attestation`.
    pub has_client_attestation: bool,
    /// Whether the request has a header from which ASP.NET takes the charset of the form.
    pub overrides_charset: bool,
}

const CLIENT_ATTESTATION: &[u8] = b"oauth-client-attestation";

const PHP_CREDENTIALS: [&[u8]; 3] = [b"php-auth-pw", b"php-auth-user", b"php-auth-digest"];

impl<'a> Head<'a> {
    /// Finds them in `fields`.
    #[must_use]
    pub fn of(fields: Fields<'a>) -> Self {
        let mut head = Self { fields, ..Self::default() };
        for (name, value) in fields.0 {
            head.beginnings.add(name);
            // The length decides about nearly every header of a request.
            match name.len() {
                5 if *name == b":path" => head.path = Some(value),
                6 if *name == b"expect" => head.expect.add(value),
                7 if *name == b":method" => head.method = Some(value),
                7 if *name == b"upgrade" => head.has_upgrade = true,
                9 if *name == b":protocol" => head.has_upgrade = true,
                10 if *name == b":authority" => head.authority = Some(value),
                12 if name.starts_with(b"x") && *name == b"x-request-id" => {
                    head.request_id = Some(value);
                }
                // Some servers read these under other spellings.
                12 if same_header(b"content-type", name) => head.content_type.add(value),
                13 if *name == b"authorization" => head.authorization.add(value),
                // bshaffer/oauth2-server-php, and Symfony's ServerBag (Laravel).
                11 | 13 | 15 if name.starts_with(b"p") => {
                    head.has_php_credentials |=
                        PHP_CREDENTIALS.iter().any(|known| same_header(known, name));
                }
                13 => head.overrides_method |= same_header(b"x-http-method", name),
                14 if *name == b"content-length" => head.content_length.add(value),
                16 if same_header(b"content-encoding", name) => head.content_encoding.add(value),
                17 => head.overrides_method |= same_header(b"x-method-override", name),
                23 if *name == XFCC.as_bytes() => head.forwarded_client_cert.add(value),
                24 => {
                    head.has_client_attestation |= same_header(CLIENT_ATTESTATION, name);
                    head.overrides_charset |= same_header(b"x-up-devcap-post-charset", name);
                }
                22 => head.overrides_method |= same_header(b"x-http-method-override", name),
                _ => {}
            }
        }
        head.target = Target::new(head.path.unwrap_or_default());
        head
    }

    /// Whether it has a header that says who sends the request or how its body is read. None of
    /// them may be written behind the decision.
    #[must_use]
    pub fn has_claim(&self) -> bool {
        [self.authorization, self.content_type, self.content_encoding]
            .into_iter()
            .any(|field| field != SingletonField::Absent)
            || self.overrides_method
            || self.overrides_charset
            || self.has_php_credentials
            || self.has_client_attestation
    }

    /// `oauth-client-attestation`, in any spelling.
    #[inline(never)]
    pub(crate) fn client_attestation(&self) -> SingletonField<'a> {
        let mut field = SingletonField::Absent;
        let fields = self.fields.0.iter();
        fields
            .filter(|(name, _)| same_header(CLIENT_ATTESTATION, name))
            .for_each(|(_, value)| field.add(value));
        field
    }
}

/// What the names of some headers begin with, to see at once that none of them is one of others:
/// an octet shares its place with seven others, and a letter has the same place in both cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beginnings {
    first_octets: u32,
    /// Whether a name begins as identity headers do, whose first letters are those of others too.
    as_identity: bool,
}

impl Beginnings {
    /// `$`, `b`, `c`, `l`, `p`, `s`, `w` and `x`.
    const OF_IDENTITY: u32 =
        1 << 2 | 1 << 3 | 1 << 4 | 1 << 12 | 1 << 16 | 1 << 19 | 1 << 23 | 1 << 24;

    #[inline]
    fn add(&mut self, name: &[u8]) {
        let place = Self::place(name);
        self.first_octets |= place;
        if place & Self::OF_IDENTITY != 0 {
            self.as_identity |= begins_as_identity(name);
        }
    }

    fn place(name: &[u8]) -> u32 {
        name.first().map_or(0, |first| 1 << (first & 31))
    }

    /// Adds the name of a configuration, or the beginning of names, in any spelling.
    pub(crate) fn add_spellings(&mut self, name: &str) {
        let is_letter_or_digit = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        // All others are one character to some backend, see `same_header`.
        let places = if is_letter_or_digit { Self::place(name.as_bytes()) } else { u32::MAX };
        self.first_octets |= places;
    }

    /// Whether `name` may be one of those that were added.
    pub(crate) fn has(self, name: &[u8]) -> bool {
        self.first_octets & Self::place(name) != 0
    }

    /// Whether a name of `self` may be one of `others`, or an identity header.
    pub(crate) fn may_have(self, others: Self) -> bool {
        self.as_identity || self.first_octets & others.first_octets != 0
    }
}

/// Whether the first characters of `name` allow that it is an identity header (contract §5). This
/// is a quick check for every header of every request, of which hardly any is.
#[inline(always)]
pub(crate) fn begins_as_identity(name: &[u8]) -> bool {
    let Some([first, second, third, fourth]) = name.first_chunk() else { return false };
    match first | 0x20 {
        b'x' => match third | 0x20 {
            b's' => fourth | 0x20 == b's',
            b'c' => fourth | 0x20 == b'l',
            b'a' => matches!(fourth | 0x20, b'm' | b'r'),
            b'w' => fourth | 0x20 == b's',
            // x-forwarded-tls-client- and spellings of -client-cert, but not x-forwarded-for and
            // -proto, which every request has.
            b'f' => name.get(12).is_some_and(|b| match b | 0x20 {
                b't' => true,
                b'c' => !equal(name, XFCC.as_bytes()),
                _ => false,
            }),
            b'b' => fourth | 0x20 == b'a',
            _ => false,
        },
        b'$' => second | 0x20 == b'w',
        b'b' => third | 0x20 == b'n',
        b'c' => matches!(second | 0x20, b'l' | b'f' | b'e'),
        b'l' => *second == b'5',
        b'p' => fourth | 0x20 == b'x',
        b'w' => second | 0x20 == b'l',
        b's' => matches!(second | 0x20, b's' | b'e'),
        _ => false,
    }
}

/// Whether two names are the same header to some backend. CGI, WSGI, Rack, PHP and nginx turn `-`
/// into `_`, and some of them every character that is no letter or digit, so that they do not
/// distinguish `x_ssl_cert`, `x.ssl.cert` and `X-SSL-Cert`.
#[must_use]
pub(crate) fn same_header(one: impl AsRef<[u8]>, other: impl AsRef<[u8]>) -> bool {
    let (one, other) = (one.as_ref(), other.as_ref());
    equal(one, other)
        || (one.len() == other.len()
            && one.iter().zip(other).all(|(&one, &other)| fold(one) == fold(other)))
}

/// An octet of a header's name, to a backend that has one character for all that are no letter or
/// digit.
fn fold(octet: u8) -> u8 {
    if octet.is_ascii_alphanumeric() { octet.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in the only header of a request, but its beginnings and its target.
    fn found(name: &str) -> Vec<&'static str> {
        let field = (name.as_bytes(), &b"v"[..]);
        let head = Head::of(Fields(std::slice::from_ref(&field)));
        let (text, one) = (Some(&b"v"[..]), SingletonField::Present(b"v"));
        assert!(head.fields.0 == [field], "{name}");
        [
            ("method", head.method == text),
            ("path", head.path == text),
            ("target", head.target.path() == b"v"),
            ("authority", head.authority == text),
            ("request_id", head.request_id == text),
            ("content_type", head.content_type == one),
            ("content_encoding", head.content_encoding == one),
            ("content_length", head.content_length == one),
            ("authorization", head.authorization == one),
            ("forwarded_client_cert", head.forwarded_client_cert == one),
            ("expect", head.expect == one),
            ("has_upgrade", head.has_upgrade),
            ("overrides_method", head.overrides_method),
            ("has_php_credentials", head.has_php_credentials),
            ("client_attestation", head.client_attestation() == one && head.has_client_attestation),
            ("overrides_charset", head.overrides_charset),
        ]
        .into_iter()
        .filter_map(|(member, is_found)| is_found.then_some(member))
        .collect()
    }

    /// One that is as long as another must not take its place: `accept-charset` beside
    /// `content-length` is no second length.
    #[test]
    fn a_header_is_known_by_its_whole_name() {
        for (name, members) in [
            (":path", &["path", "target"][..]),
            ("expect", &["expect"]),
            (":method", &["method"]),
            ("upgrade", &["has_upgrade"]),
            (":protocol", &["has_upgrade"]),
            (":authority", &["authority"]),
            ("x-request-id", &["request_id"]),
            ("content-type", &["content_type"]),
            ("content_type", &["content_type"]),
            ("authorization", &["authorization"]),
            ("x-http-method", &["overrides_method"]),
            ("php-auth-user", &["has_php_credentials"]),
            ("php_auth_pw", &["has_php_credentials"]),
            ("php.auth-digest", &["has_php_credentials"]),
            ("content-length", &["content_length"]),
            ("content-encoding", &["content_encoding"]),
            ("Content.Encoding", &["content_encoding"]),
            ("x-method-override", &["overrides_method"]),
            ("x_http_method_override", &["overrides_method"]),
            ("x-forwarded-client-cert", &["forwarded_client_cert"]),
            ("oauth-client-attestation", &["client_attestation"]),
            ("OAuth_Client_Attestation", &["client_attestation"]),
            ("x-up-devcap-post-charset", &["overrides_charset"]),
        ] {
            assert_eq!(found(name), members, "{name}");
        }
        for name in [
            "range",
            "cookie",
            "referer",
            ":schemes",
            "forwarded",
            "user-agent",
            "x-request-ip",
            "a-request-id",
            "max-forwards",
            "if-none-match",
            "accept-charset",
            "pragma-policy",
            "php-auth-type",
            "accept-encodings",
            "if-modified-since",
            "x-access-token-expires",
            "x-forwarded-client-port",
        ] {
            assert_eq!(found(name), [""; 0], "{name}");
        }
    }

    /// Only letters have another case, and only what is no letter or digit is one character to
    /// some backend.
    #[test]
    fn names_of_one_header() {
        for other in ["x-ssl-cert", "X_SSL_CERT", "x.ssl.cert", "x ssl~cert"] {
            assert!(same_header("x-ssl-cert", other), "{other}");
        }
        for other in ["x-ssl-cert-", "x-ssl-cer", "x-ssl-cerd", "x0ssl-cert", "xassl-cert", ""] {
            assert!(!same_header("x-ssl-cert", other), "{other}");
        }
    }

    #[test]
    fn tokens() {
        for token in ["a", "Z9", "!#$%&'*+-.^_`|~"] {
            assert!(is_token(token.as_bytes()), "{token}");
        }
        for other in ["", "a b", ":path", "a\"", "é", "a,", "(a)", "a/b", "\t"] {
            assert!(!is_token(other.as_bytes()), "{other}");
        }
    }

    fn beginnings(names: &[&str]) -> Beginnings {
        let fields: Vec<_> = names.iter().map(|name| (name.as_bytes(), &b"v"[..])).collect();
        Head::of(Fields(&fields)).beginnings
    }

    /// A header that is ruled out here reaches the backend as the client sent it.
    #[test]
    fn only_other_names_are_ruled_out_by_their_beginnings() {
        let mut own = Beginnings::default();
        own.add_spellings("q-id");
        own.add_spellings("7-id");
        for name in ["q-id", "Q_ID", "7.id"] {
            assert!(own.has(name.as_bytes()), "{name}");
            for names in [&[name][..], &["accept", name], &[name, "accept"]] {
                assert!(beginnings(names).may_have(own), "{names:?}");
            }
        }
        for name in ["accept", "r-id", "host"] {
            assert!(!own.has(name.as_bytes()), "{name}");
            assert!(!beginnings(&[name, "host"]).may_have(own), "{name}");
        }
        // To some backend it begins with the same character as any other that is no letter.
        let mut others = Beginnings::default();
        others.add_spellings("_id");
        assert!(others.has(b"-id") && others.has(b".id") && beginnings(&["-id"]).may_have(others));
        let none = Beginnings::default();
        assert!(beginnings(&["accept", "x-ssl-cert", "host"]).may_have(none));
        assert!(!beginnings(&["accept", "x-request-id", "host", ""]).may_have(none));
    }
}
