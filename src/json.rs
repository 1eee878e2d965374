//! JSON that keeps repeated members, errors that have the place of a mistake, and a reader of
//! objects that reports members which it does not know.

mod unreadable;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

pub(crate) use self::unreadable::read as read_in_parts;
use crate::limits;
use crate::sort::sort;

/// What is wrong with a JSON document, and where. Nothing of a configuration with an error is used.
///
/// `Display` writes place and message, as in `/mode: expected "enforce" or "shadow"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// JSON Pointer (RFC 6901) of the value; empty for the whole document.
    pub pointer: String,
    /// What is expected and, where it helps, what was found, in words for the operator. Values of
    /// secrets are never repeated.
    pub message: String,
}

impl JsonError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into() }
    }

    pub(crate) fn expected(what: impl fmt::Display) -> Self {
        Self::new(format!("expected {what}"))
    }

    /// The same error, with a pointer that is relative to the value that has this one as `step`.
    pub(crate) fn within(self, step: impl fmt::Display) -> Self {
        self.below(&step.to_string())
    }

    #[inline(never)]
    fn below(mut self, step: &str) -> Self {
        self.pointer = format!("/{}{}", pointer_token(step), self.pointer);
        self
    }

    /// Place and message, where the document is no configuration, cut as [`shortened`] does.
    pub(crate) fn in_entry(&self) -> String {
        shortened(if self.pointer.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.pointer, self.message)
        })
    }
}

/// At most [`limits::DETAIL_CHARACTERS`] characters of a text about an entry of a list: the names
/// in it are as long as the client that registered wanted them.
pub(crate) fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(limits::DETAIL_CHARACTERS) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// A member's name as a reference token of a JSON Pointer (RFC 6901 §3).
fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The member's name that a reference token stands for (RFC 6901 §4).
pub(crate) fn name_of_token(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the configuration" } else { &self.pointer };
        write!(f, "{place}: {}", self.message)
    }
}

impl std::error::Error for JsonError {}

/// A JSON value. Objects keep their members in order and, unlike those of `serde_json::Value`, also
/// repeated ones: where a second `client_id` replaces the first, two readers of one document may
/// read different clients.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
    /// A value that cannot be held, and what it is: where clients are read in parts
    /// ([`unreadable::read`]). It is no value of any kind, so whatever reads it has an error.
    Unreadable(&'static str),
}

impl Json {
    /// Parses one JSON text (RFC 8259), all of which can be held.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, JsonError> {
        serde_json::from_slice(text).map_err(|error| JsonError::new(format!("not JSON: {error}")))
    }

    /// Parses one JSON text with clients, of which some may have values that cannot be held. In a
    /// member that is not used such a value is as good as any other; where it is used, its place is
    /// known.
    pub(crate) fn parse_in_parts(text: &[u8]) -> Result<Self, JsonError> {
        Self::parse(text).or_else(|error| match read_in_parts(text) {
            Some((json, octets)) if is_white_space(text.get(octets..).unwrap_or_default()) => {
                Ok(json)
            }
            _ => Err(error),
        })
    }

    /// The same value for `serde_json`, which has null for what cannot be held. Of members with one
    /// name the last is kept.
    pub(crate) fn to_value(&self) -> serde_json::Value {
        match self {
            Self::Null | Self::Unreadable(_) => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(number) => serde_json::Value::Number(number.clone()),
            Self::String(text) => text.as_str().into(),
            Self::Array(elements) => elements.iter().map(Self::to_value).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), value.to_value())).collect()
            }
        }
    }

    /// The values of the members `name`. A well-formed object has at most one, and any other value
    /// none.
    pub(crate) fn members<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Json> {
        let members = if let Self::Object(members) = self { members.as_slice() } else { &[] };
        members.iter().filter(move |(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text of a string. `what` is what is expected, for the error.
    pub(crate) fn string(&self, what: &str) -> Result<&str, JsonError> {
        match self {
            Self::String(text) => Ok(text),
            other => Err(JsonError::new(format!("expected {what}, found {}", other.kind()))),
        }
    }

    /// The value of a boolean.
    pub(crate) fn boolean(&self) -> Result<bool, JsonError> {
        if let Self::Bool(value) = self {
            Ok(*value)
        } else {
            Err(JsonError::expected("true or false"))
        }
    }

    /// The value of an integer from 1 to `largest`.
    pub(crate) fn integer(&self, largest: u64) -> Result<u64, JsonError> {
        let number = if let Self::Number(number) = self { number.as_u64() } else { None };
        let fits = number.filter(|number| (1..=largest).contains(number));
        fits.ok_or_else(|| JsonError::expected(format!("an integer from 1 to {largest}")))
    }

    /// The elements of an array, each read by `read`. `what` is what is expected, for the error.
    pub(crate) fn elements<T>(
        &self,
        what: &str,
        mut read: impl FnMut(&Json) -> Result<T, JsonError>,
    ) -> Result<Vec<T>, JsonError> {
        let Self::Array(elements) = self else {
            return Err(JsonError::new(format!("expected {what}, found {}", self.kind())));
        };
        let located = elements.iter().enumerate();
        located.map(|(index, element)| read(element).map_err(|error| error.within(index))).collect()
    }

    /// The same, for an array that must not be empty.
    pub(crate) fn some_elements<T>(
        &self,
        what: &str,
        read: impl FnMut(&Json) -> Result<T, JsonError>,
    ) -> Result<Vec<T>, JsonError> {
        let elements = self.elements(what, read)?;
        if elements.is_empty() {
            return Err(JsonError::new(format!("expected {what}, found an empty array")));
        }
        Ok(elements)
    }

    /// What it is, for errors. It is not inlined, because dozens of readers have such errors.
    #[inline(never)]
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
            Self::Unreadable(what) => what,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tree;

        impl<'de> Visitor<'de> for Tree {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
                Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
            }
            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::String(value.to_owned()))
            }
            fn visit_string<E>(self, value: String) -> Result<Json, E> {
                Ok(Json::String(value))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Json::Array(elements))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Object(members))
            }
        }

        deserializer.deserialize_any(Tree)
    }
}

