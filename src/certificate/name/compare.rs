//! A registered name against the DER of a certificate's, which is read as far as the registered
//! name goes and no further: what a stranger's name is compared with is short, and so is the work,
//! whatever it holds.

use crate::limits;
use std::fmt::{self, Write as _};

use super::attribute::Oid;
use super::{
    AttributeType, AttributeValue, DistinguishedName, NameDifference, NameError,
    RelativeDistinguishedName, prepare, print, text,
};
use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};

impl DistinguishedName {
    /// That the DER of a `Name` (RFC 5280 §4.1.2.4) is one that can be compared, from its first
    /// octet to its last.
    ///
    /// # Errors
    /// Those of [`DistinguishedName::from_der`].
    pub(in crate::certificate) fn check_der(name: &[u8]) -> Result<(), NameError> {
        for rdn in rdns(name)? {
            let rdn = rdn?;
            if rdn.is_empty() {
                return Err(NameError::MalformedDer);
            }
            for attribute in Elements(rdn) {
                let attribute = Attribute::read(attribute?)?;
                AttributeType::check_der_contents(attribute.oid)?;
                if let Some(text) = text::Text::of(attribute.value()?)? {
                    text.check()?;
                }
            }
        }
        Ok(())
    }

    /// Where the name in a certificate first differs from this registered name; `None` = the names
    /// match. `name` is DER that passed [`DistinguishedName::check_der`].
    ///
    /// # Errors
    /// [`NameError::MalformedDer`] where it did not.
    pub(in crate::certificate) fn difference(
        &self,
        name: &[u8],
    ) -> Result<Option<NameDifference>, NameError> {
        // The RDNs of DER are the other way round than those of the string.
        let mut registered = self.rdns.iter().rev();
        let mut is_equal = true;
        for rdn in rdns(name)? {
            is_equal = match registered.next() {
                Some(registered) => registered.is(rdn?)?,
                None => false,
            };
            if !is_equal {
                break;
            }
        }
        if is_equal && registered.next().is_none() {
            return Ok(None);
        }
        let mut found = rdns(name)?.collect::<Result<Vec<_>, _>>()?;
        if self.rdns.len() == found.len() && are(&self.rdns, &found)? {
            return Ok(Some(NameDifference::ReverseOrder));
        }
        found.reverse();
        for index in 0..self.rdns.len().max(found.len()) {
            let (registered, found) = (self.rdns.get(index), found.get(index));
            if let (Some(registered), Some(found)) = (registered, found)
                && registered.is(found)?
            {
                continue;
            }
            let (expected, found) =
                (registered.map(ToString::to_string), found.map(|rdn| beginning_of(rdn)));
            return Ok(Some(NameDifference::Rdn { position: index + 1, expected, found }));
        }
        // Not reached: names with the same RDNs in the same order are equal.
        Ok(Some(NameDifference::ReverseOrder))
    }
}

/// The contents octets of each RDN of a `Name`, in the order of the DER.
fn rdns(name: &[u8]) -> Result<impl Iterator<Item = Result<&[u8], MalformedDer>>, MalformedDer> {
    let contents = Tlv::only(name)?.contents_of(tag::SEQUENCE)?;
    Ok(Elements(contents).map(|rdn| rdn?.contents_of(tag::SET)))
}

