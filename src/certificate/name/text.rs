//! The types of strings in certificates that caseIgnoreMatch compares.

use std::fmt::{self, Write as _};

use super::{NameError, prepare};
use crate::certificate::der::{MalformedDer, Tlv, tag};

/// The contents octets of a DirectoryString, or of another type of string that issuers use instead.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    Utf8(&'a [u8]),
    Latin1(&'a [u8]),
    Utf16(&'a [[u8; 2]]),
    Utf32(&'a [[u8; 4]]),
}

impl<'a> Text<'a> {
    /// The text of `value`; `None` = it is compared byte for byte.
    ///
    /// Most issuers write Latin-1 into a TeletexString (T61String), not T.61, and some into a
    /// PrintableString too. A value with an upper control character of Latin-1 is in an unknown
    /// character set. It is compared byte for byte, as is a NumericString or VisibleString that is
    /// not ASCII.
    pub(super) fn of(value: Tlv<'a>) -> Result<Option<Self>, MalformedDer> {
        let text = match value.tag {
            tag::UTF8_STRING => Some(Self::Utf8(value.contents)),
            tag::PRINTABLE_STRING | tag::TELETEX_STRING
                if value.contents.iter().any(|octet| matches!(octet, 0x80..=0x9f)) =>
            {
                return Ok(None);
            }
            tag::NUMERIC_STRING | tag::VISIBLE_STRING if !value.contents.is_ascii() => {
                return Ok(None);
            }
            tag::IA5_STRING if !value.contents.is_ascii() => None,
            tag::PRINTABLE_STRING
            | tag::IA5_STRING
            | tag::TELETEX_STRING
            | tag::NUMERIC_STRING
            | tag::VISIBLE_STRING => Some(Self::Latin1(value.contents)),
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

    /// Checks that the octets are characters, and that a name may have each of them.
    ///
    /// # Errors
    /// [`NameError::MalformedDer`] for octets that are no character, and those of
    /// [`prepare::check`].
    pub(super) fn check(self) -> Result<(), NameError> {
        let refused = match self {
            Self::Utf8(octets) | Self::Latin1(octets) if prepare::is_printable_ascii(octets) => {
                None
            }
            Self::Utf8(octets) => {
                let text = std::str::from_utf8(octets).map_err(|_| NameError::MalformedDer)?;
                text.chars().find(|&c| !prepare::is_allowed(c))
            }
            Self::Latin1(octets) => latin1(octets).find(|&c| !prepare::is_allowed(c)),
            Self::Utf16(units) => first_refused(utf16(units))?,
            Self::Utf32(units) => first_refused(utf32(units))?,
        };
        refused.map_or(Ok(()), prepare::check)
    }

    /// Whether this text, which was checked, matches the text `registered`, whose prepared form is
    /// `prepared`.
    pub(super) fn has_form(self, prepared: &str, registered: &str) -> bool {
        match self {
            // Octet for octet the registered text, whose prepared form is known.
            Self::Utf8(octets) if octets == registered.as_bytes() => true,
            Self::Utf8(octets) | Self::Latin1(octets) if prepare::is_printable_ascii(octets) => {
                prepare::is_form_of_ascii(prepared, octets)
            }
            Self::Utf8(octets) => prepare::is_form_of(prepared, Utf8::new(octets)),
            Self::Latin1(octets) => prepare::is_form_of(prepared, latin1(octets)),
            Self::Utf16(units) => prepare::is_form_of(prepared, utf16(units).map_while(|c| c)),
            Self::Utf32(units) => prepare::is_form_of(prepared, utf32(units).map_while(|c| c)),
        }
    }

    /// All of the text, which was checked.
    pub(super) fn to_text(self) -> String {
        self.to_string()
    }
}

/// The text, as far as it has characters.
impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut |c| f.write_char(c))
    }
}

impl Text<'_> {
    /// Passes each character to `write`, until that returns an error.
    ///
    /// # Errors
    /// That of `write`.
    pub(super) fn write(self, write: &mut dyn FnMut(char) -> fmt::Result) -> fmt::Result {
        match self {
            Self::Utf8(octets) => Utf8::new(octets).try_for_each(write),
            Self::Latin1(octets) => latin1(octets).try_for_each(write),
            Self::Utf16(units) => utf16(units).map_while(|c| c).try_for_each(write),
            Self::Utf32(units) => utf32(units).map_while(|c| c).try_for_each(write),
        }
    }
}

/// The first character that a name may not have.
fn first_refused(
    mut characters: impl Iterator<Item = Option<char>>,
) -> Result<Option<char>, NameError> {
    match characters.find(|c| !c.is_some_and(prepare::is_allowed)) {
        Some(None) => Err(NameError::MalformedDer),
        Some(refused) => Ok(refused),
        None => Ok(None),
    }
}

fn latin1(octets: &[u8]) -> impl Iterator<Item = char> {
    octets.iter().map(|&octet| char::from(octet))
}

fn utf16(units: &[[u8; 2]]) -> impl Iterator<Item = Option<char>> {
    char::decode_utf16(units.iter().map(|&unit| u16::from_be_bytes(unit))).map(Result::ok)
}

fn utf32(units: &[[u8; 4]]) -> impl Iterator<Item = Option<char>> {
    units.iter().map(|&unit| char::from_u32(u32::from_be_bytes(unit)))
}

/// The characters of UTF-8, decoded in pieces, so that a text that differs at its start is not read
/// to its end. It ends at the first octets that are no character.
struct Utf8<'a> {
    piece: std::str::Chars<'a>,
    rest: &'a [u8],
}

impl<'a> Utf8<'a> {
    fn new(octets: &'a [u8]) -> Self {
        Self { piece: "".chars(), rest: octets }
    }
}

impl Iterator for Utf8<'_> {
    type Item = char;

    fn next(&mut self) -> Option<Self::Item> {
        const OCTETS: usize = 256;
        if let Some(c) = self.piece.next() {
            return Some(c);
        }
        let piece = self.rest.get(..OCTETS).unwrap_or(self.rest);
        // A character that the end of the piece cuts belongs to the next piece.
        let length = std::str::from_utf8(piece).map_or_else(|error| error.valid_up_to(), str::len);
        let (piece, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.piece = std::str::from_utf8(piece).ok()?.chars();
        self.piece.next()
    }
}
