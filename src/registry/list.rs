//! One page of a client list, read entry by entry: a long one is never a tree in memory, and never
//! stalls a worker.

use serde_json::Deserializer;

mod whole;

pub use self::whole::NotWhole;
pub(super) use self::whole::{Page, Whole, page_from};
use crate::json::Json;

/// A body that is read from its beginning to its end: an array of clients, or an object with the
/// array `clients`.
#[derive(Debug)]
pub(in crate::registry) struct ListReader {
    body: Vec<u8>,
    at: usize,
    state: State,
    /// Entries read so far.
    index: u64,
    /// Whether the list is the member `clients` of an object, which has been met.
    in_object: bool,
    pub(super) page: Page,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    /// In the outer object; whether nothing was read of it yet.
    Members {
        fresh: bool,
    },
    /// In the list; whether nothing was read of it yet.
    Entries {
        fresh: bool,
    },
    /// Behind the outer value.
    End,
}

/// One entry, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::registry) struct ListEntry {
    pub(in crate::registry) json: Json,
    /// JSON Pointer of the entry in its page.
    pub(in crate::registry) pointer: String,
}

const CUT: &str = "not JSON: it ends in the middle";
const NO_LIST: &str = "expected an array of clients, or an object with the array clients";

impl ListReader {
    pub(in crate::registry) fn new(body: Vec<u8>) -> Self {
        Self { body, at: 0, state: State::Start, index: 0, in_object: false, page: Page::default() }
    }

    /// What the page says of the list, beside its entries: all of it where the page is complete.
    pub(in crate::registry) fn page(&self) -> &Page {
        &self.page
    }

    /// The next entry; `None` = the page is complete.
    ///
    /// # Errors
    /// The body is no JSON, or no list; what was read of it before is then worth nothing.
    pub(in crate::registry) fn next(&mut self) -> Result<Option<ListEntry>, String> {
        loop {
            match self.state {
                State::Start => {
                    self.state = if self.skip(b'[') {
                        State::Entries { fresh: true }
                    } else if self.skip(b'{') {
                        State::Members { fresh: true }
                    } else {
                        self.value()?;
                        return Err(NO_LIST.to_owned());
                    };
                }
                State::Entries { fresh } => {
                    if self.is_closed(b']', fresh)? {
                        self.state = if self.in_object {
                            State::Members { fresh: false }
                        } else {
                            State::End
                        };
                        continue;
                    }
                    let start = self.at;
                    let json = self.value()?;
                    self.page.entry(self.body.get(start..self.at).unwrap_or_default());
                    let pointer =
                        format!("{}/{}", if self.in_object { "/clients" } else { "" }, self.index);
                    self.index += 1;
                    self.state = State::Entries { fresh: false };
                    return Ok(Some(ListEntry { json, pointer }));
                }
                State::Members { fresh } => {
                    if self.is_closed(b'}', fresh)? {
                        if !self.in_object {
                            return Err(NO_LIST.to_owned());
                        }
                        self.state = State::End;
                        continue;
                    }
                    self.state = self.member()?;
                }
                State::End => {
                    self.skip_blanks();
                    return if self.at == self.body.len() { Ok(None) } else { Err(self.no_json()) };
                }
            }
        }
    }

    /// Reads a member of the outer object, up to the beginning of the list if it is the list.
    fn member(&mut self) -> Result<State, String> {
        let Json::String(name) = self.value()? else { return Err(self.no_json()) };
        if !self.skip(b':') {
            return Err(self.no_json());
        }
        if name != "clients" {
            // Members may stand before the list or behind it (RFC 8259 §4).
            let value = self.value()?;
            self.page.member(&name, &value);
            return Ok(State::Members { fresh: false });
        }
        if std::mem::replace(&mut self.in_object, true) {
            return Err("the member clients is there twice".to_owned());
        }
        if self.skip(b'[') { Ok(State::Entries { fresh: true }) } else { Err(NO_LIST.to_owned()) }
    }

