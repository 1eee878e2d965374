//! The headers that say how a body is to be read. A form in any other dress could be read otherwise by the backend.

use super::head::Field;
use crate::error::Rejection;

/// Lets exactly one `application/x-www-form-urlencoded` in UTF-8 pass, without a content coding.
///
/// # Errors
/// [`Rejection::UnsupportedMediaType`] and [`Rejection::EncodedBody`].
pub fn check_content(content_type: Field<'_>, content_encoding: Field<'_>) -> Result<(), Rejection> {
    if !matches!(content_type, Field::Once(value) if is_form(value)) {
        return Err(Rejection::UnsupportedMediaType);
    }
    match content_encoding {
        Field::Absent => Ok(()),
        Field::Once(coding) if coding.trim_ascii().eq_ignore_ascii_case(b"identity") => Ok(()),
        Field::Once(_) | Field::Repeated => Err(Rejection::EncodedBody),
    }
}

/// Refuses a body whose announced length exceeds `limit`, before it is buffered.
///
/// # Errors
/// [`Rejection::BodyTooLarge`].
pub fn check_length(content_length: Field<'_>, limit: usize) -> Result<(), Rejection> {
    let Field::Once(length) = content_length else { return Ok(()) };
    // A length that is no number is Envoy's to refuse, and the body itself is counted in any case.
    let announced = std::str::from_utf8(length).ok().and_then(|length| length.trim().parse::<u64>().ok());
    match announced {
        Some(length) if length > limit as u64 => Err(Rejection::BodyTooLarge { limit }),
        _ => Ok(()),
    }
}

/// RFC 9110 §8.3.1; the type knows no parameters, but real clients send `charset=UTF-8`.
fn is_form(content_type: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else { return false };
    // Two headers reach the filter as one, joined by a comma.
    if text.contains(',') {
        return false;
    }
    let mut parts = text.split(';').map(str::trim_ascii);
    let is_form = parts.next().is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    let mut charsets = 0;
    is_form
        && parts.filter(|part| !part.is_empty()).all(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            if !name.eq_ignore_ascii_case("charset") {
                // Nothing that a sloppy reader could take for a charset: some search for `charset=` anywhere.
                let is_harmless = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
                return !name.is_empty() && is_harmless(name) && is_harmless(value);
            }
            charsets += 1;
            let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
            charsets == 1 && value.eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        for good in [
            "application/x-www-form-urlencoded",
            "APPLICATION/X-WWW-Form-Urlencoded",
            "application/x-www-form-urlencoded;charset=UTF-8",
            "application/x-www-form-urlencoded ; Charset=\"utf-8\" ;",
            "application/x-www-form-urlencoded; boundary=x",
        ] {
            assert!(is_form(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "application/json",
            "application/x-www-form-urlencodedx",
            "text/plain; application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded;charset=iso-8859-1",
            "application/x-www-form-urlencoded;charset=utf-16",
            "application/x-www-form-urlencoded;charset=utf-8;charset=utf-7",
            "application/x-www-form-urlencoded;charset=",
            "application/x-www-form-urlencoded;charset",
            "application/x-www-form-urlencoded;charset*=utf-8''utf-7",
            "application/x-www-form-urlencoded;x=charset=iso-8859-1",
            "application/x-www-form-urlencoded;x=\";charset=iso-8859-1\"",
            "application/x-www-form-urlencoded,application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded;charset=utf-8,text/plain",
            "multipart/form-data; boundary=x",
        ] {
            assert!(!is_form(bad.as_bytes()), "{bad}");
        }
        assert!(!is_form(b"application/x-www-form-urlencoded;a=\xff"));
    }

    #[test]
    fn content() {
        let form = Field::Once(b"application/x-www-form-urlencoded");
        assert_eq!(check_content(form, Field::Absent), Ok(()));
        assert_eq!(check_content(form, Field::Once(b"Identity")), Ok(()));
        assert_eq!(check_content(form, Field::Repeated), Err(Rejection::EncodedBody));
        assert_eq!(check_content(Field::Absent, Field::Absent), Err(Rejection::UnsupportedMediaType));
        assert_eq!(check_content(Field::Repeated, Field::Absent), Err(Rejection::UnsupportedMediaType));
        for coding in [&b"gzip"[..], b"identity,gzip", b"", b"identity, identity", b"\xff"] {
            assert_eq!(check_content(form, Field::Once(coding)), Err(Rejection::EncodedBody));
        }
    }

    #[test]
    fn lengths() {
        let check = |length| check_length(Field::Once(length), 10);
        assert_eq!(check(b"10"), Ok(()));
        assert_eq!(check(b"11"), Err(Rejection::BodyTooLarge { limit: 10 }));
        assert_eq!(check(b"18446744073709551615"), Err(Rejection::BodyTooLarge { limit: 10 }));
        assert_eq!(check(b"x"), Ok(()));
        assert_eq!(check_length(Field::Absent, 10), Ok(()));
    }
}
