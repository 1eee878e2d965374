//! A map of headers as the ABI passes it: the number of headers, the lengths of each name and
//! value, and then each name and value with a NUL behind it. Numbers have four octets, the least
//! significant one first. Nothing is copied: names and values are slices of what the host wrote.

/// Headers or trailers, as the host gave them.
pub(crate) struct HeaderMap(Vec<u8>);

impl HeaderMap {
    /// A map that the host wrote. No octets at all are a map without headers.
    pub(crate) fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Names and values, in the order of the host; `None` = the map is not as the ABI says.
    pub(crate) fn fields(&self) -> Option<Vec<(&[u8], &[u8])>> {
        decode(&self.0)
    }
}

fn decode(map: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if map.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = number(map)?;
    let (lengths, mut texts) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut is_whole = true;
    // Behind each text is an octet, a NUL, which is not read: lengths that are not those of the
    // texts do not add up to the map.
    let mut take =
        |length: &[u8; 4]| match texts.split_at_checked(u32::from_le_bytes(*length) as usize) {
            Some((text, [_, rest @ ..])) => {
                texts = rest;
                text
            }
            _ => {
                is_whole = false;
                Default::default()
            }
        };
    let lengths = lengths.as_chunks::<4>().0.as_chunks::<2>().0;
    // Not more than there are lengths for, whatever the count says.
    let mut fields = Vec::with_capacity(lengths.len());
    // The compiler knows how many there are, so that none of them needs a check of the capacity.
    fields.extend(lengths.iter().map(|[name, value]| (take(name), take(value))));
    (is_whole && texts.is_empty()).then_some(fields)
}

fn number(octets: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = octets.split_first_chunk()?;
    Some((u32::from_le_bytes(*number) as usize, rest))
}

/// A map with these headers, for the host.
pub(crate) fn encode(fields: &[(&str, &str)]) -> Vec<u8> {
    // The host could not read longer ones; they are those of an answer, which are short.
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let size = fields.iter().map(|(name, value)| name.len() + value.len() + 10).sum::<usize>();
    let mut map = Vec::with_capacity(4 + size);
    map.extend(number(fields.len()));
    for (name, value) in fields {
        map.extend(number(name.len()));
        map.extend(number(value.len()));
    }
    for text in fields.iter().flat_map(|(name, value)| [name, value]) {
        map.extend(text.as_bytes());
        map.push(0);
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [(&str, &str); 4] = [(":path", "/token"), ("a", ""), ("", "b"), ("a", "c\0d")];

    #[test]
    fn what_is_encoded_is_decoded() {
        for count in 0..=FIELDS.len() {
            let map = encode(&FIELDS[..count]);
            let expected: Vec<_> = FIELDS[..count]
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect();
            assert_eq!(decode(&map), Some(expected));
        }
        assert_eq!(decode(b""), Some(Vec::new()));
    }

    #[test]
    fn a_map_that_is_cut_or_too_long_is_none() {
        let map = encode(&FIELDS);
        for end in 1..map.len() {
            assert_eq!(decode(&map[..end]), None, "{end} octets");
        }
        assert_eq!(decode(&[map.as_slice(), b"\0"].concat()), None);
    }

    /// Every octet of every number, by values that point out of the map or into other texts.
    #[test]
    fn hostile_numbers_are_none_or_stay_within_the_map() {
        let map = encode(&FIELDS);
        for place in 0..4 + 8 * FIELDS.len() {
            for value in 0..=255 {
                let mut hostile = map.clone();
                hostile[place] = value;
                let is_as_before = value == map[place];
                assert_eq!(decode(&hostile).is_some(), is_as_before, "{place}: {value}");
            }
        }
        assert_eq!(decode(&[0xff; 4]), None);
        assert_eq!(decode(&[0xff; 400]), None);
    }

    /// Maps with some octets replaced, most of them by small numbers, and cut or extended.
    #[test]
    fn any_octets_get_an_answer_within_the_map() {
        let map = encode(&FIELDS);
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        let mut decoded = 0;
        for _ in 0..200_000 {
            let mut hostile = map.clone();
            for _ in 0..random(6) {
                let place = random(hostile.len());
                hostile[place] = if random(4) == 0 { random(256) } else { random(8) } as u8;
            }
            hostile.resize(random(map.len() + 20), 0);
            let Some(fields) = decode(&hostile) else { continue };
            decoded += 1;
            let whole = hostile.as_ptr_range();
            for text in fields.into_iter().flat_map(|(name, value)| [name, value]) {
                let text = text.as_ptr_range();
                assert!(whole.start <= text.start && text.end <= whole.end);
            }
        }
        assert!(decoded > 100, "{decoded} maps were as the ABI says");
    }
}