/// The members of one object while it is read. A member that is not read is an error at the end.
pub(crate) struct Members<'a> {
    members: &'a [(String, Json)],
    known: Vec<&'static str>,
}

impl<'a> Members<'a> {
    /// # Errors
    /// `json` is no object, or names a member twice.
    pub(crate) fn of(json: &'a Json, what: &str) -> Result<Self, JsonError> {
        let Json::Object(members) = json else {
            return Err(JsonError::new(format!("expected {what}, found {}", json.kind())));
        };
        if let Some(name) = first_repeated(members.iter().map(|(name, _)| name.as_str())) {
            return Err(JsonError::new("expected this member once, found it twice").within(name));
        }
        Ok(Self { members, known: Vec::new() })
    }

    /// The member `name`, read by `read`; `None` = there is no such member. Errors of `read` are
    /// relative to the member.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Json) -> Result<T, JsonError>,
    ) -> Result<Option<T>, JsonError> {
        self.value(name).map(read).transpose().map_err(|error| error.within(name))
    }

    /// The value of the member `name`, which is known from now on. It is not inlined, because the
    /// methods that call it exist for dozens of types.
    #[inline(never)]
    fn value(&mut self, name: &'static str) -> Option<&'a Json> {
        self.known.push(name);
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Like [`Members::read`], but `null` counts as absent, as in the registries of authorization
    /// servers.
    pub(crate) fn read_unless_null<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&'a Json) -> Result<T, JsonError>,
    ) -> Result<Option<T>, JsonError> {
        self.set(name).map(read).transpose().map_err(|error| error.within(name))
    }

    /// The value of the member `name`, unless it is `null`.
    #[inline(never)]
    pub(crate) fn set(&mut self, name: &'static str) -> Option<&'a Json> {
        self.value(name).filter(|value| !matches!(value, Json::Null))
    }

    /// The names of the members that were not read.
    pub(crate) fn unread(&self) -> impl Iterator<Item = &'a str> {
        self.members.iter().map(|(name, _)| name.as_str()).filter(|name| !self.known.contains(name))
    }

    /// The known name that `name` probably stands for, without regard to letter case and
    /// separators.
    pub(crate) fn nearest(&self, name: &str) -> Option<&'static str> {
        // One mistake in a short name, two in a long one.
        let most = |known: &str| if known.len() < 8 { 1 } else { 2 };
        let name = letters(name);
        let near = self.known.iter().filter_map(|known| {
            let letters = letters(known);
            let is_near = letters.len().abs_diff(name.len()) <= most(known);
            let distance = is_near.then(|| strsim::osa_distance(&letters, &name))?;
            (distance <= most(known)).then_some((distance, *known))
        });
        near.min().map(|(_, known)| known)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// A member was not read.
    pub(crate) fn finish(self) -> Result<(), JsonError> {
        let Some(name) = self.unread().next() else { return Ok(()) };
        let message = match self.nearest(name) {
            Some(known) => format!("unknown member; did you mean \"{known}\"?"),
            None => format!("unknown member; expected one of {}", self.known.join(", ")),
        };
        Err(JsonError::new(message).within(name))
    }
}

