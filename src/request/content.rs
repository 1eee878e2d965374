//! The headers that define how a body is read. Only values with which every backend reads the same
//! form are accepted.

use super::error::RequestError;
use super::fields::SingletonField;
use crate::octets::equal;

/// How the octets of a form become characters, by `content-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// UTF-8, which is the default of the media type.
    Utf8,
    /// US-ASCII. A body must not have other octets, which readers would decode differently.
    UsAscii,
}

/// The charset of a body that is one `application/x-www-form-urlencoded` in UTF-8 or US-ASCII,
/// without a content coding.
///
/// # Errors
/// [`RequestError::UnsupportedMediaType`] and [`RequestError::EncodedBody`].
pub(crate) fn check_content(
    content_type: SingletonField<'_>,
    content_encoding: SingletonField<'_>,
) -> Result<Charset, RequestError> {
    let SingletonField::Present(content_type) = content_type else {
        return Err(RequestError::UnsupportedMediaType);
    };
    let charset = usual_charset(content_type)
        .or_else(|| form_charset(content_type))
        .ok_or(RequestError::UnsupportedMediaType)?;
    match content_encoding {
        SingletonField::Absent => Ok(charset),
        SingletonField::Present(coding)
            if coding.trim_ascii().eq_ignore_ascii_case(b"identity") =>
        {
            Ok(charset)
        }
        SingletonField::Present(_) | SingletonField::Repeated => Err(RequestError::EncodedBody),
    }
}

/// Whether the media type is that of forms, with any parameters.
#[must_use]
pub(crate) fn is_form(content_type: SingletonField<'_>) -> bool {
    let SingletonField::Present(content_type) = content_type else { return false };
    if usual_charset(content_type).is_some() {
        return true;
    }
    let media_type = content_type.split(|b| matches!(b, b';' | b',')).next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(FORM.as_bytes())
}

/// The `content-type` by which some backend reads a body: to Rack, that of a POST without one is a
/// form.
#[must_use]
pub(crate) fn assumed_content_type<'a>(
    method: Option<&[u8]>,
    content_type: SingletonField<'a>,
) -> SingletonField<'a> {
    let is_stated = match content_type {
        SingletonField::Absent => false,
        SingletonField::Present(value) => !value.trim_ascii().is_empty(),
        SingletonField::Repeated => true,
    };
    if !is_stated && method == Some(b"POST") {
        SingletonField::Present(FORM.as_bytes())
    } else {
        content_type
    }
}

