//! `application/x-www-form-urlencoded`, read strictly: what two parsers could read in two ways is an error.

use std::borrow::Cow;
use std::fmt;

use crate::json::first_repeated;

/// Why a text is not a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormError {
    /// A `%` without two hexadecimal digits.
    PercentEscape,
    /// A name or a value is not UTF-8 after decoding.
    NotUtf8,
    /// A control character in a name.
    ControlCharacter,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PercentEscape => "a % without two hexadecimal digits",
            Self::NotUtf8 => "a name or value that is not UTF-8",
            Self::ControlCharacter => "a control character in a parameter name",
        })
    }
}

impl std::error::Error for FormError {}

/// Decoded names and values in the order of the body; what needs no decoding is borrowed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    hides_client_id: bool,
}

impl<'a> Form<'a> {
    /// Parses a body (WHATWG URL §5.1, but strict). Empty sequences between ampersands mean nothing.
    ///
    /// # Errors
    /// [`FormError`].
    pub fn parse(body: &'a [u8]) -> Result<Self, FormError> {
        let mut parameters = Vec::with_capacity(8);
        for sequence in body.split(|&b| b == b'&').filter(|sequence| !sequence.is_empty()) {
            let equals = sequence.iter().position(|&b| b == b'=').unwrap_or(sequence.len());
            let (name, value) = sequence.split_at(equals);
            let name = decode(name)?;
            let is_plain = name.bytes().all(|b| matches!(b, b' '..=b'~'));
            if !is_plain && name.chars().any(char::is_control) {
                return Err(FormError::ControlCharacter);
            }
            parameters.push((name, decode(value.strip_prefix(b"=").unwrap_or_default())?));
        }
        Ok(Self { parameters, hides_client_id: body.contains(&b';') && hides(body, "client_id") })
    }

    /// The value of the first parameter `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref())
    }

    /// Whether a backend that separates at semicolons too, as HTML 4.01 §B.2.2 recommended, sees a `client_id` that is no
    /// parameter of this form.
    #[must_use]
    pub fn hides_client_id(&self) -> bool {
        self.hides_client_id
    }

    /// The name of a parameter that must not be there: one that is sent twice though it is not repeatable, or one that
    /// some backend takes for `client_id`.
    #[must_use]
    pub fn offending_name(&self) -> Option<&str> {
        let names = self.parameters.iter().map(|(name, _)| name.as_ref());
        names
            .clone()
            .find(|name| *name != "client_id" && reads_as(name, "client_id"))
            .or_else(|| first_repeated(names.filter(|name| !REPEATABLE.contains(name))))
    }
}

/// RFC 8707 §2 and RFC 8693 §2.1 let these be sent more than once.
const REPEATABLE: [&str; 2] = ["resource", "audience"];

/// Whether a part of `body` between semicolons begins a parameter that reads as `parameter`, where its sequence does not.
fn hides(body: &[u8], parameter: &str) -> bool {
    let name_of =
        |text: &[u8]| decode(text.split(|&b| b == b'=').next().unwrap_or_default()).map(Cow::into_owned).unwrap_or_default();
    body.split(|&b| b == b'&').any(|sequence| {
        let own = name_of(sequence);
        let mut parts = sequence.split(|&b| b == b';').map(name_of);
        let first = parts.next().is_some_and(|name| name != own && reads_as(&name, parameter));
        first || parts.any(|name| reads_as(&name, parameter))
    })
}

