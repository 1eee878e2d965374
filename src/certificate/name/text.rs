//! The strings that caseIgnoreMatch covers, in every type of string that certificates have them in.

use super::{NameError, prepare};
use crate::certificate::der::{MalformedDer, Tlv, tag};

/// A DirectoryString, or another type of string that issuers use in its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    Utf8(&'a str),
    Latin1(&'a [u8]),
    Utf16(&'a [[u8; 2]]),
    Utf32(&'a [[u8; 4]]),
}

impl<'a> Text<'a> {
    /// The text of `value`; `None` for a type that is compared byte for byte.
    ///
    /// PrintableString, NumericString, VisibleString and IA5String are ASCII, and issuers put Latin-1 in them all the same;
    /// a T61String (TeletexString) nearly always holds Latin-1, seldom the T.61 that it is named after. A value with one of
    /// Latin-1's upper control characters is in another character set, which nobody knows: it is compared byte for byte.
    pub(super) fn of(value: Tlv<'a>) -> Result<Option<Self>, MalformedDer> {
        let text = match value.tag {
            tag::UTF8_STRING => std::str::from_utf8(value.contents).ok().map(Self::Utf8),
            tag::PRINTABLE_STRING | tag::IA5_STRING | tag::TELETEX_STRING | tag::NUMERIC_STRING | tag::VISIBLE_STRING => {
                if value.contents.iter().any(|octet| matches!(octet, 0x80..=0x9f)) {
                    return Ok(None);
                }
                Some(Self::Latin1(value.contents))
            }
            tag::BMP_STRING => match value.contents.as_chunks() {
                (units, []) => Some(Self::Utf16(units)),
                _ => None,
            },
            tag::UNIVERSAL_STRING => match value.contents.as_chunks() {
                (units, []) => Some(Self::Utf32(units)),
                _ => None,
            },
            _ => return Ok(None),
        };
        text.map(Some).ok_or(MalformedDer)
    }

    /// Visits each character, until one is refused.
    ///
    /// # Errors
    /// `visit`'s own, and [`NameError::MalformedDer`] for what is no character.
    pub(super) fn try_for_each(self, mut visit: impl FnMut(char) -> Result<(), NameError>) -> Result<(), NameError> {
        match self {
            Self::Utf8(text) if prepare::is_printable_ascii(text.as_bytes()) => Ok(()),
            Self::Latin1(octets) if prepare::is_printable_ascii(octets) => Ok(()),
            Self::Utf8(text) => text.chars().try_for_each(visit),
            Self::Latin1(octets) => octets.iter().try_for_each(|&octet| visit(octet.into())),
            Self::Utf16(units) => utf16(units).try_for_each(|c| visit(c.ok_or(NameError::MalformedDer)?)),
            Self::Utf32(units) => utf32(units).try_for_each(|c| visit(c.ok_or(NameError::MalformedDer)?)),
        }
    }

    /// Whether this text, every character of which was checked, has the form in which a registered text is compared.
    pub(super) fn has_form(self, prepared: &str, registered: &str) -> bool {
        match self {
            // The text that was registered, to the letter: nobody needs to prepare it again.
            Self::Utf8(text) if text == registered => true,
            Self::Utf8(text) if prepare::is_printable_ascii(text.as_bytes()) => {
                prepare::is_form_of_ascii(prepared, text.as_bytes())
            }
            Self::Latin1(octets) if prepare::is_printable_ascii(octets) => prepare::is_form_of_ascii(prepared, octets),
            Self::Utf8(text) => prepare::is_form_of(prepared, text.chars()),
            Self::Latin1(octets) => prepare::is_form_of(prepared, octets.iter().map(|&octet| char::from(octet))),
            Self::Utf16(units) => prepare::is_form_of(prepared, utf16(units).map_while(|c| c)),
            Self::Utf32(units) => prepare::is_form_of(prepared, utf32(units).map_while(|c| c)),
        }
    }

    /// All of the text.
    pub(super) fn to_text(self) -> Result<String, NameError> {
        match self {
            Self::Utf8(text) => Ok(text.to_owned()),
            Self::Latin1(octets) => Ok(octets.iter().map(|&octet| char::from(octet)).collect()),
            Self::Utf16(units) => utf16(units).collect::<Option<_>>().ok_or(NameError::MalformedDer),
            Self::Utf32(units) => utf32(units).collect::<Option<_>>().ok_or(NameError::MalformedDer),
        }
    }
}

fn utf16(units: &[[u8; 2]]) -> impl Iterator<Item = Option<char>> {
    char::decode_utf16(units.iter().map(|&unit| u16::from_be_bytes(unit))).map(Result::ok)
}

fn utf32(units: &[[u8; 4]]) -> impl Iterator<Item = Option<char>> {
    units.iter().map(|&unit| char::from_u32(u32::from_be_bytes(unit)))
}
