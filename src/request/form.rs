//! `application/x-www-form-urlencoded`, read strictly: what two parsers may read in two ways is an
//! error.

use std::borrow::Cow;

use super::content::Charset;
use super::credential::{AUTHORIZATION, CLIENT_ID, SHORTEST, look_alike, reads_as_credential};
use super::error::{FormError, RequestError};
use crate::json::first_repeated;
use crate::limits;
use crate::octets::{count_of_plain, count_of_usual, equal};

/// Names and values in the order of the body. Values are decoded when they are asked for: a
/// decision needs few of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form<'a> {
    parameters: Vec<Parameter<'a>>,
    /// A credential that other readers find in the body, and this one does not.
    hidden: Option<&'static str>,
    client_id_has_semicolon: bool,
    /// Whether every name and every value is ASCII after decoding.
    is_ascii: bool,
    /// Whether a name has other characters than small letters and `_`.
    has_unusual_name: bool,
    /// [`bit_of_length`] of every name: most names that are asked for have another length.
    name_lengths: u64,
    /// Whether two names may have one length. Few forms do, and otherwise no name is repeated.
    has_equal_lengths: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter<'a> {
    /// Decoded, in UTF-8.
    name: Cow<'a, [u8]>,
    /// As it is in the body. It can be decoded, to UTF-8.
    value: &'a [u8],
    has_escape: bool,
}

impl<'a> Form<'a> {
    /// Parses a body (WHATWG URL §5.1, but strict). Empty sequences between ampersands have no
    /// meaning, but they count toward [`limits::FORM_PARAMETERS`].
    ///
    /// # Errors
    /// [`FormError`].
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, FormError> {
        let is_ascii = body.is_ascii();
        // Of a character that is half escaped and half not, a reader that decodes octets makes the
        // character, and one that decodes text does not.
        if !is_ascii && std::str::from_utf8(body).is_err() {
            return Err(FormError::NotUtf8);
        }
        let mut form = Self {
            parameters: Vec::with_capacity(8),
            hidden: None,
            client_id_has_semicolon: false,
            is_ascii,
            has_unusual_name: false,
            name_lengths: 0,
            has_equal_lengths: false,
        };
        let mut has_semicolon = false;
        let mut rest = body;
        for _ in 0..limits::FORM_PARAMETERS {
            let sequence = Sequence::first_of(rest);
            has_semicolon |= sequence.has_semicolon;
            if sequence.end > 0 {
                form.add(rest, &sequence)?;
            }
            match rest.get(sequence.end + 1..) {
                Some(after) => rest = after,
                None => {
                    if has_semicolon {
                        form.hidden = hidden_credential(body);
                    }
                    return Ok(form);
                }
            }
        }
        Err(FormError::TooManyParameters)
    }

    /// Adds the sequence at the beginning of `text`.
    fn add(&mut self, text: &'a [u8], sequence: &Sequence) -> Result<(), FormError> {
        let Sequence { equals, end, has_usual_name, escapes, has_semicolon } = *sequence;
        let name = text.get(..equals).unwrap_or_default();
        let value = text.get(equals + 1..end).unwrap_or_default();
        let name = if has_usual_name { Cow::Borrowed(name) } else { self.unusual_name(name)? };
        if escapes == Escapes::Any {
            self.is_ascii &= unescaped(value)?.is_ascii();
        }
        let has_escape = escapes != Escapes::None;
        self.client_id_has_semicolon |= has_semicolon && *name == *CLIENT_ID.as_bytes();
        let length = bit_of_length(&name);
        self.has_equal_lengths |= self.name_lengths & length != 0;
        self.name_lengths |= length;
        self.parameters.push(Parameter { name, value, has_escape });
        Ok(())
    }

