//! Values of documents, and their places.

use std::collections::BTreeMap;

use crate::document::{Node, NodeMember};

/// A place in the files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which of the files that were given.
    pub file: usize,
    pub line: usize,
    /// JSON Pointer in the document.
    pub pointer: String,
}

/// A value of a document, and its place.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    pub file: usize,
    pub document: usize,
    line: usize,
    pub node: &'a Node,
}

impl<'a> At<'a> {
    pub fn root(file: usize, document: usize, node: &'a Node) -> Self {
        Self { file, document, line: node.line, node }
    }

    pub fn place(self) -> Place {
        Place { file: self.file, line: self.line, pointer: self.node.pointer.clone() }
    }

    /// The member of this name, as [`Node::named`] finds it.
    pub fn member(self, name: &str) -> Option<Self> {
        self.node.named(name).map(|member| self.of(member))
    }

    /// What several names lead to, one below the other.
    pub fn path(self, names: &[&str]) -> Option<Self> {
        names.iter().try_fold(self, |at, name| at.member(name))
    }

    fn of(self, member: &'a NodeMember) -> Self {
        Self { line: member.line, node: &member.value, ..self }
    }

    pub fn members(self) -> impl Iterator<Item = (&'a str, Self)> {
        self.node.members().iter().map(move |member| (member.name.as_str(), self.of(member)))
    }

    pub fn elements(self) -> impl Iterator<Item = Self> {
        self.node.elements().iter().map(move |node| Self { line: node.line, node, ..self })
    }

    /// A typed configuration and its type; of a `TypedStruct` its value and the type that it has.
    pub fn typed(self) -> (Self, Option<&'a str>) {
        let url = self.text_of("@type");
        match (url, self.member("value")) {
            (Some(kind), Some(value)) if kind.ends_with("TypedStruct") => {
                (value, self.text_of("type_url").or(url))
            }
            _ => (self, url),
        }
    }

    /// The elements of the member of this name.
    pub fn list(self, name: &str) -> impl Iterator<Item = Self> {
        self.member(name).into_iter().flat_map(Self::elements)
    }

    pub fn text(self) -> Option<&'a str> {
        self.node.text()
    }

    /// The text of the member of this name.
    pub fn text_of(self, name: &str) -> Option<&'a str> {
        self.member(name).and_then(Self::text)
    }

    pub fn is_true(self, name: &str) -> bool {
        self.member(name).is_some_and(|value| value.node.is_true())
    }

    pub fn is_false(self, name: &str) -> bool {
        self.member(name).is_some_and(|value| value.node.is_false())
    }

    /// The member of this name as [`Node::word`] has it.
    pub fn word_of(self, name: &str, words: &[&'a str]) -> Option<&'a str> {
        self.member(name)?.node.word(words)
    }

    /// Itself and everything in it, from the outside to the inside.
    pub fn within(self) -> Vec<Self> {
        let mut found = vec![self];
        let mut next = 0;
        while let Some(at) = found.get(next).copied() {
            found.extend(at.members().map(|(_, value)| value));
            found.extend(at.elements());
            next += 1;
        }
        found
    }
}

/// The places of the configurations of this filter: its number, by file and document and there by
/// pointer. Many files have many nodes and many configurations, so none is compared with all.
#[derive(Clone, Debug, Default)]
pub struct ConfigPlaces {
    of_documents: BTreeMap<(usize, usize), BTreeMap<String, usize>>,
}

impl ConfigPlaces {
    pub fn insert(&mut self, file: usize, document: usize, pointer: String, number: usize) {
        self.of_documents.entry((file, document)).or_default().entry(pointer).or_insert(number);
    }

    /// All of the document with this value.
    pub fn of_document(&self, at: At<'_>) -> impl Iterator<Item = (&str, usize)> {
        let all = self.of_documents.get(&(at.file, at.document)).into_iter().flatten();
        all.map(|(pointer, number)| (pointer.as_str(), *number))
    }

    /// The configuration whose settings are this value.
    pub fn at(&self, at: At<'_>) -> Option<usize> {
        self.of_documents.get(&(at.file, at.document))?.get(&at.node.pointer).copied()
    }

    /// The first configuration of this filter in a value, at any depth: the outermost, and of
    /// several the one that the file has first.
    pub fn within(&self, at: At<'_>) -> Option<usize> {
        let outer = &at.node.pointer;
        let is_within = |pointer: &str| {
            pointer
                .strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let found = self.of_documents.get(&(at.file, at.document))?.iter();
        let found = found.filter(|(pointer, _)| is_within(pointer));
        found
            .min_by_key(|(pointer, number)| (pointer.matches('/').count(), **number))
            .map(|(_, number)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy_config::{Expected, parse};

    #[test]
    fn the_outermost_configuration_of_a_value_is_the_first() {
        let text = r#"{"a": {"deep": {"er": {}}, "b": {}, "c": {}}, "ab": {}, "none": {}}"#;
        let file = parse(text.as_bytes(), Expected::Anything).unwrap_or_else(|why| panic!("{why}"));
        let [document] = file.documents.as_slice() else { panic!("one document") };
        let root = At::root(0, 0, document);
        let mut places = ConfigPlaces::default();
        for (number, pointer) in ["/ab", "/a/deep/er", "/a/c", "/a/b"].into_iter().enumerate() {
            places.insert(0, 0, pointer.to_owned(), number);
        }
        places.insert(1, 0, "/none".to_owned(), 4);
        for (path, at, within) in [
            (&["a"][..], None, Some(2)),
            (&["a", "deep"], None, Some(1)),
            (&["a", "b"], Some(3), Some(3)),
            (&["ab"], Some(0), Some(0)),
            (&["none"], None, None),
            (&[], None, Some(0)),
        ] {
            let value = root.path(path).unwrap_or_else(|| panic!("{path:?}"));
            assert_eq!((places.at(value), places.within(value)), (at, within), "{path:?}");
        }
    }
}
