//! Comparisons of octets on the way of every request.

/// Whether both are the same octets. The comparison of slices compares single octets on wasm32;
/// this one compares sixteen at a time.
#[inline]
pub(crate) fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && equal_of_one_length(one, other)
}

fn equal_of_one_length(one: &[u8], other: &[u8]) -> bool {
    if let (Some((start, rest)), Some((other_start, other_rest))) =
        (one.split_first_chunk(), other.split_first_chunk())
        && let (Some(end), Some(other_end)) = (one.last_chunk(), other.last_chunk())
    {
        let number = |octets: &[u8; 16]| u128::from_le_bytes(*octets);
        // Start and end overlap where there are fewer than 32 octets. Hardly any has more.
        return number(start) == number(other_start)
            && number(end) == number(other_end)
            && (rest.len() <= 16 || equal_blocks(rest, other_rest));
    }
    if let (Some(start), Some(other_start)) = (one.first_chunk(), other.first_chunk())
        && let (Some(end), Some(other_end)) = (one.last_chunk(), other.last_chunk())
    {
        return word(start) == word(other_start) && word(end) == word(other_end);
    }
    if let (Some(start), Some(other_start)) = (one.first_chunk::<4>(), other.first_chunk()) {
        return start == other_start && one.last_chunk::<4>() == other.last_chunk();
    }
    one.iter().zip(other).all(|(one, other)| one == other)
}

/// Whether both are the same octets, but for their last sixteen.
#[inline(never)]
fn equal_blocks(one: &[u8], other: &[u8]) -> bool {
    let (blocks, rest) = one.as_chunks::<32>();
    let (other_blocks, other_rest) = other.as_chunks::<32>();
    for (block, other) in blocks.iter().zip(other_blocks) {
        let halves = (block.as_chunks().0, other.as_chunks().0);
        let ([first, second], [other_first, other_second]) = halves else { return false };
        if difference(first, other_first) | difference(second, other_second) != 0 {
            return false;
        }
    }
    match (rest.first_chunk(), other_rest.first_chunk()) {
        (Some(half), Some(other)) => difference(half, other) == 0,
        _ => true,
    }
}

/// 0 if both are the same octets.
fn difference(one: &[u8; 16], other: &[u8; 16]) -> u64 {
    let difference = u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other);
    difference as u64 | (difference >> 64) as u64
}

fn word(octets: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*octets)
}

/// The number of octets in front of the first that is not one of `_` to `z`: small letters, `_`,
/// and the octet between them.
pub(crate) fn count_of_usual(text: &[u8]) -> usize {
    const BELOW: u64 = ONES * (0x80 - b'_' as u64);
    const ABOVE: u64 = ONES * (0x7f - b'z' as u64);
    position(text, |word| {
        let low = word & !HIGHEST;
        // The highest bit of an octet says that it is at least `_`, or more than `z`.
        !(low + BELOW) | (low + ABOVE) | word
    })
}

/// The number of octets in front of the first that means something in the value of a form, `%`,
/// `&`, `+` or `;`, or that differs from one of them by one bit: `$`, `'`.
pub(crate) fn count_of_plain(text: &[u8]) -> usize {
    position(text, |word| {
        let of_25_26 = (word & !(ONES * 3)) ^ (ONES * 0x24);
        let of_2b_3b = (word | (ONES * 0x10)) ^ (ONES * 0x3b);
        // An octet is 0 where the word has a wanted one. Less 1, its highest bit becomes 1; and so
        // may that of an octet behind it, but of none in front.
        (of_25_26.wrapping_sub(ONES) & !of_25_26) | (of_2b_3b.wrapping_sub(ONES) & !of_2b_3b)
    })
}

/// The place of the first octet that is `wanted`; `None` = there is none.
pub(crate) fn first(text: &[u8], wanted: u8) -> Option<usize> {
    let wanted = ONES * u64::from(wanted);
    let place = position(text, |word| {
        let difference = word ^ wanted;
        difference.wrapping_sub(ONES) & !difference
    });
    (place < text.len()).then_some(place)
}

/// Whether all octets are visible ASCII characters.
pub(crate) fn are_visible(text: &[u8]) -> bool {
    are_from::<b'!'>(text)
}

/// Whether all octets are visible ASCII characters or blanks.
pub(crate) fn are_printable(text: &[u8]) -> bool {
    are_from::<b' '>(text)
}

/// Whether all octets are from `FIRST` to `~`.
#[inline]
fn are_from<const FIRST: u8>(text: &[u8]) -> bool {
    const ABOVE: u64 = ONES * (0x7f - b'~' as u64);
    let below = ONES * (0x80 - u64::from(FIRST));
    position(text, |word| {
        let low = word & !HIGHEST;
        !(low + below) | (low + ABOVE) | word
    }) == text.len()
}