    fn unusual_name(&mut self, name: &'a [u8]) -> Result<Cow<'a, [u8]>, FormError> {
        let name = decode(name)?;
        if name.chars().any(char::is_control) {
            return Err(FormError::ControlCharacter);
        }
        self.has_unusual_name = true;
        self.is_ascii &= name.is_ascii();
        Ok(match name {
            Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
            Cow::Owned(name) => Cow::Owned(name.into_bytes()),
        })
    }

    /// Parses a body, and refuses it unless every reader finds the same parameters in it.
    ///
    /// # Errors
    /// In this order: [`RequestError::MalformedForm`], [`RequestError::UnsupportedMediaType`],
    /// [`RequestError::DuplicateParameter`].
    pub(crate) fn read(body: &'a [u8], charset: Charset) -> Result<Self, RequestError> {
        let form = Self::parse(body).map_err(RequestError::MalformedForm)?;
        if charset == Charset::UsAscii && !form.is_ascii {
            return Err(RequestError::UnsupportedMediaType);
        }
        match form.offending_name() {
            Some(name) => Err(RequestError::DuplicateParameter { name: name.to_owned() }),
            None => Ok(form),
        }
    }

    /// Whether the body may begin as a JSON object or array does, comments before it included.
    /// Laravel, Roda and Casdoor read such a body as JSON, also under the form's content type or
    /// one with a parameter that has `json` in it.
    #[inline]
    pub(crate) fn may_be_json(&self) -> bool {
        let name = self.parameters.first().map_or(&[][..], |first| &first.name);
        // Nearly every name begins with a letter.
        name.first().is_some_and(|first| !first.is_ascii_lowercase()) && begins_as_json(name)
    }

    /// Whether a parameter has a name as long as this one: a check that nearly always suffices.
    #[inline(always)]
    pub(crate) fn may_have(&self, name: &str) -> bool {
        self.name_lengths & bit_of_length(name.as_bytes()) != 0
    }

    /// The value of the first parameter `name`.
    #[inline]
    #[must_use]
    pub(crate) fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        if self.may_have(name) { self.find(name) } else { None }
    }

    #[inline(never)]
    fn find(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut parameters = self.parameters.iter();
        parameters.find(|one| equal(&one.name, name.as_bytes())).map(Parameter::decoded)
    }

    /// Whether the sequence of `client_id` has a semicolon as it is. A backend that separates
    /// there too, as Rack and Ruby's CGI do, reads another client in `client_id=a;b`.
    #[must_use]
    pub(crate) fn client_id_has_semicolon(&self) -> bool {
        self.client_id_has_semicolon
    }

    /// The name of a parameter that must not be there: one that only some backends read as a
    /// credential, or one that is sent twice though it is not repeatable.
    #[must_use]
    pub(crate) fn offending_name(&self) -> Option<&str> {
        let mut names = self.parameters.iter().map(|parameter| text(&parameter.name));
        let alike = if self.has_unusual_name || self.may_have(AUTHORIZATION) {
            names.find(|name| look_alike(name).is_some() || *name == AUTHORIZATION)
        } else {
            None
        };
        alike.or(self.hidden).or_else(|| self.repeated_name())
    }

    fn repeated_name(&self) -> Option<&str> {
        if !self.has_equal_lengths {
            return None;
        }
        let names = self.parameters.iter().map(|parameter| text(&parameter.name));
        first_repeated(names.filter(|name| !REPEATABLE.contains(name)))
    }
}

/// A bit for the length of a name. All that are longer than any name of the contract share one.
fn bit_of_length(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

impl<'a> Parameter<'a> {
    fn decoded(&self) -> Cow<'a, str> {
        if self.has_escape {
            // It was checked that it can be decoded.
            Cow::Owned(unescaped(self.value).unwrap_or_default())
        } else {
            Cow::Borrowed(text(self.value))
        }
    }
}

/// The text of octets that are known to be UTF-8.
fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap_or_default()
}

/// RFC 8707 §2 and RFC 8693 §2.1 let the first two be sent more than once, and UMA's clients of
/// Keycloak send the third one for each permission that they ask for.
const REPEATABLE: [&str; 3] = ["resource", "audience", "permission"];

/// A credential that is no parameter of this form, but one to a backend that separates at
/// semicolons too, as HTML 4.01 §B.2.2 recommended.
fn hidden_credential(body: &[u8]) -> Option<&'static str> {
    // A name shorter than the shortest credential is not decoded.
    fn name_of(text: &[u8]) -> Option<Cow<'_, str>> {
        let name = text.split(|&b| b == b'=').next().filter(|name| name.len() >= SHORTEST.len())?;
        decode(name).ok()
    }
    let credential_of = |text: &[u8]| name_of(text).and_then(|name| reads_as_credential(&name));
    body.split(|&b| b == b'&').filter(|sequence| sequence.contains(&b';')).find_map(|sequence| {
        let mut parts = sequence.split(|&b| b == b';');
        let first =
            parts.next().filter(|part| name_of(part) != name_of(sequence)).and_then(credential_of);
        first.or_else(|| parts.find_map(credential_of))
    })
}

