//! Values of documents, and their places.

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

/// The places of the configurations of this filter, by the number of each.
#[derive(Clone, Debug)]
pub struct ConfigPlaces {
    /// File, document, pointer.
    pub places: Vec<Option<(usize, usize, String)>>,
}

impl ConfigPlaces {
    /// The configuration whose settings are this value.
    pub fn at(&self, at: At<'_>) -> Option<usize> {
        let is_it = |place: &Option<(usize, usize, String)>| {
            place.as_ref().is_some_and(|(file, document, pointer)| {
                (*file, *document) == (at.file, at.document) && *pointer == at.node.pointer
            })
        };
        self.places.iter().position(is_it)
    }

    /// The first configuration of this filter in a value, at any depth.
    pub fn within(&self, at: At<'_>) -> Option<usize> {
        at.within().into_iter().find_map(|at| self.at(at))
    }
}
