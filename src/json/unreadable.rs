//! JSON with values that this filter cannot hold, although the grammar of RFC 8259 has them: text
//! with half of a surrogate pair (§8.2), numbers beyond those of 64 bits (§6), and deeper nesting
//! than anything here has (§9). In a list of clients, one such value must not hide all the others.

use super::Json;
use crate::limits;

const HALF_A_PAIR: &str = "text with half of a surrogate pair (RFC 8259 §8.2)";
const TOO_LARGE: &str = "a number that is too large";
const TOO_DEEP: &str = "too many arrays and objects in each other";

/// Reads the value at the beginning of `text`, with [`Json::Unreadable`] for each part that cannot
/// be held. Returns it with the number of octets that it takes; `None` = it is not JSON.
#[inline(never)]
pub(crate) fn read(text: &[u8]) -> Option<(Json, usize)> {
    let mut cursor = Cursor { text, position: 0 };
    let json = cursor.value(limits::JSON_DEPTH)?;
    Some((json, cursor.position))
}

struct Cursor<'a> {
    text: &'a [u8],
    /// The octet that is read next.
    position: usize,
}

impl<'a> Cursor<'a> {
    /// The next value. `depth` = how many arrays and objects may still be in each other.
    #[inline(never)]
    fn value(&mut self, depth: usize) -> Option<Json> {
        let begins = self.peek()?;
        if !matches!(begins, b'[' | b'{') {
            return self.scalar(begins);
        }
        let Some(below) = depth.checked_sub(1) else {
            self.pass_over()?;
            return Some(Json::Unreadable(TOO_DEEP));
        };
        self.position += 1;
        let (mut elements, mut members) = (Vec::new(), Vec::new());
        if begins == b'[' {
            while self.goes_on(b']', elements.is_empty())? {
                elements.push(self.value(below)?);
            }
            Some(Json::Array(elements))
        } else {
            while self.goes_on(b'}', members.is_empty())? {
                members.push((self.name()?, self.value(below)?));
            }
            Some(Json::Object(members))
        }
    }

    /// Passes over the next value, an array or an object, without recursion.
    fn pass_over(&mut self) -> Option<()> {
        // The closing brackets of those that are open.
        let mut open: Vec<u8> = Vec::new();
        loop {
            let begins = self.peek()?;
            let mut is_first = matches!(begins, b'[' | b'{');
            if is_first {
                self.position += 1;
                // In ASCII a closing bracket comes two after its opening one.
                open.push(begins + 2);
            } else {
                self.scalar(begins)?;
            }
            loop {
                let Some(close) = open.last().copied() else { return Some(()) };
                if self.goes_on(close, is_first)? {
                    if close == b'}' {
                        self.name()?;
                    }
                    break;
                }
                open.pop();
                is_first = false;
            }
        }
    }

    /// A value that is neither an array nor an object.
    #[inline(never)]
    fn scalar(&mut self, begins: u8) -> Option<Json> {
        if begins == b'"' {
            let (text, is_whole) = self.string()?;
            return Some(if is_whole { text } else { Json::Unreadable(HALF_A_PAIR) });
        }
        let length = self.rest().iter().take_while(|octet| !b" \t\r\n,:]}".contains(octet)).count();
        let text = self.take(length)?;
        held(text).or_else(|| {
            // With two digits of each run it is as well-formed, and not too large.
            let mut digits = 0;
            let is_left = |octet: &u8| {
                digits = if octet.is_ascii_digit() { digits + 1 } else { 0 };
                digits <= 2
            };
            let short: Vec<u8> = text.iter().copied().filter(is_left).collect();
            held(&short).map(|_| Json::Unreadable(TOO_LARGE))
        })
    }

    /// The name of a member, and the colon behind it. A name with halves of surrogate pairs has
    /// U+FFFD for each, and is compared with the names that are known as any other.
    fn name(&mut self) -> Option<String> {
        let (Json::String(name), _) = (self.peek()? == b'"').then(|| self.string())?? else {
            return None;
        };
        self.skip(b':').then_some(name)
    }