/// The octets up to the next ampersand: where they end, and what is in them.
struct Sequence {
    /// The place of the first `=`, or of the end.
    equals: usize,
    /// The place of the ampersand, or the end of the text.
    end: usize,
    /// Whether the name has only small letters, `_` and the octet between them: it needs no
    /// decoding, and only an equal name reads as the same.
    has_usual_name: bool,
    /// What the value has to decode.
    escapes: Escapes,
    has_semicolon: bool,
}

/// What a value has to decode.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    /// Nothing.
    None,
    /// Blanks and ASCII characters, which leave UTF-8 what it is.
    Ascii,
    /// Something that is to be checked.
    Any,
}

impl Sequence {
    fn first_of(text: &[u8]) -> Self {
        let mut equals = count_of_usual(text);
        let has_usual_name = matches!(text.get(equals), None | Some(b'=' | b'&'));
        let mut has_semicolon = false;
        if !has_usual_name {
            let rest = text.get(equals..).unwrap_or_default();
            equals += rest.iter().take_while(|octet| !matches!(octet, b'=' | b'&')).count();
            has_semicolon = text.get(..equals).is_some_and(|name| name.contains(&b';'));
        }
        let mut escapes = Escapes::None;
        let mut end = equals + count_of_plain(text.get(equals..).unwrap_or_default());
        let mut rest = text.get(end..).unwrap_or_default();
        while let [octet, after @ ..] = rest {
            match octet {
                b'&' => break,
                b'%' => match after {
                    [b'0'..=b'7', low, ..] if low.is_ascii_hexdigit() => {
                        escapes = if escapes == Escapes::Any { escapes } else { Escapes::Ascii };
                    }
                    _ => escapes = Escapes::Any,
                },
                b'+' if escapes == Escapes::None => escapes = Escapes::Ascii,
                b';' => has_semicolon = true,
                _ => {}
            }
            rest = after;
            end += 1;
        }
        Self { equals, end, has_usual_name, escapes, has_semicolon }
    }
}

/// Decodes one name or value: `+` is a blank, `%` begins two hexadecimal digits.
///
/// # Errors
/// [`FormError::PercentEscape`] and [`FormError::NotUtf8`].
pub(super) fn decode(text: &[u8]) -> Result<Cow<'_, str>, FormError> {
    if text.iter().any(is_escape) {
        return unescaped(text).map(Cow::Owned);
    }
    std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| FormError::NotUtf8)
}

fn is_escape(octet: &u8) -> bool {
    matches!(octet, b'%' | b'+')
}

fn unescaped(text: &[u8]) -> Result<String, FormError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&octet) = rest.next() {
        octets.push(match octet {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|&b| char::from(b).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high << 4 | low) as u8,
                    _ => return Err(FormError::PercentEscape),
                }
            }
            other => other,
        });
    }
    String::from_utf8(octets).map_err(|_| FormError::NotUtf8)
}

