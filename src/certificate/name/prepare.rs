//! String preparation for caseIgnoreMatch (RFC 4518 §2): two strings match when their prepared
//! forms are equal.
//!
//! RFC 4518 is based on Unicode 3.2. A character that was added later matches only itself: it is
//! not folded, and the text on either side of it is normalized on its own, because in Unicode 3.2
//! it is no letter, mark or blank.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::NameError;
use super::unicode_3_2::{self, CharacterClass, class};
use crate::limits;

/// The prepared form of `text`: mapped, case-folded, in Unicode normalization form KC, with outer
/// blanks removed and inner runs of blanks as one.
///
/// RFC 4518 deletes control characters. Here they are an error, because a name with a hidden one is
/// an attack, and `a\0b` must never equal `ab`.
///
/// # Errors
/// [`NameError::ControlCharacter`] and [`NameError::ProhibitedCharacter`] (RFC 4518 §2.4: such a
/// string matches nothing).
pub(super) fn prepare(text: &str) -> Result<Box<str>, NameError> {
    if is_printable_ascii(text.as_bytes()) {
        return Ok(squeeze_ascii(text));
    }
    text.chars().find(|&c| !is_allowed(c)).map_or(Ok(()), check)?;
    Ok(squeeze(&folded(text)))
}

/// Whether `octets` are printable ASCII, which is prepared without tables.
pub(super) fn is_printable_ascii(octets: &[u8]) -> bool {
    octets.iter().all(|octet| matches!(octet, b' '..=b'~'))
}

/// Whether the prepared form of `text`, which is printable ASCII, is `prepared`. It stops at the
/// first difference.
pub(super) fn is_form_of_ascii(prepared: &str, text: &[u8]) -> bool {
    let mut expected = prepared.bytes();
    let (mut started, mut pending) = (false, false);
    for &octet in text {
        if octet == b' ' {
            pending = started;
            continue;
        }
        if std::mem::take(&mut pending) && expected.next() != Some(b' ') {
            return false;
        }
        if expected.next() != Some(octet.to_ascii_lowercase()) {
            return false;
        }
        started = true;
    }
    expected.next().is_none()
}

/// Whether the prepared form of `text`, in which every character passed [`check`], is `prepared`. A
/// text that is too long to be equal is not prepared, so that the cost is bounded by the length of
/// `prepared`, however costly `text` is to normalize.
pub(super) fn is_form_of(prepared: &str, text: impl Iterator<Item = char>) -> bool {
    // Case folding and decomposition lose no character, and composition makes one character of at
    // most MOST_CHARACTERS_OF_ONE. Blanks may be dropped. Of several, two are kept, because the
    // last may carry a mark.
    let most = prepared.len().saturating_mul(MOST_CHARACTERS_OF_ONE);
    let (mut significant, mut blanks) = (0, 0);
    let mut kept = String::new();
    for (index, c) in text.enumerate() {
        // No real name has so many characters that are dropped.
        if index > most.saturating_add(limits::MEANINGLESS_CHARACTERS) {
            return false;
        }
        let Some(c) = map(c) else { continue };
        if c == ' ' {
            blanks += 1;
            if blanks > 2 {
                continue;
            }
        } else {
            if significant == most {
                return false;
            }
            (significant, blanks) = (significant + 1, 0);
        }
        kept.push(c);
    }
    *squeeze(&folded(&kept)) == *prepared
}

/// The length of the longest canonical decomposition of a character; a test verifies it.
const MOST_CHARACTERS_OF_ONE: usize = 4;

/// Whether `c` may be in a name at all.
#[inline(always)]
pub(super) fn is_allowed(c: char) -> bool {
    // Ranges of assigned characters, none of private use, which need no table.
    let is_common = matches!(
        c,
        ' '..='~' | '\u{a0}'..='\u{377}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'
    );
    is_common || check(c).is_ok()
}

/// Checks that `c` may be in a name at all.
///
/// # Errors
/// [`NameError::ControlCharacter`] and [`NameError::ProhibitedCharacter`].
pub(super) fn check(c: char) -> Result<(), NameError> {
    match c {
        ' '..='~' | '\u{9}'..='\u{d}' | '\u{85}' => Ok(()),
        '\0'..='\u{9f}' => Err(NameError::ControlCharacter(c)),
        c if class(c) == CharacterClass::Prohibited => Err(NameError::ProhibitedCharacter(c)),
        _ => Ok(()),
    }
}

/// The mapping of RFC 4518 §2.2 without case folding; `None` = mapped to nothing.
fn map(c: char) -> Option<char> {
    match c {
        ' '..='~' | 'À'..='\u{34e}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => Some(c),
        '\u{9}'..='\u{d}' | '\u{85}' => Some(' '),
        '\u{a0}'
        | '\u{1680}'
        | '\u{2000}'..='\u{200a}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{202f}'
        | '\u{205f}'
        | '\u{3000}' => Some(' '),
        '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' => None,
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2063}'
        | '\u{206a}'..='\u{206f}' => None,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => None,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}' => None,
        other => Some(other),
    }
}

/// `text` mapped and folded, piece by piece between the characters that match only themselves.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut piece = String::new();
    for c in text.chars().filter_map(map) {
        if class(c) == CharacterClass::Later {
            out.push_str(&fold(std::mem::take(&mut piece)));
            out.push(c);
        } else {
            piece.push(c);
        }
    }
    out.push_str(&fold(piece));
    out
}

/// Case folding closed under normalization form KC, as in table B.2 of RFC 3454: `℡` equals `tel`.
fn fold(mut text: String) -> String {
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    // Folding may denormalize, and normalizing may yield capitals. Unicode needs two rounds; four
    // are a bound for safety.
    for _ in 0..4 {
        let next = normalizer.normalize(&unicode_3_2::fold(&text)).into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// RFC 4518 §2.6.1. A blank before a combining mark is no blank.
fn squeeze(text: &str) -> Box<str> {
    let mut out = String::with_capacity(text.len());
    let mut pending = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ' ' && !chars.peek().is_some_and(|&next| class(next) == CharacterClass::Mark) {
            pending = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut pending) {
            out.push(' ');
        }
        out.push(c);
    }
    out.into()
}

/// The same for printable ASCII, without tables.
fn squeeze_ascii(text: &str) -> Box<str> {
    let trimmed = text.trim_matches(' ');
    let single: Cow<'_, str> = if trimmed.contains("  ") {
        trimmed.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").into()
    } else {
        trimmed.into()
    };
    single.to_ascii_lowercase().into()
}

#[cfg(test)]
mod tests;