/// Whether all octets are of the alphabet of base64url (RFC 4648 §5): letters, digits, `-` and `_`.
pub(crate) fn are_base64url(text: &[u8]) -> bool {
    // The highest bit of an octet says that it is of the alphabet. No octet is of two of the four
    // parts, and each of the two differences is 0 for one octet alone.
    let members = |word: u64| {
        let folded = word | (ONES * 0x20);
        let letters = (folded + ONES * (0x80 - 0x61)) ^ (folded + ONES * (0x7f - 0x7a));
        let digits = (word + ONES * (0x80 - 0x30)) ^ (word + ONES * (0x7f - 0x39));
        let no_hyphen = (word ^ (ONES * 0x2d)) + ONES * 0x7f;
        let no_underscore = (word ^ (ONES * 0x5f)) + ONES * 0x7f;
        letters ^ digits ^ no_hyphen ^ no_underscore
    };
    let (mut all, mut others) = (HIGHEST, 0);
    let mut add = |octets: &[u8; 8]| {
        let low = word(octets) & !HIGHEST;
        others |= word(octets);
        all &= members(low);
    };
    let (pairs, rest) = text.as_chunks::<16>();
    for pair in pairs {
        pair.as_chunks().0.iter().for_each(&mut add);
    }
    match (rest.first_chunk(), text.last_chunk()) {
        // The second of them has octets that were looked at before.
        (Some(first), Some(last)) => {
            add(first);
            add(last);
        }
        (None, Some(last)) => add(last),
        (_, None) => {
            let mut padded = [b'-'; 8];
            padded.iter_mut().zip(text).for_each(|(padded, octet)| *padded = *octet);
            add(&padded);
        }
    }
    others & HIGHEST == 0 && all & HIGHEST == HIGHEST
}

/// In every octet a 1.
const ONES: u64 = 0x0101_0101_0101_0101;
/// In every octet the highest bit.
const HIGHEST: u64 = ONES << 7;

/// The first place of which `marks` sets the highest bit; the length where it sets none. What it
/// sets behind the first does not matter.
#[inline]
fn position(text: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    let place_in = |octets: &[u8; 8]| {
        let marks = marks(word(octets)) & HIGHEST;
        (marks != 0).then_some(marks.trailing_zeros() as usize / 8)
    };
    let mut place = 0;
    for octets in text.as_chunks().0 {
        if let Some(found) = place_in(octets) {
            return place + found;
        }
        place += 8;
    }
    if let Some(end) = text.last_chunk() {
        // Of these eight octets the loop has seen some, and found none of them.
        return place_in(end).map_or(text.len(), |found| text.len() - 8 + found);
    }
    let mut padded = [0; 8];
    padded.iter_mut().zip(text).for_each(|(padded, octet)| *padded = *octet);
    place_in(&padded).map_or(text.len(), |found| found.min(text.len()))
}

/// Whether both are the same octets, ASCII letters without regard to their case.
#[inline]
pub(crate) fn equal_ignoring_case(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_marked_octet_is_found() {
        let is_usual = |octet: u8| matches!(octet, b'_'..=b'z');
        let is_plain = |octet: u8| !b"$%&'+;".contains(&octet);
        // 0x24 to 0x27 differ in the bits that are not compared.
        for octet in 0..=255 {
            for length in 0..20 {
                for place in 0..length {
                    for behind in [0, b'&', 0x80, 0xff, b'`'] {
                        let mut text = vec![b'a'; length];
                        text[place] = octet;
                        text[place + 1..].fill(behind);
                        let usual = text.iter().take_while(|octet| is_usual(**octet)).count();
                        assert_eq!(count_of_usual(&text), usual, "{text:?}");
                        let plain = text.iter().take_while(|octet| is_plain(**octet)).count();
                        assert_eq!(count_of_plain(&text), plain, "{text:?}");
                        let are_all_visible = text.iter().all(u8::is_ascii_graphic);
                        assert_eq!(are_visible(&text), are_all_visible, "{text:?}");
                    }
                }
            }
        }
        assert_eq!((count_of_usual(b""), count_of_plain(b"")), (0, 0));
    }

    #[test]
    fn the_alphabet_of_base64url() {
        for octet in 0..=255 {
            let is_of_it = u8::is_ascii_alphanumeric(&octet) || b"-_".contains(&octet);
            for length in 0..40 {
                assert!(are_base64url(&vec![b'Z'; length]));
                for place in 0..length {
                    for others in [b'a', b'Z', b'0', b'-', b'_'] {
                        let mut text = vec![others; length];
                        text[place] = octet;
                        assert_eq!(
                            are_base64url(&text),
                            is_of_it,
                            "{octet} at {place} of {length}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_dot_is_found() {
        for length in 0..20 {
            assert_eq!(first(&vec![b'-'; length], b'.'), None);
            for place in 0..length {
                for behind in [b'.', b'/', 0xae] {
                    let mut text = vec![b'/'; length];
                    text[place] = b'.';
                    text[place + 1..].fill(behind);
                    assert_eq!(first(&text, b'.'), Some(place), "{text:?}");
                }
            }
        }
        assert_eq!(first(b"a\0", 0), Some(1));
    }

    #[test]
    fn printable_octets() {
        for octet in 0..=u8::MAX {
            for place in 0..20 {
                let mut text = [b'a'; 20];
                text[place] = octet;
                let is_printable = (b' '..=b'~').contains(&octet);
                assert_eq!(are_printable(&text), is_printable, "{octet} at {place}");
                assert_eq!(are_visible(&text), is_printable && octet != b' ', "{octet} at {place}");
            }
        }
    }

    #[test]
    fn every_octet_counts() {
        for length in 0..80 {
            let one: Vec<u8> = (0..length).collect();
            assert!(equal(&one, &one.clone()));
            assert!(!equal(&one, &[one.as_slice(), b"x"].concat()));
            for place in 0..one.len() {
                let mut other = one.clone();
                other[place] ^= 0x80;
                assert!(!equal(&one, &other), "octet {place} of {length}");
            }
        }
    }
}