/// RFC 8259 §2, which has fewer characters than Rust.
fn is_white_space(text: &[u8]) -> bool {
    text.iter().all(|octet| b" \t\r\n".contains(octet))
}

/// The letters of a name in lower case, which are the same for `maxBodyBytes` and `max_body_bytes`.
fn letters(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect()
}

/// A name that occurs more than once; of several, any.
pub(crate) fn first_repeated<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    const FEW: usize = 12;
    if names.clone().nth(FEW).is_none() {
        // Comparing all pairs of a few names costs less than sorting them.
        let mut rest = names;
        while let Some(name) = rest.next() {
            if rest.clone().any(|other| other == name) {
                return Some(name);
            }
        }
        return None;
    }
    // A document of others may have 30,000 names, and comparing all their pairs takes seconds.
    let mut names: Vec<&str> = names.collect();
    sort(&mut names);
    names.array_windows().find(|[one, other]| one == other).map(|[name, _]| *name)
}

/// A reader of one of these words.
pub(crate) fn one_of<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Json) -> Result<T, JsonError> {
    move |json| {
        let found = if let Json::String(text) = json { Some(text.as_str()) } else { None };
        let expected =
            || words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let meant = words.iter().find(|(word, _)| Some(*word) == found);
        meant.map(|(_, value)| *value).ok_or_else(|| JsonError::expected(expected()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_members_stay_visible() {
        let json =
            Json::parse(br#"{"a": 1, "b": {"c": [true, null, -1, 1.5, "x"]}, "a": 2}"#).unwrap();
        assert_eq!(json.members("a").count(), 2);
        let error = Members::of(&json, "an object").err().unwrap();
        assert_eq!(error.to_string(), "/a: expected this member once, found it twice");
    }

    #[test]
    fn errors_name_the_place_and_the_nearest_name() {
        let json = Json::parse(br#"{"max_body_byte": 1, "zzz": 2}"#).unwrap();
        let mut members = Members::of(&json, "an object").unwrap();
        assert_eq!(members.read("max_body_bytes", |_| Ok(())), Ok(None));
        for name in [
            "Max_Body_Bytes",
            "maxBodyBytes",
            "max-body-bytes",
            "maxBodyByt",
            "MAXBODYBYTES",
            "mxa_body_bytes",
        ] {
            assert_eq!(members.nearest(name), Some("max_body_bytes"), "{name}");
        }
        assert_eq!(members.nearest("maxBodyB"), None);
        assert_eq!(members.nearest("zzz"), None);
        let error = members.finish().unwrap_err();
        assert_eq!(
            error.to_string(),
            "/max_body_byte: unknown member; did you mean \"max_body_bytes\"?"
        );
        assert_eq!(JsonError::expected("x").within("a/b~c").within(3).pointer, "/3/a~1b~0c");
    }

    #[test]
    fn in_parts_a_text_is_read_to_its_end() {
        let json = Json::parse_in_parts(b" {\"a\": 1e400}\r\n\t ").unwrap();
        assert!(matches!(json.members("a").next(), Some(Json::Unreadable(_))), "{json:?}");
        for text in ["{\"a\": 1e400} x", "{\"a\": 1e400}\u{c}", "{\"a\": 1e400", "[1e400,]", ""] {
            assert_eq!(Json::parse_in_parts(text.as_bytes()), Json::parse(text.as_bytes()));
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_of_syntax_have_a_line() {
        for text in
            [&b"{"[..], b"", b"{} {}", b"{\"a\":}", b"\"\xff\"", b"[1,]", &b"[".repeat(10_000)]
        {
            let error = Json::parse(text).unwrap_err();
            assert!(
                error.message.starts_with("not JSON: ") && error.message.contains("line 1"),
                "{error}"
            );
        }
    }
}