/// Whether some backend may read the body as a form, whatever else the header says.
#[must_use]
pub(crate) fn may_be_form(content_type: SingletonField<'_>) -> bool {
    const NAME: &[u8] = b"x-www-form-urlencoded";
    match content_type {
        SingletonField::Absent => false,
        SingletonField::Present(value) => {
            value.windows(NAME.len()).any(|text| text.eq_ignore_ascii_case(NAME))
        }
        SingletonField::Repeated => true,
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// The charset of the two values that nearly every client sends.
#[inline]
fn usual_charset(content_type: &[u8]) -> Option<Charset> {
    let (media_type, rest) = content_type.split_at_checked(FORM.len())?;
    let is_usual = matches!(rest, b"" | b";charset=UTF-8");
    (is_usual && equal(media_type, FORM.as_bytes())).then_some(Charset::Utf8)
}

/// Refuses a body whose announced length exceeds `limit`, before it is buffered.
///
/// # Errors
/// [`RequestError::BodyTooLarge`].
pub(crate) fn check_length(
    content_length: SingletonField<'_>,
    limit: usize,
) -> Result<(), RequestError> {
    let SingletonField::Present(length) = content_length else { return Ok(()) };
    // So many octets announce less than nearly every limit.
    if length.len() <= 4 && limit > 9_999 {
        return Ok(());
    }
    // Envoy refuses a length that is no number, and the body is counted when it arrives.
    // Beyond this a length is larger than any limit; ten times as much is still a number.
    const LARGE: u64 = 1 << 59;
    let mut announced = 0;
    for digit in length.trim_ascii() {
        if !digit.is_ascii_digit() {
            return Ok(());
        }
        announced = (announced * 10 + u64::from(digit & 15)).min(LARGE);
    }
    if announced > limit as u64 { Err(RequestError::BodyTooLarge { limit }) } else { Ok(()) }
}

/// The charset of a form's `content-type` (RFC 9110 §8.3.1); `None` = it is no form, or in another
/// charset. The media type defines no parameters, but real clients send `charset=UTF-8`.
fn form_charset(content_type: &[u8]) -> Option<Charset> {
    const NAME: &[u8] = b"charset";
    const MULTIPART: &[u8] = b"multipart";
    let text = std::str::from_utf8(content_type).ok()?;
    // Two headers reach the filter as one, joined by a comma.
    if text.contains(',') {
        return None;
    }
    let mut parts = text.split(';').map(str::trim_ascii);
    if !parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case(FORM)) {
        return None;
    }
    // Some readers search for `charset` in the whole value, so that it may occur only as the name
    // of a parameter.
    let (mut splits_quotes, mut names_multipart) = (false, false);
    let has = |part: &str, word: &[u8]| {
        part.as_bytes().windows(word.len()).any(|text| text.eq_ignore_ascii_case(word))
    };
    let mut named = parts.filter(|part| {
        // A semicolon in a quoted string: what follows is no parameter.
        splits_quotes |= part.matches('"').count() % 2 == 1;
        // Some readers, such as HTTP::Body of Perl, search for the other media type of forms.
        names_multipart |= has(part, MULTIPART);
        has(part, NAME)
    });
    let named = (named.next(), named.next());
    match named {
        _ if names_multipart => None,
        (None, _) => Some(Charset::Utf8),
        (Some(parameter), None) => charset(parameter).filter(|_| !splits_quotes),
        (Some(_), Some(_)) => None,
    }
}

/// The charset that `charset=VALUE` names, quoted or not.
fn charset(parameter: &str) -> Option<Charset> {
    let (name, value) = parameter.split_once('=')?;
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    let is_any = |names: &[&str]| names.iter().any(|name| value.eq_ignore_ascii_case(name));
    match () {
        () if !name.eq_ignore_ascii_case("charset") => None,
        () if is_any(&["utf-8", "utf8"]) => Some(Charset::Utf8),
        () if is_any(&["us-ascii"]) => Some(Charset::UsAscii),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        let good = [
            ("", Charset::Utf8),
            (";charset=UTF-8", Charset::Utf8),
            (";charset=utf8", Charset::Utf8),
            (";charset=\"UTF8\"", Charset::Utf8),
            (" ; Charset=\"utf-8\" ;", Charset::Utf8),
            ("; boundary=x", Charset::Utf8),
            ("; boundary=\"a b/c\"; q", Charset::Utf8),
            (";charset=US-ASCII", Charset::UsAscii),
            ("; x=y; charset=\"us-ascii\"", Charset::UsAscii),
        ];
        for (parameters, charset) in good {
            let header = format!("application/x-www-form-urlencoded{parameters}");
            assert_eq!(form_charset(header.as_bytes()), Some(charset), "{header}");
        }
        assert_eq!(form_charset(b"APPLICATION/X-WWW-Form-Urlencoded"), Some(Charset::Utf8));
        for bad in [
            "",
            "application/json",
            "application/x-www-form-urlencodedx",
            "text/plain; application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded;charset=iso-8859-1",
            "application/x-www-form-urlencoded;charset=ascii",
            "application/x-www-form-urlencoded;charset=utf-16",
            "application/x-www-form-urlencoded;charset=utf-8;charset=utf-7",
            "application/x-www-form-urlencoded;charset=utf-8;charset=utf-8",
            "application/x-www-form-urlencoded;charset=",
            "application/x-www-form-urlencoded;charset",
            "application/x-www-form-urlencoded;charset = utf-8",
            "application/x-www-form-urlencoded;charset=\"utf-8",
            "application/x-www-form-urlencoded;charset='utf-8'",
            "application/x-www-form-urlencoded;charset*=utf-8''utf-7",
            "application/x-www-form-urlencoded;x=charset=iso-8859-1",
            "application/x-www-form-urlencoded;x=\";charset=iso-8859-1\"",
            "application/x-www-form-urlencoded;x=\";charset=utf-8\"",
            "application/x-www-form-urlencoded;x=\"y;charset=utf-8;z\"",
            "application/x-www-form-urlencoded;charset=utf-8;x=\"y;z\"",
            "application/x-www-form-urlencoded;accept-Charset=utf-8",
            "application/x-www-form-urlencoded,application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded;charset=utf-8,text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; x=\"Multipart/form-data\"; boundary=y",
        ] {
            assert_eq!(form_charset(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(form_charset(b"application/x-www-form-urlencoded;a=\xff"), None);
    }

    #[test]
    fn what_looks_like_a_form() {
        for (content_type, expected) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-www-form-urlencoded ; charset=iso-8859-1", true),
            ("application/x-www-form-urlencoded,text/plain", true),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(
                is_form(SingletonField::Present(content_type.as_bytes())),
                expected,
                "{content_type}"
            );
        }
        assert!(!is_form(SingletonField::Absent) && !is_form(SingletonField::Repeated));
    }

    #[test]
    fn content() {
        let form = SingletonField::Present(b"application/x-www-form-urlencoded");
        assert_eq!(check_content(form, SingletonField::Absent), Ok(Charset::Utf8));
        assert_eq!(check_content(form, SingletonField::Present(b"Identity")), Ok(Charset::Utf8));
        assert_eq!(check_content(form, SingletonField::Repeated), Err(RequestError::EncodedBody));
        for content_type in [SingletonField::Absent, SingletonField::Repeated] {
            assert_eq!(
                check_content(content_type, SingletonField::Absent),
                Err(RequestError::UnsupportedMediaType)
            );
        }
        for coding in [&b"gzip"[..], b"identity,gzip", b"", b"identity, identity", b"\xff"] {
            assert_eq!(
                check_content(form, SingletonField::Present(coding)),
                Err(RequestError::EncodedBody)
            );
        }
    }

    #[test]
    fn lengths() {
        let check = |length| check_length(SingletonField::Present(length), 10);
        assert_eq!(check(b"10"), Ok(()));
        assert_eq!(check(b"11"), Err(RequestError::BodyTooLarge { limit: 10 }));
        assert_eq!(check(b"18446744073709551615"), Err(RequestError::BodyTooLarge { limit: 10 }));
        assert_eq!(check(b"x"), Ok(()));
        assert_eq!(check_length(SingletonField::Absent, 10), Ok(()));
    }
}
