//! The headers of a response that say how its body is read.

use crate::limits;
use crate::rejection::UnboundResponse;
use crate::request::{Fields, SingletonField};

/// The headers of a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseHead<'a> {
    /// `:status`; `None` = it cannot be read.
    pub(super) status: Option<u16>,
    content_type: SingletonField<'a>,
    content_encoding: SingletonField<'a>,
    content_length: SingletonField<'a>,
}

impl<'a> ResponseHead<'a> {
    pub(super) fn of(fields: Fields<'a>) -> Self {
        let status = match fields.singleton(":status") {
            SingletonField::Present(status) => number(status).and_then(|n| u16::try_from(n).ok()),
            SingletonField::Absent | SingletonField::Repeated => None,
        };
        Self {
            status,
            content_type: fields.singleton("content-type"),
            content_encoding: fields.singleton("content-encoding"),
            content_length: fields.singleton("content-length"),
        }
    }

    /// Whether no client takes a token from the response: it is no success (RFC 6749 §5.1, §5.2),
    /// or an introspection answer that is signed (RFC 9701 §5).
    pub(super) fn has_no_token(&self) -> bool {
        self.status.is_some_and(|status| !(200..300).contains(&status))
            || self.media_type().is_some_and(|(media_type, _)| {
                media_type.eq_ignore_ascii_case(b"application/token-introspection+jwt")
            })
    }

    /// Why a body with these headers is not read as JSON; `None` = it is.
    pub(super) fn doubt(&self) -> Option<UnboundResponse> {
        if self.is_encoded() {
            Some(UnboundResponse::Encoded)
        } else if !self.is_json() {
            Some(UnboundResponse::NotJson)
        } else if self.is_longer_than(limits::TOKEN_RESPONSE_BYTES) {
            Some(UnboundResponse::TooLarge)
        } else {
            None
        }
    }

    /// RFC 9110 §8.4: every coding but `identity`.
    pub(super) fn is_encoded(&self) -> bool {
        match self.content_encoding {
            SingletonField::Absent => false,
            SingletonField::Present(coding) => {
                !coding.trim_ascii().eq_ignore_ascii_case(b"identity")
            }
            SingletonField::Repeated => true,
        }
    }

    /// Whether the media type is `application/json`, in UTF-8. Some clients read other types as a
    /// form, and other charsets as other text.
    pub(super) fn is_json(&self) -> bool {
        let Some((media_type, parameters)) = self.media_type() else { return false };
        let is_utf8 = |parameter: &[u8]| match parameter.iter().position(|b| *b == b'=') {
            None => parameter.is_empty(),
            Some(end) => {
                let (name, value) = parameter.split_at_checked(end).unwrap_or_default();
                let value = value.get(1..).unwrap_or_default();
                let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
                let value = unquoted.unwrap_or(value);
                !name.eq_ignore_ascii_case(b"charset")
                    || value.eq_ignore_ascii_case(b"utf-8")
                    || value.eq_ignore_ascii_case(b"utf8")
            }
        };
        media_type.eq_ignore_ascii_case(b"application/json")
            && parameters.split(|b| *b == b';').all(|parameter| is_utf8(parameter.trim_ascii()))
    }

    /// Whether `content-length` says that the body is longer.
    pub(super) fn is_longer_than(&self, limit: usize) -> bool {
        match self.content_length {
            SingletonField::Present(length) => number(length).is_some_and(|n| n > limit as u64),
            SingletonField::Absent | SingletonField::Repeated => false,
        }
    }

    /// The media type and its parameters, of the one that is named. Two headers reach the filter
    /// as one, joined by a comma.
    fn media_type(&self) -> Option<(&'a [u8], &'a [u8])> {
        let SingletonField::Present(text) = self.content_type else { return None };
        if text.contains(&b',') {
            return None;
        }
        let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
        let (media_type, parameters) = text.split_at_checked(end)?;
        Some((media_type.trim_ascii(), parameters.get(1..).unwrap_or_default()))
    }
}

/// A number without a sign; the largest where it is larger.
fn number(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut number = 0_u64;
    for digit in digits {
        number = number.saturating_mul(10).saturating_add(u64::from(digit & 15));
    }
    Some(number)
}
