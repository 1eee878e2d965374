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
        ("ǅ", "ǆ"),
        ("株式会社　東京", "株式会社 東京"),
        ("ｶﾞ", "ガ"),
    ] {
        assert!(same(a, b), "{a:?} {b:?}");
    }
}

#[test]
fn different_by_case_ignore_match() {
    for (a, b) in [
        // Unicode 3.2 has neither; later versions fold the first to the second.
        ("🄰dmin", "admin"),
        ("ꭰ", "Ꭰ"),
        ("ẞ", "ss"),
        ("𞤀", "𞤢"),
        ("Ꙁ", "ꙁ"),
        // Unicode 3.2 has the first, and not the small letter, which was added later.
        ("Ⴀ", "ⴀ"),
        ("Ӏ", "ӏ"),
        ("Ⅎ", "ⅎ"),
        ("Ↄ", "ↄ"),
        // A mark that was added later separates the marks behind it from the letter before it.
        ("e\u{1dc4}\u{301}", "é\u{1dc4}"),
        ("a\u{35c}\u{323}", "ạ\u{35c}"),
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
    fn ascii_needs_no_tables(text in "[ -~]{0,40}") {
        let long = squeeze(&fold(text.clone()));
        prop_assert_eq!(prepare(&text), Ok(long));
    }
}

#[test]
fn a_later_character_matches_only_itself() {
    for text in ["🄰", "ꭰ", "ẞ", "Ⴀ", "₹", "🙂", "x\u{1dc4}\u{301}", "e\u{301}\u{35c}"]
    {
        let expected = text.replace("e\u{301}", "é");
        assert_eq!(prepare(text).as_deref(), Ok(&*expected), "{text}");
    }
    assert_eq!(
        prepare("A🄰 \u{1dc4} B").as_deref(),
        Ok("a🄰 \u{1dc4} b"),
        "no mark to Unicode 3.2, so the blank is one"
    );
    assert_eq!(prepare("a  \u{1dc4}").as_deref(), Ok("a \u{1dc4}"));
}

/// The expected forms come from another implementation of RFC 4518: tests/unicode/rfc4518.py.
#[test]
fn every_character_is_prepared_as_rfc_4518_says() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/unicode/rfc4518.py");
    let output = std::process::Command::new("python3")
        .args([script, "forms"])
        .output()
        .expect("python3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let forms = String::from_utf8(output.stdout).unwrap();
    let mut wrong = Vec::new();
    let mut assigned = 0;
    let mut next = '\0';
    for line in forms.lines() {
        let mut fields = line.split('\t');
        let c = char::from_u32(u32::from_str_radix(fields.next().unwrap(), 16).unwrap()).unwrap();
        (next..c).for_each(check_later);
        next = char::from_u32(u32::from(c) + 1).unwrap_or('\u{e000}');
        assigned += 1;
        // Unicode 3.2 decomposes these to wrong characters (Corrigendum 4), which later versions
        // corrected.
        if matches!(c, '\u{2f868}' | '\u{2f874}' | '\u{2f91f}' | '\u{2f95f}' | '\u{2f9bf}') {
            continue;
        }
        for (context, expected) in CONTEXTS.into_iter().zip(fields) {
            let text = context.replace('_', &c.to_string());
            let form = match prepare(&text) {
                Ok(form) if form.is_empty() => "-".to_owned(),
                Ok(form) => form.bytes().map(|octet| format!("{octet:02x}")).collect(),
                Err(NameError::ControlCharacter(_)) => "control".to_owned(),
                Err(NameError::ProhibitedCharacter(_)) => "prohibited".to_owned(),
                Err(error) => panic!("{error}"),
            };
            if form != expected {
                wrong.push(format!(
                    "U+{:04X} in {context:?} is {form}, expected {expected}",
                    u32::from(c)
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} forms, {:#?}",
        wrong.len(),
        wrong.iter().take(20).collect::<Vec<_>>()
    );
    (next..=char::MAX).for_each(|c| {
        if c < '\u{f0000}' {
            check_later(c)
        }
    });
    assert_eq!(
        assigned,
        95_156 + 6_400 + 65,
        "the characters of Unicode 3.2, of private use, and control characters"
    );
}

const CONTEXTS: [&str; 6] =
    ["_", "a_B", "e_\u{301}", "x _y", "_\u{327}\u{301}", "\u{1100}_\u{11a8}"];

/// Checks that Unicode 3.2 does not have `c`, and that `c` matches only itself.
fn check_later(c: char) {
    if class(c) == CharacterClass::Prohibited {
        assert_eq!(prepare(&c.to_string()), Err(NameError::ProhibitedCharacter(c)));
        return;
    }
    assert_eq!(class(c), CharacterClass::Later, "U+{:04X}", u32::from(c));
    for (context, expected) in CONTEXTS.into_iter().zip([
        "_",
        "a_b",
        "e_\u{301}",
        "x _y",
        "_\u{327}\u{301}",
        "\u{1100}_\u{11a8}",
    ]) {
        let (text, expected) =
            [context, expected].map(|text| text.replace('_', &c.to_string())).into();
        assert_eq!(
            prepare(&text).as_deref(),
            Ok(&*expected),
            "U+{:04X} in {context:?}",
            u32::from(c)
        );
    }
}

/// Python has Unicode 3.2; which characters later versions have, ICU says.
#[test]
fn the_tables_are_those_of_their_sources() {
    use std::fmt::Write as _;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use icu_properties::CodePointMapData;
    use icu_properties::props::GeneralCategory;

    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_assigned = |code: &u32| categories.get32(*code) != GeneralCategory::Unassigned;
    let mut edges = "0\n".to_owned();
    for code in 1..=u32::from(char::MAX) {
        if is_assigned(&code) != is_assigned(&(code - 1)) {
            writeln!(edges, "{code:x}").unwrap();
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/unicode/rfc4518.py");
    let mut python = Command::new("python3")
        .args([script, "table"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    python.stdin.take().unwrap().write_all(edges.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let made = String::from_utf8(output.stdout).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/certificate/name/unicode_3_2.rs");
    if std::env::var_os("ACCEPT_TABLES").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    // Without the line ends and blanks that rustfmt chooses, and the commas before a line's end.
    let tokens = |text: &str| text.split_whitespace().collect::<String>().replace(",]", "]");
    let in_use = std::fs::read_to_string(path).unwrap();
    assert!(tokens(&made) == tokens(&in_use), "{path} is not what its sources say");
}

/// The assumptions of `is_form_of`.
#[test]
fn no_character_vanishes_and_none_is_composed_of_more_than_four() {
    let decomposed = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd();
    let mut longest = 0;
    for c in '\0'..=char::MAX {
        if !matches!(map(c), None | Some(' ')) && check(c).is_ok() {
            let form = prepare(&c.to_string()).unwrap();
            assert!(!form.is_empty(), "U+{:04X}", u32::from(c));
        }
        longest = longest.max(decomposed.normalize(&c.to_string()).chars().count());
    }
    assert_eq!(longest, MOST_CHARACTERS_OF_ONE);
}

#[test]
fn a_text_that_is_too_long_is_not_prepared() {
    let long = "\u{fdfa}".repeat(30_000);
    let mut visited = 0;
    assert!(!is_form_of("admin", long.chars().inspect(|_| visited += 1)));
    assert_eq!(visited, 5 * MOST_CHARACTERS_OF_ONE + 1);
    let vanishing = |n: usize| "\u{ad}".repeat(n) + "é" + &"\u{3000}".repeat(n) + "E\u{301}";
    assert!(is_form_of("é é", vanishing(4_000).chars()));
    assert!(!is_form_of("é é", vanishing(5_000).chars()), "too much without meaning");
    assert!(
        is_form_of("", "".chars()) && !is_form_of("", "a".chars()) && !is_form_of("a", "".chars())
    );
}

/// A blank with a mark is no blank, so one in front of it counts.
#[test]
fn blanks_before_a_mark_are_compared_in_both_ways() {
    assert!(!same("a \u{301}b", "a  \u{301}b") && same("a  \u{301}b", "a   \u{301}b"));
    let texts = ["a \u{301}b", "a  \u{301}b", "a   \u{301}b", "a b", "a  b", "a    b"];
    for one in texts {
        let prepared = prepare(one).unwrap();
        for other in texts {
            let is_equal = is_form_of(&prepared, other.chars());
            assert_eq!(is_equal, same(one, other), "{one:?} {other:?}");
        }
    }
}

proptest! {
    #[test]
    fn both_ways_to_compare_agree(
        one in "[a-cA-C äÖß\u{301}\u{ad}\u{3000}ﬁ🄰\u{1dc4}ⒶＡ]{0,8}",
        other in "[a-cA-C äÖß\u{301}\u{ad}\u{3000}ﬁ🄰\u{1dc4}ⒶＡ]{0,8}",
    ) {
        let prepared = prepare(&one).unwrap();
        prop_assert!(is_form_of(&prepared, one.chars()));
        prop_assert_eq!(is_form_of(&prepared, other.chars()), prepared == prepare(&other).unwrap());
        let ascii: String = other.chars().filter(char::is_ascii).collect();
        let is_equal = prepared == prepare(&ascii).unwrap();
        prop_assert_eq!(is_form_of_ascii(&prepared, ascii.as_bytes()), is_equal);
        prop_assert!(is_form_of_ascii(&prepare(&ascii).unwrap(), ascii.as_bytes()));
    }
}