    /// The string that begins here, and whether it is whole. If it is not, it has U+FFFD for each
    /// half of a surrogate pair.
    #[inline(never)]
    fn string(&mut self) -> Option<(Json, bool)> {
        let mut is_escaped = false;
        let is_end = |octet: &u8| {
            let is_end = *octet == b'"' && !is_escaped;
            is_escaped = *octet == b'\\' && !is_escaped;
            is_end
        };
        let length = self.rest().iter().skip(1).position(is_end)? + 2;
        let text = self.take(length)?;
        held(text).map(|string| (string, true)).or_else(|| {
            let mut text = text.to_vec();
            replace_surrogates(&mut text);
            held(&text).map(|string| (string, false))
        })
    }

    /// Skips the comma before an element, or the closing bracket. Returns whether there is an
    /// element.
    fn goes_on(&mut self, close: u8, is_first: bool) -> Option<bool> {
        if self.skip(close) { Some(false) } else { (is_first || self.skip(b',')).then_some(true) }
    }

    /// Skips white space, and the next octet if it is this one. Returns whether it is.
    fn skip(&mut self, octet: u8) -> bool {
        let is_next = self.peek() == Some(octet);
        self.position += usize::from(is_next);
        is_next
    }

    /// Skips white space. The octet behind it.
    #[inline(never)]
    fn peek(&mut self) -> Option<u8> {
        self.position += self.rest().iter().take_while(|octet| b" \t\r\n".contains(octet)).count();
        self.rest().first().copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// The next octets.
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length)?;
        self.position += length;
        Some(taken)
    }
}

#[inline(never)]
fn held(text: &[u8]) -> Option<Json> {
    serde_json::from_slice(text).ok()
}

