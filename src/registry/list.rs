//! One page of a client list, read entry by entry, so that a long page is never a tree in memory
//! and never stalls a worker; and whether the pages are the whole list.

mod completeness;
mod incomplete_list;
pub(super) mod link;
mod page_path;
mod page_summary;
mod spelling;

use serde_json::Deserializer;

pub(super) use self::completeness::Completeness;
pub use self::incomplete_list::IncompleteList;
pub use self::page_path::has_entry_limit;
pub(super) use self::page_path::page_from;
pub(super) use self::page_summary::PageSummary;
use crate::json::{Json, read_in_parts};

/// Reads a body from its beginning to its end: an array of clients, or an object with the array
/// `clients`.
#[derive(Clone, Debug)]
pub(in crate::registry) struct ListReader {
    body: Vec<u8>,
    /// The octet of `body` that is read next.
    position: usize,
    state: ReaderState,
    /// Entries read so far.
    index: u64,
    /// Whether the list is the member `clients` of an object, and that member has been reached.
    in_object: bool,
    page: PageSummary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReaderState {
    Start,
    /// In the outer object. `is_first` = no member has been read.
    Members {
        is_first: bool,
    },
    /// In the list. `is_first` = no entry has been read.
    Entries {
        is_first: bool,
    },
    /// After the outer value.
    End,
}

/// One entry, and its position.
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
        Self {
            body,
            position: 0,
            state: ReaderState::Start,
            index: 0,
            in_object: false,
            page: PageSummary::default(),
        }
    }

    /// The same page with what the headers of its answer state about the list. `header` = the field
    /// of this name.
    pub(in crate::registry) fn with_headers(
        mut self,
        header: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        self.page.add_headers(header);
        self
    }

    /// What the page states about the list, beside its entries; complete once [`ListReader::next`]
    /// has returned `None`.
    pub(in crate::registry) fn page(&self) -> &PageSummary {
        &self.page
    }

    /// The next entry; `None` = the page is complete.
    ///
    /// # Errors
    /// The body is not JSON, or not a list. The entries that were read before must not be used.
    pub(in crate::registry) fn next(&mut self) -> Result<Option<ListEntry>, String> {
        loop {
            match self.state {
                ReaderState::Start => {
                    self.state = if self.skip(b'[') {
                        ReaderState::Entries { is_first: true }
                    } else if self.skip(b'{') {
                        ReaderState::Members { is_first: true }
                    } else {
                        self.value()?;
                        return Err(NO_LIST.to_owned());
                    };
                }
                ReaderState::Entries { is_first } => {
                    if self.is_closed(b']', is_first)? {
                        self.state = if self.in_object {
                            ReaderState::Members { is_first: false }
                        } else {
                            ReaderState::End
                        };
                        continue;
                    }
                    let start = self.position;
                    let json = self.value()?;
                    let octets = self.body.get(start..self.position).unwrap_or_default();
                    self.page.add_entry(octets);
                    let pointer =
                        format!("{}/{}", if self.in_object { "/clients" } else { "" }, self.index);
                    self.index += 1;
                    self.state = ReaderState::Entries { is_first: false };
                    return Ok(Some(ListEntry { json, pointer }));
                }
                ReaderState::Members { is_first } => {
                    if self.is_closed(b'}', is_first)? {
                        if !self.in_object {
                            return Err(NO_LIST.to_owned());
                        }
                        self.state = ReaderState::End;
                        continue;
                    }
                    self.state = self.member()?;
                }
                ReaderState::End => {
                    self.skip_white_space();
                    return if self.position == self.body.len() {
                        Ok(None)
                    } else {
                        Err(self.not_json())
                    };
                }
            }
        }
    }

    /// Reads a member of the outer object; of the member `clients` only the beginning of the list.
    fn member(&mut self) -> Result<ReaderState, String> {
        self.skip_white_space();
        let is_text = self.body.get(self.position) == Some(&b'"');
        let name = match self.value()? {
            Json::String(name) => name,
            // No member of this name is known.
            Json::Unreadable(_) if is_text => String::new(),
            _ => return Err(self.not_json()),
        };
        if !self.skip(b':') {
            return Err(self.not_json());
        }
        if name != "clients" {
            // Members may come before the list or after it: order means nothing (RFC 8259 §4).
            let value = self.value()?;
            self.page.add_member(&name, &value);
            return Ok(ReaderState::Members { is_first: false });
        }
        if std::mem::replace(&mut self.in_object, true) {
            return Err("the member clients is there twice".to_owned());
        }
        if self.skip(b'[') {
            Ok(ReaderState::Entries { is_first: true })
        } else {
            Err(NO_LIST.to_owned())
        }
    }

    /// Skips the comma before an element, or the closing bracket, and returns whether it was the
    /// bracket.
    fn is_closed(&mut self, close: u8, is_first: bool) -> Result<bool, String> {
        if self.skip(close) {
            Ok(true)
        } else if is_first || self.skip(b',') {
            Ok(false)
        } else {
            Err(self.not_json())
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        let rest = self.body.get(self.position..).unwrap_or_default();
        let mut values = Deserializer::from_slice(rest).into_iter::<Json>();
        match values.next() {
            Some(Ok(json)) => {
                self.position += values.byte_offset();
                Ok(json)
            }
            // One entry must not hide all the others.
            Some(Err(error)) if !error.is_eof() => {
                let (json, octets) = read_in_parts(rest).ok_or_else(|| self.not_json())?;
                self.position += octets;
                Ok(json)
            }
            Some(Err(_)) | None => Err(CUT.to_owned()),
        }
    }

    /// Skips white space, and the next octet if it is this one. Returns whether it is.
    fn skip(&mut self, octet: u8) -> bool {
        self.skip_white_space();
        let is_next = self.body.get(self.position) == Some(&octet);
        self.position += usize::from(is_next);
        is_next
    }

    fn skip_white_space(&mut self) {
        let rest = self.body.get(self.position..).unwrap_or_default();
        self.position += rest.iter().take_while(|octet| b" \t\r\n".contains(octet)).count();
    }

    fn not_json(&self) -> String {
        if self.position >= self.body.len() {
            CUT.to_owned()
        } else {
            format!("not JSON at byte {}", self.position)
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
    fn bodies_that_are_not_a_list() {
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
        for body in [&b"[\"\xff\"]"[..], b"[1e400,\"\xff\"]", b"{1e400:1,\"clients\":[]}"] {
            assert!(read(body).is_err(), "{body:?}");
        }
        assert!(read(&b"[".repeat(100_000)).is_err(), "the recursion is bounded");
    }

    /// RFC 8259 has such values, and a list of others' clients may, too.
    #[test]
    fn a_value_that_cannot_be_held_is_a_part_of_its_entry() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        for value in [r#""\ud800""#, "1e400", &"9".repeat(400)] {
            let entries = format!(r#"[{{"a":{value}}}, {value} ,{{"b":1}}]"#);
            let object = format!(r#"{{"x":{value}, "\ud800":1,"clients":{entries}}}"#);
            for (body, at) in [(entries, ""), (object, "/clients")] {
                let entries = read(body.as_bytes()).unwrap();
                let [first, second, third] = entries.as_slice() else { panic!("{entries:?}") };
                assert!(first.starts_with(&format!("{at}/0 Object([(\"a\", Unreadable(")));
                assert!(second.starts_with(&format!("{at}/1 Unreadable(")), "{second}");
                assert_eq!(*third, format!("{at}/2 Object([(\"b\", Number(Number(1)))])"));
            }
        }
        assert_eq!(read(format!("[{deep},{deep},1]").as_bytes()).map(|all| all.len()), Ok(3));
    }

    proptest! {
        /// The reader accepts an array if and only if serde_json does.
        #[test]
        fn it_accepts_what_is_json(body in r#"[\[\]{},: "a1]{0,12}"#) {
            let is_json = serde_json::from_str::<serde_json::Value>(&body);
            let is_list = matches!(&is_json, Ok(serde_json::Value::Array(_)));
            prop_assert_eq!(read(body.as_bytes()).is_ok(), is_list);
        }
    }
}
