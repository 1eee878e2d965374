//! String preparation for caseIgnoreMatch (RFC 4518 §2): two strings match when their prepared forms are equal.

use std::borrow::Cow;

use icu_casemap::CaseMapperBorrowed;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointMapDataBorrowed};

use super::NameError;

const CATEGORIES: CodePointMapDataBorrowed<'static, GeneralCategory> = CodePointMapData::<GeneralCategory>::new();

/// The prepared form of `text`: mapped, case-folded, in Unicode normalization form KC, with outer blanks removed and
/// inner runs of blanks as one.
///
/// RFC 4518 deletes control characters; here they are an error, because a name that hides one is an attack and
/// `a\0b` must never equal `ab`.
///
/// # Errors
/// [`NameError::ControlCharacter`] and [`NameError::ProhibitedCharacter`] (RFC 4518 §2.4: such a string matches nothing).
pub(super) fn prepare(text: &str) -> Result<Box<str>, NameError> {
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return Ok(squeeze_ascii(text));
    }
    let mapped = text.chars().filter_map(map).collect::<Result<String, _>>()?;
    let folded = fold(mapped);
    if let Some(prohibited) = folded.chars().find(|&c| is_prohibited(c)) {
        return Err(NameError::ProhibitedCharacter(prohibited));
    }
    Ok(squeeze(&folded))
}

/// RFC 4518 §2.2, except for the controls that it deletes: `None` = mapped to nothing.
fn map(c: char) -> Option<Result<char, NameError>> {
    match c {
        '\u{9}'..='\u{d}' | '\u{85}' => Some(Ok(' ')),
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => Some(Err(NameError::ControlCharacter(c))),
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Some(Ok(' '))
        }
        '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' => None,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => None,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}' => None,
        other => Some(Ok(other)),
    }
}

/// Case folding closed under normalization form KC, as table B.2 of RFC 3454 is: `℡` equals `tel`.
fn fold(mut text: String) -> String {
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let case = CaseMapperBorrowed::new();
    // Folding may denormalize and normalizing may yield capitals. Unicode needs two rounds; the bound is for safety.
    for _ in 0..4 {
        let next = normalizer.normalize(&case.fold_string(&text)).into_owned();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// RFC 4518 §2.4: unassigned, private-use and replacement characters. (Non-characters are unassigned; the characters of
/// table C.8 are gone after mapping and normalization.)
fn is_prohibited(c: char) -> bool {
    c == char::REPLACEMENT_CHARACTER
        || matches!(CATEGORIES.get(c), GeneralCategory::Unassigned | GeneralCategory::PrivateUse | GeneralCategory::Surrogate)
}

/// RFC 4518 §2.6.1 for text that is not ASCII: a blank that carries a combining mark is no blank.
fn squeeze(text: &str) -> Box<str> {
    let mut out = String::with_capacity(text.len());
    let mut pending = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let marked = chars.peek().is_some_and(|&next| GeneralCategoryGroup::Mark.contains(CATEGORIES.get(next)));
        if c == ' ' && !marked {
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

/// The same for printable ASCII, where nothing needs a table.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) -> bool {
        prepare(a).unwrap() == prepare(b).unwrap()
    }

    #[test]
    fn equal_by_case_ignore_match() {
        for (a, b) in [
            ("Good  CA ", "GOOD CA"),
            ("", "   "),
            ("a\tb\r\nc", "A B C"),
            ("a\u{a0}\u{3000}b", "a b"),
            ("é", "É"),
            ("e\u{301}", "É"),
            ("Straße", "STRASSE"),
            ("ＡＢＣ", "abc"),
            ("℡", "Tel"),
            ("ﬁ", "FI"),
            ("so\u{ad}ft", "soft"),
            ("a\u{200d}b\u{feff}", "AB"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
            ("ẞ", "ss"),
            ("ǅ", "ǆ"),
            ("株式会社　東京", "株式会社 東京"),
            ("ｶﾞ", "ガ"),
            ("₹ ꭰ", "₹ Ꭰ"),
        ] {
            assert!(same(a, b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn different_by_case_ignore_match() {
        for (a, b) in [
            ("a b", "ab"),
            ("client", "сlient"), // Cyrillic es
            ("e", "é"),
            ("i", "ı"),
            ("a", "a\u{301}"),
            ("a \u{301}b", "a\u{301}b"),
            ("1", "２１"),
        ] {
            assert!(!same(a, b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn what_can_match_nothing_is_an_error() {
        for c in ['\0', '\u{1}', '\u{1f}', '\u{7f}', '\u{80}', '\u{9f}'] {
            assert_eq!(prepare(&format!("a{c}b")), Err(NameError::ControlCharacter(c)));
        }
        for c in ['\u{e000}', '\u{fffd}', '\u{ffff}', '\u{fdd0}', '\u{10ffff}', '\u{378}'] {
            assert_eq!(prepare(&format!("a{c}b")), Err(NameError::ProhibitedCharacter(c)));
        }
    }

    #[test]
    fn a_blank_under_a_combining_mark_is_no_blank() {
        assert!(!same(" \u{308}a", "\u{308}a"));
        assert!(!same("x \u{301}", "x"));
    }

    proptest! {
        #[test]
        fn preparing_is_idempotent(text in "\\PC{0,24}") {
            if let Ok(once) = prepare(&text) {
                prop_assert_eq!(prepare(&once), Ok(once));
            }
        }

        #[test]
        fn letter_case_never_matters(text in "[a-zA-Zà-öÀ-Öα-ωа-я ]{0,24}") {
            prop_assert_eq!(prepare(&text), prepare(&text.to_uppercase()));
            prop_assert_eq!(prepare(&text), prepare(&text.to_lowercase()));
        }

        #[test]
        fn the_short_way_for_ascii_is_the_long_way(text in "[ -~]{0,40}") {
            let long = squeeze(&fold(text.clone()));
            prop_assert_eq!(prepare(&text), Ok(long));
        }
    }
}
