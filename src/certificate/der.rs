//! As much of DER (X.690) as certificates need, read strictly: definite lengths in the fewest
//! octets, and no octets left over.

/// Identifier octets of the types that are read.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const VISIBLE_STRING: u8 = 0x1a;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[n]`, primitive.
    pub(crate) const fn context(n: u8) -> u8 {
        0x80 | n
    }

    /// `[n]`, constructed.
    pub(crate) const fn context_constructed(n: u8) -> u8 {
        0xa0 | n
    }
}

/// The octets are not the DER that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedDer;

/// One DER element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'a> {
    /// The identifier octet: class, form, and the tag number up to 30. Of a higher number it is the
    /// first identifier octet.
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The element at the start of `input`, and what follows it.
    pub(crate) fn next(input: &'a [u8]) -> Result<(Self, &'a [u8]), MalformedDer> {
        Self::read(input).ok_or(MalformedDer)
    }

    // A client may send a certificate with thousands of short elements.
    #[inline(always)]
    fn read(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[tag, length], rest) = input.split_first_chunk()?;
        if length >= 0x80 || tag & 0x1f == 0x1f {
            return Self::read_long(input);
        }
        let (contents, rest) = rest.split_at_checked(length.into())?;
        Some((Self { tag, contents }, rest))
    }

    #[cold]
    fn read_long(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = input.split_first()?;
        let rest = if tag & 0x1f == 0x1f { after_high_number(rest)? } else { rest };
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            // X.690 §10.1: the definite form, in the fewest octets. No certificate is so long that
            // it needs more than four.
            let (octets, rest) = rest
                .split_at_checked(usize::from(first & 0x7f))
                .filter(|(octets, _)| octets.len() <= 4)?;
            let length = octets.iter().try_fold(0usize, |length, &octet| {
                length.checked_mul(256)?.checked_add(octet.into())
            })?;
            if octets.first().is_none_or(|&octet| octet == 0) || length < 0x80 {
                return None;
            }
            (length, rest)
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        Some((Self { tag, contents }, rest))
    }

    /// The element that is all of `input`.
    pub(crate) fn only(input: &'a [u8]) -> Result<Self, MalformedDer> {
        match Self::next(input)? {
            (tlv, []) => Ok(tlv),
            _ => Err(MalformedDer),
        }
    }

    /// The contents octets, if this element has this identifier octet.
    pub(crate) fn contents_of(self, tag: u8) -> Result<&'a [u8], MalformedDer> {
        if self.tag == tag { Ok(self.contents) } else { Err(MalformedDer) }
    }
}

/// Adds an element with this identifier octet, whose contents octets are `parts`, one behind the
/// other.
pub(crate) fn write_element(out: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    write_header(out, tag, parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Adds the identifier octet and the length octets of an element with so many contents octets.
pub(crate) fn write_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    match without_zeros(&length.to_be_bytes()) {
        [] => out.push(0),
        [short @ 0..0x80] => out.push(*short),
        long => {
            out.push(0x80 | long.len() as u8);
            out.extend_from_slice(long);
        }
    }
}

/// The octets of a number, big-endian, without the zeros in front.
pub(crate) fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The octets behind a tag number above 30, in the form of X.690 §8.1.2.4.
fn after_high_number(input: &[u8]) -> Option<&[u8]> {
    let mut number = 0u32;
    for (index, &octet) in input.iter().take(4).enumerate() {
        number = number << 7 | u32::from(octet & 0x7f);
        if number == 0 {
            return None;
        }
        if octet & 0x80 == 0 {
            return input.get(index + 1..).filter(|_| number > 30);
        }
    }
    None
}

/// The elements of a SEQUENCE or SET, from its contents octets. After an error there are no more.
#[derive(Clone, Debug)]
pub(crate) struct Elements<'a>(pub(crate) &'a [u8]);

impl<'a> Elements<'a> {
    /// The next element, which is not optional.
    pub(crate) fn required(&mut self) -> Result<Tlv<'a>, MalformedDer> {
        let (tlv, rest) = Tlv::next(self.0)?;
        self.0 = rest;
        Ok(tlv)
    }

    /// The contents octets of the next element, if it has this identifier octet.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, MalformedDer> {
        if self.0.first() == Some(&tag) {
            self.required().map(|tlv| Some(tlv.contents))
        } else {
            Ok(None)
        }
    }

    /// The next element, which has this identifier octet: all its octets.
    pub(crate) fn whole(&mut self, tag: u8) -> Result<&'a [u8], MalformedDer> {
        let before = self.0;
        self.required()?.contents_of(tag)?;
        before.get(..before.len() - self.0.len()).ok_or(MalformedDer)
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Result<(), MalformedDer> {
        if self.0.is_empty() { Ok(()) } else { Err(MalformedDer) }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Tlv<'a>, MalformedDer>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let element = self.required();
        if element.is_err() {
            self.0 = &[];
        }
        Some(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_tag_numbers_are_in_their_shortest_form() {
        let long = [&[0x04, 0x81, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(Tlv::only(&long).map(|tlv| tlv.contents.len()), Ok(0x80));
        for number in [&[0x1f][..], &[0x81, 0x00], &[0x81, 0x01], &[0x81, 0x80, 0x00]] {
            let der = [&[0x5f][..], number, &[1, 7]].concat();
            assert_eq!(Tlv::only(&der).map(|tlv| tlv.contents), Ok(&[7][..]), "{number:02x?}");
        }
        for der in [
            &[][..],
            &[0x04],
            &[0x04, 1],
            &[0x04, 0x80, 0, 0],
            // An indefinite length is no 128 octets.
            &[&[0x04, 0x80][..], &[7; 0x80]].concat(),
            &[0x04, 0x81, 1, 7],
            &[0x04, 0x82, 0, 1, 7],
            &[0x04, 0x85, 0, 0, 0, 0, 1, 7],
            &[0x04, 0xff],
            &[0x9f, 0x02, 1, 7],
            &[0x9f, 0x1e, 1, 7],
            &[0x9f, 0x80, 0x1f, 1, 7],
            &[0x9f, 0xff, 0xff, 0xff, 0xff, 1, 1, 7],
            &[0x9f],
            &[0x04, 1, 7, 0],
        ] {
            assert_eq!(Tlv::only(der).map(|tlv| tlv.tag), Err(MalformedDer), "{der:02x?}");
        }
        let doubled = [&[0x04, 0x82, 0, 0x80][..], &[7; 0x80]].concat();
        assert_eq!(Tlv::only(&doubled).map(|tlv| tlv.tag), Err(MalformedDer), "a leading zero");
    }

    #[test]
    fn a_written_element_is_read_back() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x1_0000] {
            let contents = vec![7; length];
            let mut der = Vec::new();
            write_element(&mut der, tag::OCTET_STRING, &[&contents]);
            let read = Tlv::only(&der).map(|tlv| (tlv.tag, tlv.contents));
            assert_eq!(read, Ok((tag::OCTET_STRING, &*contents)), "{length}");
        }
    }

    #[test]
    fn elements_end_at_the_first_that_is_malformed() {
        let read = Elements(&[2, 1, 5, 4, 9])
            .map(|element| element.map(|tlv| tlv.tag))
            .collect::<Vec<_>>();
        assert_eq!(read, [Ok(2), Err(MalformedDer)]);
    }
}