    /// Passes what stands before an element or behind the last one.
    fn is_closed(&mut self, close: u8, fresh: bool) -> Result<bool, String> {
        if self.skip(close) {
            Ok(true)
        } else if fresh || self.skip(b',') {
            Ok(false)
        } else {
            Err(self.no_json())
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let mut values = Deserializer::from_slice(rest).into_iter::<Json>();
        match values.next() {
            Some(Ok(json)) => {
                self.at += values.byte_offset();
                Ok(json)
            }
            Some(Err(error)) if !error.is_eof() => Err(self.no_json()),
            Some(Err(_)) | None => Err(CUT.to_owned()),
        }
    }

    /// Passes one octet, and the blanks before it, if it is this one.
    fn skip(&mut self, octet: u8) -> bool {
        self.skip_blanks();
        let is_there = self.body.get(self.at) == Some(&octet);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_blanks(&mut self) {
        let rest = self.body.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|octet| b" \t\r\n".contains(octet)).count();
    }

    fn no_json(&self) -> String {
        if self.at >= self.body.len() {
            CUT.to_owned()
        } else {
            format!("not JSON at byte {}", self.at)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Result<Vec<String>, String> {
        let mut reader = ListReader::new(body.to_vec());
        let mut entries = Vec::new();
        while let Some(entry) = reader.next()? {
            entries.push(format!("{} {:?}", entry.pointer, entry.json));
        }
        assert_eq!(reader.next(), Ok(None));
        Ok(entries)
    }

    #[test]
    fn both_forms_of_a_list() {
        let two = Ok(vec!["/0 Object([])".to_owned(), "/1 Null".to_owned()]);
        for body in ["[{},null]", " [ { } , null ]\r\n"] {
            assert_eq!(read(body.as_bytes()), two);
        }
        let two = Ok(vec!["/clients/0 Object([])".to_owned(), "/clients/1 Null".to_owned()]);
        for body in [
            r#"{"clients":[{},null]}"#,
            r#"{"a":{"clients":[1]},"clients": [ {} , null ] , "totalCount":2}"#,
            r#"{"cl\u0069ents":[{},null]}"#,
        ] {
            assert_eq!(read(body.as_bytes()), two);
        }
        assert_eq!(read(b"[]"), Ok(vec![]));
        assert_eq!(read(br#"{"clients":[]}"#), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list() {
        for body in [
            "{}",
            "null",
            "7",
            "\"x\"",
            r#"{"error":"x"}"#,
            r#"{"clients":{}}"#,
            r#"{"clients":null}"#,
        ] {
            assert_eq!(read(body.as_bytes()), Err(NO_LIST.to_owned()), "{body}");
        }
        assert_eq!(
            read(br#"{"clients":[],"clients":[]}"#),
            Err("the member clients is there twice".to_owned())
        );
        for body in [
            "",
            " ",
            "[",
            "[{}",
            "[{},",
            "{\"clients\":[",
            "{\"clients\"",
            "[\"x",
            "{\"clients\":[]",
        ] {
            assert!(read(body.as_bytes()).unwrap_err().starts_with("not JSON: it ends"), "{body}");
        }
        for body in [
            "<html>",
            "[{}]]",
            "[{}] x",
            "[,{}]",
            "[{},]",
            "[{} {}]",
            "{1:2}",
            "{\"a\":1,}",
            "{,\"a\":1}",
            "[\"\u{1}\"]",
            "{\"a\" 1}",
            "[tru]",
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert!(error.starts_with("not JSON at byte"), "{body}: {error}");
        }
        assert!(read(b"[\"\xff\"]").is_err());
        assert!(read(&b"[".repeat(100_000)).is_err(), "no stack is without end");
    }

    proptest! {
        /// Whatever the reader takes, serde_json takes, and the other way round, up to repeated
        /// members.
        #[test]
        fn it_takes_what_is_json(body in r#"[\[\]{},: "a1]{0,12}"#) {
            let is_json = serde_json::from_str::<serde_json::Value>(&body);
            let is_list = matches!(&is_json, Ok(serde_json::Value::Array(_)));
            prop_assert_eq!(read(body.as_bytes()).is_ok(), is_list);
        }
    }
}
