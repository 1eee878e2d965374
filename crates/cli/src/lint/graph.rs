//! What the rules speak of: ways in, and where each of them leads. Every format becomes this.

use super::paths::{PathMatch, Rewrite};
use crate::document::{Node, NodeMember};

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which of the files that were given.
    pub file: usize,
    pub line: usize,
    /// JSON Pointer in the document.
    pub pointer: String,
}

/// A value of a document, and where it stands.
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
    pub fn said(self, name: &str) -> Option<&'a str> {
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

/// One way in: a filter chain of a listener, or what a gateway serves for some hosts.
#[derive(Clone, Debug)]
pub struct FilterChain {
    /// As "filter chain 0 of the listener \"oauth\"".
    pub title: String,
    /// Where its filters stand.
    pub place: Place,
    pub filters: Vec<Filter>,
    pub routes: Vec<Route>,
    /// What the files do not show of where it leads.
    pub unseen: Vec<(Place, String)>,
    /// Clusters that get its bytes as they come.
    pub raw: Vec<(Place, String)>,
    /// `forward_client_cert_details` with which a client's own header goes on.
    pub forwarded_xfcc: Option<(Place, String)>,
}

impl FilterChain {
    /// The configurations of this filter in it, running or not.
    pub fn configs(&self) -> impl Iterator<Item = usize> {
        self.filters.iter().filter_map(|filter| filter.kind.config())
    }
}

/// An HTTP filter, in the order in which requests meet them.
#[derive(Clone, Debug)]
pub struct Filter {
    pub place: Place,
    pub name: String,
    pub kind: FilterRole,
    /// Off, unless a route turns it on.
    pub is_disabled: bool,
    /// Whether it may stand behind this filter, though it is listed before it.
    pub is_unordered: bool,
    /// Why requests may go past it while it is not there.
    pub gap: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FilterRole {
    /// This filter, with the configuration of this number.
    Ours { config: usize, skips: Option<super::matcher::MatcherTree> },
    /// The router: nothing behind it sees a request.
    Ends,
    /// It leaves the request as it is, or answers it.
    Harmless,
    /// It may change what the backend gets, and how.
    Changes(&'static str),
    /// Nothing is known of it.
    Unknown(String),
}

impl FilterRole {
    pub fn config(&self) -> Option<usize> {
        if let Self::Ours { config, .. } = self { Some(*config) } else { None }
    }
}

#[derive(Clone, Debug)]
pub struct Route {
    /// The first that takes a request wins, among those of one group.
    pub group: String,
    /// Hosts, `*`, `*.suffix` or `prefix.*`.
    pub hosts: Vec<String>,
    pub place: Place,
    pub paths: PathMatch,
    /// Whether it asks for more than the path.
    pub is_conditional: bool,
    pub rewrite: Rewrite,
    /// The `:authority` that the backend gets, where it is another one; within: none where the
    /// files do not say which.
    pub host_rewrite: Option<Option<String>>,
    /// Where it is said that redirects of the backend are followed.
    pub internal_redirects: Option<Place>,
    /// None: it answers, or redirects the client.
    pub targets: Vec<Destination>,
}

#[derive(Clone, Debug)]
pub struct Destination {
    pub cluster: Cluster,
    /// How a request meets this filter on the way; more than one where that depends on the request.
    pub ways: Vec<Way>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cluster {
    Named(String),
    /// A header, a plugin or the like chooses it.
    Unseen(&'static str),
}

#[derive(Clone, Debug)]
pub enum Way {
    /// Each of these configurations decides.
    Runs(Vec<usize>),
    /// A matcher says whether it runs.
    Matched { place: Place, tree: super::matcher::MatcherTree },
    /// It does not run.
    Off { place: Place, why: String, fix: String },
    /// The files do not show whether it runs.
    Unclear { place: Place, why: String },
}

/// A finding that a format makes by itself.
#[derive(Clone, Debug)]
pub struct Remark {
    pub place: Place,
    pub is_error: bool,
    pub message: String,
}

#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub entries: Vec<FilterChain>,
    pub remarks: Vec<Remark>,
}

impl Graph {
    /// The names of everything to which it leads.
    pub fn services(&self) -> Vec<String> {
        let routed =
            self.entries.iter().flat_map(|entry| &entry.routes).flat_map(|route| &route.targets);
        let named = routed.filter_map(|target| match &target.cluster {
            Cluster::Named(name) => Some(name.clone()),
            Cluster::Unseen(_) => None,
        });
        let raw = self.entries.iter().flat_map(|entry| &entry.raw).map(|(_, name)| name.clone());
        named.chain(raw).collect()
    }
}

/// Where the configurations of this filter stand, by the number of each.
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
