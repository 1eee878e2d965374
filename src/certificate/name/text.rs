//! The strings that caseIgnoreMatch covers, in every type of string that certificates have them in.

use super::{NameError, prepare};
use crate::certificate::der::{MalformedDer, Tlv, tag};

/// A DirectoryString, or another type of string that issuers use in its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    Utf8(&'a [u8]),
    Latin1(&'a [u8]),
    Utf16(&'a [[u8; 2]]),
    Utf32(&'a [[u8; 4]]),
}

impl<'a> Text<'a> {
    /// The text of `value`; `None` for a type that is compared byte for byte.
    ///
    /// A T61String (TeletexString) nearly always holds Latin-1, seldom the T.61 that it is named after, and issuers put Latin-1
    /// into a PrintableString too. A value with one of Latin-1's upper control characters is in another character set, which
    /// nobody knows: it is compared byte for byte, and so is what is not ASCII in a NumericString or VisibleString.
    pub(super) fn of(value: Tlv<'a>) -> Result<Option<Self>, MalformedDer> {
        let text = match value.tag {
            tag::UTF8_STRING => Some(Self::Utf8(value.contents)),
            tag::PRINTABLE_STRING | tag::TELETEX_STRING if value.contents.iter().any(|octet| matches!(octet, 0x80..=0x9f)) => {
                return Ok(None);
            }
            tag::NUMERIC_STRING | tag::VISIBLE_STRING if !value.contents.is_ascii() => return Ok(None),
            tag::IA5_STRING if !value.contents.is_ascii() => None,
            tag::PRINTABLE_STRING | tag::IA5_STRING | tag::TELETEX_STRING | tag::NUMERIC_STRING | tag::VISIBLE_STRING => {
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

    /// That there is a character for all of it, and none that a name may not have.
    ///
    /// # Errors
    /// [`NameError::MalformedDer`] for what is no character, and those of [`prepare::check`].
    pub(super) fn check(self) -> Result<(), NameError> {
        if self.printable_ascii().is_some() {
            return Ok(());
        }
        self.chars().try_for_each(|c| prepare::check(c.ok_or(NameError::MalformedDer)?))
    }

    /// Whether this text, which was checked, has the form in which a registered text is compared.
    pub(super) fn has_form(self, prepared: &str, registered: &str) -> bool {
        if let Self::Utf8(octets) = self
            && octets == registered.as_bytes()
        {
            // The text that was registered, to the letter: nobody needs to prepare it again.
            return true;
        }
        match self.printable_ascii() {
            Some(octets) => prepare::is_form_of_ascii(prepared, octets),
            None => prepare::is_form_of(prepared, self.chars().map_while(|c| c)),
        }
    }

    fn printable_ascii(self) -> Option<&'a [u8]> {
        match self {
            Self::Utf8(octets) | Self::Latin1(octets) if prepare::is_printable_ascii(octets) => Some(octets),
            _ => None,
        }
    }

    /// Each character, decoded only when it is asked for; the last item is `None` where something is no character.
    pub(super) fn chars(self) -> impl Iterator<Item = Option<char>> {
        let (utf8, latin1, utf16, utf32) = match self {
            Self::Utf8(octets) => (octets, &[][..], &[][..], &[][..]),
            Self::Latin1(octets) => (&[][..], octets, &[][..], &[][..]),
            Self::Utf16(units) => (&[][..], &[][..], units, &[][..]),
            Self::Utf32(units) => (&[][..], &[][..], &[][..], units),
        };
        let latin1 = latin1.iter().map(|&octet| Some(char::from(octet)));
        let utf16 = char::decode_utf16(utf16.iter().map(|&unit| u16::from_be_bytes(unit))).map(Result::ok);
        let utf32 = utf32.iter().map(|&unit| char::from_u32(u32::from_be_bytes(unit)));
        Utf8(utf8).flatten().chain(latin1).chain(utf16).chain(utf32)
    }

    /// All of the text.
    pub(super) fn to_text(self) -> Result<String, NameError> {
        self.chars().collect::<Option<_>>().ok_or(NameError::MalformedDer)
    }
}

/// UTF-8 in pieces, so that nobody reads to the end of what is refused at its beginning.
struct Utf8<'a>(&'a [u8]);

impl<'a> Iterator for Utf8<'a> {
    type Item = Utf8Piece<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        const OCTETS: usize = 256;
        if self.0.is_empty() {
            return None;
        }
        let piece = self.0.get(..OCTETS).unwrap_or(self.0);
        let length = match std::str::from_utf8(piece) {
            Ok(_) => piece.len(),
            // Cut within a character, or wrong.
            Err(error) => error.valid_up_to(),
        };
        let (piece, rest) = self.0.split_at_checked(length).filter(|_| length > 0).unwrap_or_default();
        self.0 = rest;
        let text = std::str::from_utf8(piece).unwrap_or_default();
        Some(Utf8Piece { chars: text.chars(), is_wrong: text.is_empty() })
    }
}

struct Utf8Piece<'a> {
    chars: std::str::Chars<'a>,
    is_wrong: bool,
}

impl Iterator for Utf8Piece<'_> {
    type Item = Option<char>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.is_wrong) { Some(None) } else { self.chars.next().map(Some) }
    }
}