/// Replaces the escape of each half of a surrogate pair by that of U+FFFD.
fn replace_surrogates(mut rest: &mut [u8]) {
    loop {
        rest = match rest {
            [
                b'\\',
                b'u',
                a @ (b'd' | b'D'),
                b @ (b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F'),
                c @ (b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F'),
                d @ (b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F'),
                rest @ ..,
            ] => {
                (*a, *b, *c, *d) = (b'f', b'f', b'f', b'd');
                rest
            }
            [b'\\', _, rest @ ..] | [_, rest @ ..] => rest,
            [] => return,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNREADABLE: [&str; 9] = [
        r#""\ud800""#,
        r#""\udfff""#,
        r#""\uDC00\uD800""#,
        r#""a\ud83db""#,
        r#""\ud83d\n""#,
        r#""\ud83d\u0041""#,
        "1e400",
        "-1.5E+999",
        "1e99999999999999999999",
    ];

    fn number(digits: usize) -> String {
        "9".repeat(digits)
    }

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn what_cannot_be_held_leaves_the_rest() {
        let unreadable = UNREADABLE.map(ToOwned::to_owned).into_iter();
        for value in unreadable.chain([number(400)]) {
            assert!(Json::parse(value.as_bytes()).is_err(), "{value}");
            for text in [
                format!(r#"{{"a":{value},"b":[1,{{"c":{value}}},"x"]}}"#),
                format!(" {{ \"a\" : {value} ,\r\n\t\"b\" : [ 1 , {{\"c\": {value} }}, \"x\" ] }}"),
            ] {
                let (json, octets) = read(text.as_bytes()).unwrap();
                assert_eq!(octets, text.len(), "{text}");
                let Json::Object(members) = &json else { panic!("{json:?}") };
                let [(a, Json::Unreadable(_)), (b, Json::Array(elements))] = members.as_slice()
                else {
                    panic!("{json:?}")
                };
                assert_eq!((a.as_str(), b.as_str()), ("a", "b"));
                assert_eq!(elements.first(), Some(&Json::Number(1.into())));
                assert_eq!(elements.last(), Some(&Json::String("x".to_owned())));
                let inner = elements[1].members("c").next();
                assert!(matches!(inner, Some(Json::Unreadable(_))), "{json:?}");
            }
        }
    }

    #[test]
    fn the_reason_is_that_of_the_value() {
        for (value, reason) in [
            (r#""\ud800""#, HALF_A_PAIR),
            ("1e400", TOO_LARGE),
            (&nested(limits::JSON_DEPTH + 1), TOO_DEEP),
        ] {
            let mut json = read(value.as_bytes()).unwrap().0;
            while let Json::Array(mut elements) = json {
                json = elements.pop().unwrap();
            }
            assert_eq!(json, Json::Unreadable(reason));
        }
        let deep = nested(10_000);
        let text = format!("[{deep},{{\"a\":{deep},\"b\":1}}]");
        let (json, octets) = read(text.as_bytes()).unwrap();
        assert_eq!(octets, text.len());
        let Json::Array(elements) = json else { panic!("{json:?}") };
        assert_eq!(elements[1].members("b").next(), Some(&Json::Number(1.into())));
        // As deep as the other reader goes.
        let deepest = nested(limits::JSON_DEPTH);
        assert_eq!(read(deepest.as_bytes()).unwrap().0, Json::parse(deepest.as_bytes()).unwrap());
        assert!(Json::parse(nested(limits::JSON_DEPTH + 1).as_bytes()).is_err());
    }

    #[test]
    fn names_have_a_replacement_for_each_half() {
        for (name, expected) in [
            (r"\ud800", "\u{fffd}"),
            (r"\u0063lient\uDFFF", "client\u{fffd}"),
            (r"\\ud800\ud83d\ude00\udc00", "\\ud800\u{fffd}\u{fffd}\u{fffd}"),
            (r"\\\ud8000", "\\\u{fffd}0"),
            (r"\ud83d\ude00", "\u{1f600}"),
            (r"\ud7ff\ue000\ud800", "\u{d7ff}\u{e000}\u{fffd}"),
        ] {
            let text = format!(r#"{{"{name}":1}}"#);
            let expected = Json::Object(vec![(expected.to_owned(), Json::Number(1.into()))]);
            assert_eq!(read(text.as_bytes()), Some((expected, text.len())), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_not_read() {
        for text in [
            "",
            " ",
            "[",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "{1:2}",
            "{1e400:2}",
            "{[]:2}",
            "tru",
            "01",
            "1e",
            "-",
            "\"\\x\"",
            "\"\\ud8\"",
            "\"\\ud8zz\"",
            "\"\\ud8\u{1}z\"",
            "01e400",
            "1e400.5",
            "1.e400",
            ".5e400",
            "+1e400",
            "1e400x",
            "1e+",
            "Infinity",
            "\"\u{1}\"",
            "\"\\ud800",
            "[[1}]",
            &"[".repeat(100_000),
            &format!("{}{}", "[".repeat(1000), "]".repeat(999)),
            &format!("{}1}}{}", "[".repeat(1000), "]".repeat(999)),
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        for octets in
            [&b"\"\xff\""[..], b"\"\\ud800\xff\"", b"{\"\xff\":1}", b"{\"\\ud800\xff\":1}"]
        {
            assert_eq!(read(octets), None, "{octets:?}");
        }
        let deep = [nested(500).as_bytes(), b"\"\xff\"", nested(500).as_bytes()].concat();
        assert_eq!(read(&deep).unwrap().1, 1000, "only the value counts");
    }

    fn is_read_whole(text: &str) -> bool {
        read(text.as_bytes()).is_some_and(|(_, octets)| text[octets..].trim().is_empty())
    }

    proptest! {
        /// The grammar is that of the reader that holds nothing.
        #[test]
        fn it_has_the_grammar_of_json(
            tokens in prop::collection::vec(prop::sample::select(vec![
                "[", "]", "{", "}", ",", ":", "\"a\"", "\"a\":", "\"\\ud800\"", "\"\\uD8\"",
                "\"\\\\", "\"", "1e400", "01", "-1.50E+09", "1.", "true", "nul", " ", "\n", "[[",
                "]]",
            ]), 0..9),
            deep in 0..2_usize,
        ) {
            let (open, close) = ("[".repeat(deep * 200), "]".repeat(deep * 200));
            let text = format!("{open}{}{close}", tokens.concat());
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(is_read_whole(&text), is_json, "{}", text);
        }

        #[test]
        fn it_has_the_grammar_of_scalars(
            text in r#"("[ud8eF0\\"]{0,9}")|[019.eE+\-]{1,8}|[aeflnrstu]{4,5}"#,
        ) {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(is_read_whole(&text), is_json, "{}", text);
        }

        /// What the other reader accepts is read as it reads it, and nothing else is accepted that
        /// has no such value.
        #[test]
        fn it_reads_what_is_json(body in r#"[\[\]{},: "a1e.\-\\u]{0,14}"#) {
            let json = Json::parse(body.as_bytes());
            let whole = read(body.as_bytes()).filter(|(json, octets)| {
                let rest = body.get(*octets..).unwrap_or_default();
                rest.trim_matches([' ']).is_empty() && !format!("{json:?}").contains("Unreadable")
            });
            prop_assert_eq!(json.ok(), whole.map(|(json, _)| json));
        }
    }
}
