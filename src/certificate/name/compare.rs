//! A registered name compared with the DER of a certificate's name.
//!
//! The DER is read no further than the comparison needs, so that the work is bounded by the length
//! of the registered name, whatever a client sends.

use std::fmt::{self, Write as _};

use super::attribute::Oid;
use super::{
    AttributeType, AttributeValue, DistinguishedName, NameDifference, NameError,
    RelativeDistinguishedName, prepare, print, text,
};
use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};
use crate::limits;
use crate::octets::equal;

impl DistinguishedName {
    /// Checks that the DER of a `Name` (RFC 5280 §4.1.2.4) can be compared, to its last octet.
    ///
    /// # Errors
    /// Those of [`DistinguishedName::from_der`].
    pub(crate) fn check_der(name: &[u8]) -> Result<(), NameError> {
        for rdn in rdns(name)? {
            let rdn = rdn?;
            if rdn.is_empty() {
                return Err(NameError::MalformedDer);
            }
            for attribute in Elements(rdn) {
                let attribute = DerAttribute::read(attribute?)?;
                AttributeType::check_der_contents(attribute.oid)?;
                if let Some(text) = text::Text::of(attribute.value()?)? {
                    text.check()?;
                }
            }
        }
        Ok(())
    }

    /// The first difference between this registered name and that of a certificate; `None` = they
    /// match. `name` is DER that passed [`DistinguishedName::check_der`].
    ///
    /// # Errors
    /// [`NameError::MalformedDer`], where `name` did not pass.
    pub(in crate::certificate) fn difference(
        &self,
        name: &[u8],
    ) -> Result<Option<NameDifference>, NameError> {
        if self.matches(name)? {
            return Ok(None);
        }
        let mut found = rdns(name)?.collect::<Result<Vec<_>, _>>()?;
        if self.rdns.len() == found.len() && are_equal(&self.rdns, &found)? {
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
                (registered.map(ToString::to_string), found.map(|rdn| printed_start(rdn)));
            return Ok(Some(NameDifference::Rdn { position: index + 1, expected, found }));
        }
        // Not reached: names with the same RDNs in the same order are equal.
        Ok(Some(NameDifference::ReverseOrder))
    }

    /// Whether this name matches that of a certificate, read as far as the first difference. `name`
    /// is DER that passed [`DistinguishedName::check_der`].
    ///
    /// # Errors
    /// [`NameError::MalformedDer`], where `name` did not pass.
    pub(crate) fn matches(&self, name: &[u8]) -> Result<bool, NameError> {
        if equal(name, &self.usual_der) {
            return Ok(true);
        }
        // DER has the RDNs in the reverse order of the string.
        let mut registered = self.rdns.iter().rev();
        for rdn in rdns(name)? {
            match registered.next() {
                Some(registered) if registered.is(rdn?)? => {}
                _ => return Ok(false),
            }
        }
        Ok(registered.next().is_none())
    }
}

/// The contents octets of each RDN of a `Name`, in the order of the DER.
fn rdns(name: &[u8]) -> Result<impl Iterator<Item = Result<&[u8], MalformedDer>>, MalformedDer> {
    let contents = Tlv::only(name)?.contents_of(tag::SEQUENCE)?;
    Ok(Elements(contents).map(|rdn| rdn?.contents_of(tag::SET)))
}

/// Whether these are the same RDNs in the same order.
fn are_equal(
    registered: &[RelativeDistinguishedName],
    found: &[&[u8]],
) -> Result<bool, MalformedDer> {
    for (registered, found) in registered.iter().zip(found) {
        if !registered.is(found)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl RelativeDistinguishedName {
    /// Whether this RDN and the contents octets of a SET are one attribute each, with the same
    /// short value octet for octet. That is so for nearly every RDN of nearly every client, and
    /// needs no preparation of strings.
    pub(super) fn is_octet_for_octet(&self, set: &[u8]) -> bool {
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
        // Each length is one octet, and is that of the octets that are there.
        let is_whole = length < 0x80 && usize::from(length) == set.len() - 2;
        let is_whole =
            is_whole && of_oid < 0x80 && of_value < 0x80 && usize::from(of_value) == value.len();
        let is_utf8 =
            kind == tag::UTF8_STRING || (kind == tag::PRINTABLE_STRING && value.is_ascii());
        is_whole && is_utf8 && equal(oid, attribute_type.oid()) && equal(value, printed.as_bytes())
    }

    /// Whether the attributes in the contents octets of a SET are these, in any order.
    fn is(&self, set: &[u8]) -> Result<bool, MalformedDer> {
        if self.is_octet_for_octet(set) {
            return Ok(true);
        }
        let mut rest = Elements(set);
        if let [registered] = self.attributes.as_slice() {
            let attribute = DerAttribute::read(rest.required()?)?;
            return Ok(rest.0.is_empty() && registered.is(&attribute)?);
        }
        // One attribute too many is enough to see that the sets differ.
        let found =
            rest.take(self.attributes.len() + 1).map(|attribute| DerAttribute::read(attribute?));
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

/// The DER of an `AttributeTypeAndValue`.
struct DerAttribute<'a> {
    oid: &'a [u8],
    /// The value, outer tag included.
    der: &'a [u8],
}

impl<'a> DerAttribute<'a> {
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
    fn is(&self, attribute: &DerAttribute<'_>) -> Result<bool, MalformedDer> {
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

/// Whether the contents octets of a BIT STRING are `registered`: bits in the form of RFC 4517
/// §3.3.2, such as `'0101'B`, or else text with the same octets, which is what OpenSSL's one-line
/// form prints.
fn is_bit_string(contents: &[u8], registered: &str) -> bool {
    let Some((&unused, octets)) = contents.split_first() else { return false };
    let bits = registered.strip_prefix('\'').and_then(|rest| rest.strip_suffix("'B"));
    match bits.filter(|bits| bits.bytes().all(|bit| matches!(bit, b'0' | b'1'))) {
        Some(bits) => {
            // X.690 §11.2.1: unused bits are zero.
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

/// The start of an RDN in the form of RFC 4514, from the contents octets of its SET: about as much
/// of it as a detail in a log may have.
fn printed_start(set: &[u8]) -> String {
    struct Start(String);

    impl fmt::Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(text);
            if self.0.len() > limits::DETAIL_CHARACTERS { Err(fmt::Error) } else { Ok(()) }
        }
    }

    let mut start = Start(String::new());
    for (index, attribute) in Elements(set).enumerate() {
        let Ok(attribute) = attribute.and_then(DerAttribute::read) else { break };
        let separator = if index > 0 { "+" } else { "" };
        let (oid, value) = (Oid(attribute.oid), print::DerValue(attribute.der));
        if write!(start, "{separator}{oid}={value}").is_err() {
            start.0.push('…');
            break;
        }
    }
    start.0
}