/// Whether the first octet, but for blanks and a byte order mark, is none with which the name of a
/// parameter begins.
#[inline(never)]
fn begins_as_json(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let first = text.trim_ascii_start().first();
    first.is_some_and(|b| b.is_ascii() && !b.is_ascii_alphanumeric() && *b != b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameters(body: &str) -> Vec<(String, String)> {
        let form = Form::parse(body.as_bytes()).unwrap();
        form.parameters
            .into_iter()
            .map(|one| (text(&one.name).to_owned(), one.decoded().into_owned()))
            .collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn forms() {
        for (body, expected) in [
            ("", &[][..]),
            ("client_id=my+client%2Bid", &[("client_id", "my client+id")]),
            ("client_id=a;client_id=x", &[("client_id", "a;client_id=x")]),
            ("client_id==a", &[("client_id", "=a")]),
            ("client_id=a+b", &[("client_id", "a b")]),
            ("&&client_id=x&", &[("client_id", "x")]),
            ("a&b=&=c", &[("a", ""), ("b", ""), ("", "c")]),
            ("%63lient_id=b", &[("client_id", "b")]),
            ("n=%E2%82%AC&é=ü", &[("n", "€"), ("é", "ü")]),
            ("%EF%BB%BFclient_id=x", &[("\u{feff}client_id", "x")]),
        ] {
            assert_eq!(parameters(body), pairs(expected), "{body}");
        }
    }

    /// A reader that decodes the body to text drops one at its start, and one that trims as
    /// JavaScript does drops any number.
    #[test]
    fn a_credential_behind_byte_order_marks_is_found() {
        let marks = "\u{feff}".repeat(20_000);
        for (rest, is_found) in [
            ("client_id=x", true),
            ("client_id;a=x", true),
            ("a;client_id=x", true),
            ("a=x&client_id=y", false),
            ("", false),
        ] {
            let body = format!("{marks}{rest}");
            let found = Form::parse(body.as_bytes()).unwrap().offending_name().is_some();
            assert_eq!(found, is_found, "{rest}");
        }
    }

    #[test]
    fn at_most_256_parameters_however_empty() {
        for (body, is_read) in [
            (vec!["a"; 256].join("&"), true),
            (vec!["a"; 257].join("&"), false),
            ("&".repeat(255), true),
            ("&".repeat(256), false),
            (format!("{}client_id=x", "a=1&".repeat(1_001)), false),
        ] {
            let expected = if is_read { Ok(()) } else { Err(FormError::TooManyParameters) };
            assert_eq!(Form::parse(body.as_bytes()).map(drop), expected, "{} bytes", body.len());
        }
    }

    #[test]
    fn only_a_mark_begins_json() {
        for (body, may_be) in [
            ("{\"a\":1}", true),
            ("[]", true),
            ("/*a*/{}", true),
            ("#a{}", true),
            (" {}", true),
            ("\u{feff}[]", true),
            ("%7B%22a%22:1}", true),
            ("a={}", false),
            ("Client_id=a", false),
            ("_csrf=a", false),
            ("1=a", false),
            ("é=a", false),
            ("", false),
        ] {
            assert_eq!(Form::parse(body.as_bytes()).unwrap().may_be_json(), may_be, "{body}");
        }
    }

    #[test]
    fn ascii_means_ascii_after_decoding() {
        for (body, is_ascii) in
            [("a=%41", true), ("", true), ("a=%C3%A9", false), ("%C3%A9", false), ("a=é", false)]
        {
            assert_eq!(Form::parse(body.as_bytes()).unwrap().is_ascii, is_ascii, "{body}");
        }
    }

    #[test]
    fn malformed_forms() {
        for (body, error) in [
            (&b"a=%zz"[..], FormError::PercentEscape),
            (b"a=%2", FormError::PercentEscape),
            (b"a=%4z", FormError::PercentEscape),
            (b"a=%", FormError::PercentEscape),
            (b"a%2=b", FormError::PercentEscape),
            (b"a=%+1", FormError::PercentEscape),
            (b"client_id=%C2x", FormError::NotUtf8),
            (b"client_id=%FE%FF", FormError::NotUtf8),
            (b"client_id=\xff", FormError::NotUtf8),
            (b"client_id=\xc3%A9", FormError::NotUtf8),
            (b"a%C3\xa9=b", FormError::NotUtf8),
            (b"%c0%ae=1", FormError::NotUtf8),
            (b"client_id%00=a", FormError::ControlCharacter),
            (b"client_id\n=a", FormError::ControlCharacter),
            (b"a\xc2\x85=1", FormError::ControlCharacter),
        ] {
            assert_eq!(Form::parse(body), Err(error), "{body:?}");
        }
    }

    #[test]
    fn credentials_behind_semicolons() {
        for (body, hidden) in [
            ("client_id=a&b;client_id=c", Some("client_id")),
            ("client_id=a;client_id=c", Some("client_id")),
            ("a=b;Client_ID[]=c", Some("client_id")),
            ("client_id;=c", Some("client_id")),
            ("a;%63lient_id", Some("client_id")),
            ("client_id=a&x;client_assertion=b", Some("client_assertion")),
            ("x;client_secret", Some("client_secret")),
            ("client_secret;=x", Some("client_secret")),
            ("a=b;c;[client_assertion_type]=d", Some("client_assertion_type")),
            ("client_id=a;b=c", None),
            ("client_id=a&b=c%3Bclient_id=d", None),
            ("a=client_id;b", None),
            ("scope=a;b;c&client_id=d", None),
        ] {
            assert_eq!(Form::parse(body.as_bytes()).unwrap().hidden, hidden, "{body}");
        }
    }

    #[test]
    fn offending_names() {
        for (body, offending) in [
            ("a=1&b=2", None),
            ("client_id=a&%63lient_id=b", Some("client_id")),
            ("scope=a&scope=a", Some("scope")),
            ("resource=a&resource=b&audience=c&audience=d", None),
            ("client_id=a&client_id[]=b", Some("client_id[]")),
            ("client_id[0]=b", Some("client_id[0]")),
            ("client_id%5B=b", Some("client_id[")),
            ("client[id=b", Some("client[id")),
            ("client_id]=b", Some("client_id]")),
            ("[client_id]=b", Some("[client_id]")),
            ("][client_id=b", Some("][client_id")),
            ("client.id=b", Some("client.id")),
            ("client+id=b", Some("client id")),
            ("client-id=b", Some("client-id")),
            ("Client_ID=b", Some("Client_ID")),
            ("+client_id=b", Some(" client_id")),
            ("client_id%C2%A0=b", Some("client_id\u{a0}")),
            ("client_id=a&client_secret[]=x", Some("client_secret[]")),
            ("[client_secret=x", Some("[client_secret")),
            ("client_secret]=x", Some("client_secret]")),
            ("client_assertion%5B0%5D=x", Some("client_assertion[0]")),
            ("client_assertion[type=x", Some("client_assertion[type")),
            ("client.assertion.type=x", Some("client.assertion.type")),
            ("CLIENT_SECRET=x", Some("CLIENT_SECRET")),
            ("client_%C5%BFecret=x", Some("client_\u{17f}ecret")),
            ("cl%C4%B1ent_id=x", Some("cl\u{131}ent_id")),
            ("\u{feff}client_id=x", Some("\u{feff}client_id")),
            ("\u{feff}client_secret[]", Some("\u{feff}client_secret[]")),
            ("\u{feff}\u{feff}client_id=x", Some("\u{feff}\u{feff}client_id")),
            ("%EF%BB%BFclient_id=x", Some("\u{feff}client_id")),
            ("client_secret%EF%BB%BF=x", Some("client_secret\u{feff}")),
            ("%E2%80%8Bclient_id=x", Some("\u{200b}client_id")),
            ("client_id+%E2%80%8B%E1%A0%8E=x", Some("client_id \u{200b}\u{180e}")),
            ("[%E1%A0%8Eclient_id]=x", Some("[\u{180e}client_id]")),
            ("a\u{feff}client_id=y&client%EF%BB%BF_id=z", None),
            ("[+client_id=x", Some("[ client_id")),
            ("client%2Bid=x", Some("client+id")),
            ("client_id=a&client_secret=b&client_assertion=c&client_assertion_type=d", None),
            ("?client_id=x", Some("?client_id")),
            ("\u{feff}?client_id=x", Some("\u{feff}?client_id")),
            ("%3Fclient_secret[]=x", Some("?client_secret[]")),
            ("client_id.x=a", Some("client_id.x")),
            ("client_secret.0=a", Some("client_secret.0")),
            (".client_assertion=a", Some(".client_assertion")),
            ("[.client_id=a", Some("[.client_id")),
            ("client_id_.=a&client_ids=b&client_identity=c&xclient_id=d&client_i=e&client=f", None),
            (
                "client_id_hint=b&client_secret_expires_at=c&client_assertions=d\
                 &client_assertion_types=e",
                None,
            ),
            ("é=1&[]=2&=3", None),
        ] {
            assert_eq!(Form::parse(body.as_bytes()).unwrap().offending_name(), offending, "{body}");
        }
    }

    #[test]
    fn names_of_one_length_are_told_apart() {
        let form = |body: &'static str| Form::read(body.as_bytes(), Charset::Utf8);
        let value = |body, name: &str| form(body).unwrap().value(name).map(Cow::into_owned);
        for body in
            ["client_id=a&lengths_9=b", "lengths_9=b&client_id=a", "x=&lengths_9&client_id=a"]
        {
            assert_eq!(value(body, "client_id").as_deref(), Some("a"), "{body}");
            assert_eq!(value(body, "client_ie"), None, "{body}");
        }
        let [one, other] = ["x", "y"].map(|letter| letter.repeat(70));
        let long = format!("{one}=1&{other}=2&client_id=a").leak();
        assert_eq!(value(long, &other).as_deref(), Some("2"));
        let twice = format!("{one}=1&client_id=a&{one}=2").leak();
        assert_eq!(form(twice), Err(RequestError::DuplicateParameter { name: one }));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            pairs in prop::collection::vec(("[^\\pC]{1,8}", "\\PC{0,8}"), 0..6)
        ) {
            let encode = crate::percent::encode;
            let body: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
                .collect();
            prop_assert_eq!(parameters(&body.join("&")), pairs);
        }

        #[test]
        fn any_bytes_get_an_answer(body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(form) = Form::parse(&body) {
                let _ = form.offending_name();
            }
        }
    }
}
