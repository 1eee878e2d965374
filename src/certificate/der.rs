//! The little DER that names and extensions need, strict: definite lengths, nothing left over.

use x509_parser::asn1_rs::{Class, FromDer, Header, Tag};

/// Octets that are not the DER that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MalformedDer;

/// One DER element.
pub(super) struct Tlv<'a> {
    header: Header<'a>,
    contents: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The element at the start of `input`, and what follows it.
    pub(super) fn next(input: &'a [u8]) -> Result<(Self, &'a [u8]), MalformedDer> {
        let (rest, header) = Header::from_der(input).map_err(|_| MalformedDer)?;
        let length = header.length().definite().map_err(|_| MalformedDer)?;
        let (contents, rest) = rest.split_at_checked(length).ok_or(MalformedDer)?;
        Ok((Self { header, contents }, rest))
    }

    /// The element that is all of `input`.
    pub(super) fn only(input: &'a [u8]) -> Result<Self, MalformedDer> {
        match Self::next(input)? {
            (tlv, []) => Ok(tlv),
            _ => Err(MalformedDer),
        }
    }

    /// The contents octets, if this element has the universal `tag`.
    pub(super) fn contents(&self, tag: Tag) -> Result<&'a [u8], MalformedDer> {
        let constructed = matches!(tag, Tag::Sequence | Tag::Set);
        let fits = self.header.is_universal() && self.header.is_constructed() == constructed && self.header.tag() == tag;
        if fits { Ok(self.contents) } else { Err(MalformedDer) }
    }

    /// Number and contents octets of an element with a context-specific tag.
    pub(super) fn context_specific(&self) -> Option<(u32, &'a [u8])> {
        (self.header.class() == Class::ContextSpecific).then_some((self.header.tag().0, self.contents))
    }

    /// The text of a DirectoryString, IA5String or PrintableString, which caseIgnoreMatch covers, `None` for every other type.
    pub(super) fn case_ignore_text(&self) -> Result<Option<String>, MalformedDer> {
        if !self.header.is_universal() || self.header.is_constructed() {
            return Ok(None);
        }
        let ascii = |octets: &[u8]| octets.is_ascii().then(|| octets.iter().map(|&b| char::from(b)).collect());
        let text: Option<String> = match self.header.tag() {
            Tag::Utf8String => std::str::from_utf8(self.contents).ok().map(str::to_owned),
            Tag::PrintableString | Tag::Ia5String => ascii(self.contents),
            // T.61 above ASCII has no one meaning (Latin-1 to some, T.61 to others), so it is compared as it stands.
            Tag::TeletexString => match ascii(self.contents) {
                Some(text) => Some(text),
                None => return Ok(None),
            },
            Tag::BmpString => match self.contents.as_chunks::<2>() {
                (units, []) => char::decode_utf16(units.iter().map(|&u| u16::from_be_bytes(u))).collect::<Result<_, _>>().ok(),
                _ => None,
            },
            Tag::UniversalString => match self.contents.as_chunks::<4>() {
                (units, []) => units.iter().map(|&u| char::from_u32(u32::from_be_bytes(u))).collect(),
                _ => None,
            },
            _ => return Ok(None),
        };
        text.map(Some).ok_or(MalformedDer)
    }
}