/// Whether some backend reads the parameter `name` as `parameter`: without regard to letter case and outer blanks, up to
/// a NUL, as an array (`client_id[]`, `client_id[0]`), with stray brackets (Rack reads `client_id]` and `[client_id]`), or
/// with the characters that PHP and relaxed binders turn into `_`.
#[must_use]
pub(super) fn reads_as(name: &str, parameter: &str) -> bool {
    // Nearly every name differs in its first letter already, and this is asked for each parameter of each request.
    let first_letter = |text: &str| text.bytes().next().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase());
    if first_letter(name).is_some_and(|letter| Some(letter) != first_letter(parameter)) {
        return false;
    }
    let name = name.split('\0').next().unwrap_or_default();
    let name = name.trim_matches(|c: char| c.is_whitespace() || c.is_control()).trim_start_matches(['[', ']']);
    let folded: String = name.chars().map(|c| if matches!(c, '.' | ' ' | '-') { '_' } else { c.to_ascii_lowercase() }).collect();
    let is_name = folded.strip_prefix(parameter).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', ']']));
    // PHP turns an unmatched `[` into `_` too.
    is_name || folded.replace('[', "_") == parameter
}

/// Decodes one name or value: `+` is a blank, `%` begins two hexadecimal digits.
///
/// # Errors
/// [`FormError::PercentEscape`] and [`FormError::NotUtf8`].
pub(super) fn decode(text: &[u8]) -> Result<Cow<'_, str>, FormError> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return std::str::from_utf8(text).map(Cow::Borrowed).map_err(|_| FormError::NotUtf8);
    }
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
    String::from_utf8(octets).map(Cow::Owned).map_err(|_| FormError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parameters(body: &str) -> Vec<(String, String)> {
        let form = Form::parse(body.as_bytes()).unwrap();
        form.parameters.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
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
            ("&&client_id=x&", &[("client_id", "x")]),
            ("a&b=&=c", &[("a", ""), ("b", ""), ("", "c")]),
            ("%63lient_id=b", &[("client_id", "b")]),
            ("n=%E2%82%AC&é=ü", &[("n", "€"), ("é", "ü")]),
            ("%EF%BB%BFclient_id=x", &[("\u{feff}client_id", "x")]),
        ] {
            assert_eq!(parameters(body), pairs(expected), "{body}");
        }
    }

    #[test]
    fn malformed_forms() {
        for (body, error) in [
            (&b"a=%zz"[..], FormError::PercentEscape),
            (b"a=%2", FormError::PercentEscape),
            (b"a=%", FormError::PercentEscape),
            (b"a%2=b", FormError::PercentEscape),
            (b"a=%+1", FormError::PercentEscape),
            (b"client_id=%C2x", FormError::NotUtf8),
            (b"client_id=%FE%FF", FormError::NotUtf8),
            (b"client_id=\xff", FormError::NotUtf8),
            (b"%c0%ae=1", FormError::NotUtf8),
            (b"client_id%00=a", FormError::ControlCharacter),
            (b"client_id\n=a", FormError::ControlCharacter),
            (b"a\xc2\x85=1", FormError::ControlCharacter),
        ] {
            assert_eq!(Form::parse(body), Err(error), "{body:?}");
        }
    }

    #[test]
    fn client_ids_behind_semicolons() {
        for (body, hides) in [
            ("client_id=a&b;client_id=c", true),
            ("client_id=a;client_id=c", true),
            ("a=b;Client_ID[]=c", true),
            ("client_id;=c", true),
            ("a;%63lient_id", true),
            ("client_id=a;b=c", false),
            ("client_id=a&b=c%3Bclient_id=d", false),
            ("a=client_id;b", false),
            ("scope=a;b;c&client_id=d", false),
        ] {
            assert_eq!(Form::parse(body.as_bytes()).unwrap().hides_client_id(), hides, "{body}");
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
            ("client_id.=a&client_ids=b&client_identity=c&xclient_id=d&client_i=e&client=f", None),
            ("client_id_hint=b", None),
            ("é=1&[]=2&=3", None),
        ] {
            assert_eq!(Form::parse(body.as_bytes()).unwrap().offending_name(), offending, "{body}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_is_decoded(pairs in prop::collection::vec(("[^\\pC]{1,8}", "\\PC{0,8}"), 0..6)) {
            let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
            let body: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
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