/// Whether these are the same RDNs in the same order.
fn are(registered: &[RelativeDistinguishedName], found: &[&[u8]]) -> Result<bool, MalformedDer> {
    for (registered, found) in registered.iter().zip(found) {
        if !registered.is(found)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl RelativeDistinguishedName {
    /// Whether the contents octets of a SET are a single attribute with a short value that is the
    /// registered one to the letter: what nearly every RDN of nearly every client is, at every
    /// request.
    pub(super) fn is_to_the_letter(&self, set: &[u8]) -> bool {
        let [
            super::AttributeTypeAndValue {
                attribute_type,
                value: AttributeValue::Text { printed, .. },
            },
        ] = &*self.attributes
        else {
            return false;
        };
        let &[tag::SEQUENCE, length, tag::OBJECT_IDENTIFIER, of_oid, ref rest @ ..] = set else {
            return false;
        };
        let Some((oid, &[kind, of_value, ref value @ ..])) = rest.split_at_checked(of_oid.into())
        else {
            return false;
        };
        // The lengths are in one octet each, and say what there is.
        let is_whole = length < 0x80 && usize::from(length) == set.len() - 2;
        let is_whole =
            is_whole && of_oid < 0x80 && of_value < 0x80 && usize::from(of_value) == value.len();
        let is_utf8 =
            kind == tag::UTF8_STRING || (kind == tag::PRINTABLE_STRING && value.is_ascii());
        is_whole && is_utf8 && *oid == *attribute_type.oid() && *value == *printed.as_bytes()
    }

    /// Whether the attributes in the contents octets of a SET are these, in any order.
    fn is(&self, set: &[u8]) -> Result<bool, MalformedDer> {
        if self.is_to_the_letter(set) {
            return Ok(true);
        }
        let mut rest = Elements(set);
        if let [registered] = self.attributes.as_slice() {
            let attribute = Attribute::read(rest.required()?)?;
            return Ok(rest.0.is_empty() && registered.is(&attribute)?);
        }
        // One more than there may be is enough to see that there are too many.
        let found =
            rest.take(self.attributes.len() + 1).map(|attribute| Attribute::read(attribute?));
        let mut found = found.collect::<Result<Vec<_>, _>>()?;
        if found.len() != self.attributes.len() {
            return Ok(false);
        }
        for registered in &self.attributes {
            let mut matching = None;
            for (index, attribute) in found.iter().enumerate() {
                if registered.is(attribute)? {
                    matching = Some(index);
                    break;
                }
            }
            let Some(index) = matching else { return Ok(false) };
            found.swap_remove(index);
        }
        Ok(true)
    }
}

/// An `AttributeTypeAndValue` as it is in the DER.
struct Attribute<'a> {
    oid: &'a [u8],
    /// The value, outer tag included.
    der: &'a [u8],
}

impl<'a> Attribute<'a> {
    fn read(attribute: Tlv<'a>) -> Result<Self, MalformedDer> {
        let mut parts = Elements(attribute.contents_of(tag::SEQUENCE)?);
        let oid = parts.required()?.contents_of(tag::OBJECT_IDENTIFIER)?;
        Ok(Self { oid, der: parts.0 })
    }

    fn value(&self) -> Result<Tlv<'a>, MalformedDer> {
        Tlv::only(self.der)
    }
}

impl super::AttributeTypeAndValue {
    fn is(&self, attribute: &Attribute<'_>) -> Result<bool, MalformedDer> {
        if *self.attribute_type.oid() != *attribute.oid {
            return Ok(false);
        }
        let value = attribute.value()?;
        match &self.value {
            AttributeValue::Der(der) => Ok(**der == *attribute.der),
            AttributeValue::Text { prepared, printed } => match text::Text::of(value)? {
                Some(text) => Ok(text.has_form(prepared, printed)),
                None => Ok(value.tag == tag::BIT_STRING && is_bit_string(value.contents, printed)),
            },
        }
    }
}

/// Whether the contents octets of a BIT STRING are what `registered` says: the bits themselves in
/// the form of RFC 4517 §3.3.2, `'0101'B`, or else text whose octets they are, which is what
/// OpenSSL's one-line form prints of them.
fn is_bit_string(contents: &[u8], registered: &str) -> bool {
    let Some((&unused, octets)) = contents.split_first() else { return false };
    let bits = registered.strip_prefix('\'').and_then(|rest| rest.strip_suffix("'B"));
    match bits.filter(|bits| bits.bytes().all(|bit| matches!(bit, b'0' | b'1'))) {
        Some(bits) => {
            // X.690 §11.2.1: the bits that are not used are zero.
            let padded = bits.bytes().chain(std::iter::repeat_n(b'0', usize::from(unused)));
            let expected = octets
                .iter()
                .flat_map(|octet| (0..8).rev().map(move |bit| b'0' + (octet >> bit & 1)));
            unused < 8 && padded.eq(expected)
        }
        None => {
            unused == 0 && prepare::is_printable_ascii(octets) && octets == registered.as_bytes()
        }
    }
}

/// An RDN as RFC 4514 writes it, from the contents octets of its SET; no more of it than a line of
/// a log has room for.
fn beginning_of(set: &[u8]) -> String {
    struct Beginning(String);

    impl fmt::Write for Beginning {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(text);
            if self.0.len() > limits::DETAIL_CHARACTERS { Err(fmt::Error) } else { Ok(()) }
        }
    }

    let mut beginning = Beginning(String::new());
    for (index, attribute) in Elements(set).enumerate() {
        let Ok(attribute) = attribute.and_then(Attribute::read) else { break };
        let separator = if index > 0 { "+" } else { "" };
        let written =
            write!(beginning, "{separator}{}={}", Oid(attribute.oid), print::Value(attribute.der));
        if written.is_err() {
            beginning.0.push('…');
            break;
        }
    }
    beginning.0
}
