//! Which route of a chain gets a request, without a comparison of each path with every route: many
//! files may add their routes to one chain.

use std::collections::{BTreeMap, HashMap};

use crate::lint::endpoints::ListedEndpoint;
use crate::lint::graph::{FilterChain, Route};
use crate::lint::located::Place;
use crate::lint::paths::{Answer, PathMatch, Pattern, Rewrite, plain_path};

/// The routes of a chain, by what they take.
#[derive(Default)]
pub struct RouteOrder {
    /// Those that take all that their path says, by group.
    sure: HashMap<String, SureRoutes>,
    /// Where the first route of a place is.
    positions: BTreeMap<Place, usize>,
    /// By the plain path that they begin with, in lower case, and without a rewrite.
    plain: HashMap<String, Vec<usize>>,
    /// All others.
    odd: Vec<usize>,
}

/// Routes of one group, each with its position; of equal ones the first.
#[derive(Default)]
struct SureRoutes {
    as_written: PathIndex,
    /// In lower case.
    folded: PathIndex,
    /// By the text that all their matches begin with; many routes may have one expression each.
    expressions: HashMap<String, Vec<(usize, PathMatch)>>,
}

/// The positions of routes by their texts.
#[derive(Default)]
struct PathIndex {
    exact: HashMap<String, usize>,
    prefixes: HashMap<String, usize>,
    segments: HashMap<String, usize>,
}

impl RouteOrder {
    pub fn of(chain: &FilterChain) -> Self {
        let mut order = Self::default();
        for (position, route) in chain.routes.iter().enumerate() {
            order.positions.entry(route.place.clone()).or_insert(position);
            if !route.is_conditional {
                order.sure.entry(route.group.clone()).or_default().insert(position, &route.paths);
            }
            match plain_beginning(route).filter(|_| route.rewrite == Rewrite::None) {
                Some(begin) => order.plain.entry(begin).or_default().push(position),
                None => order.odd.push(position),
            }
        }
        order
    }

    /// Whether this route gets a request for the path, and no other before it.
    pub fn takes(&self, route: &Route, path: &str) -> Answer {
        let before = self.positions.get(&route.place).copied().unwrap_or(usize::MAX);
        let is_taken = self.sure.get(&route.group).is_some_and(|sure| sure.take(path, before));
        if is_taken { Answer::No } else { route.paths.takes(path) }
    }

    /// The positions of all routes that may take a path which arrives as the endpoint, and of some
    /// others.
    pub fn candidates(&self, endpoint: &ListedEndpoint, routes: &[Route]) -> Vec<usize> {
        let Some(entry) = endpoint.plain() else { return (0..routes.len()).collect() };
        let begins = (0..=entry.len()).filter_map(|end| self.plain.get(entry.get(..end)?));
        let mut found: Vec<usize> = begins.flatten().chain(&self.odd).copied().collect();
        found.sort_unstable();
        found
    }
}

/// What the paths of a route begin with, in lower case; none where that is not all there is to it.
fn plain_beginning(route: &Route) -> Option<String> {
    match &route.paths.pattern {
        Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Segments(text) => plain_path(text),
        Pattern::Regex(_) | Pattern::Unknown => None,
    }
}

impl SureRoutes {
    fn insert(&mut self, position: usize, paths: &PathMatch) {
        let fold = paths.ignores_case;
        let index = if fold { &mut self.folded } else { &mut self.as_written };
        let (map, text) = match &paths.pattern {
            Pattern::Exact(text) => (&mut index.exact, text),
            Pattern::Prefix(text) => (&mut index.prefixes, text),
            Pattern::Segments(text) => (&mut index.segments, text),
            Pattern::Regex(regex) => {
                let same = self.expressions.entry(regex.sure_prefix()).or_default();
                return same.push((position, paths.clone()));
            }
            // It takes nothing for sure.
            Pattern::Unknown => return,
        };
        let text = if fold { text.to_ascii_lowercase() } else { text.clone() };
        map.entry(text).or_insert(position);
    }

    /// Whether one of those before this position takes the path.
    fn take(&self, path: &str, before: usize) -> bool {
        self.as_written.take(path, before)
            || self.folded.take(&path.to_ascii_lowercase(), before)
            || (0..=path.len())
                .filter_map(|end| self.expressions.get(path.get(..end)?))
                .flat_map(|same| same.iter().take_while(|(position, _)| *position < before))
                .any(|(_, paths)| paths.takes(path) == Answer::Yes)
    }
}

impl PathIndex {
    fn take(&self, path: &str, before: usize) -> bool {
        let is_before =
            |map: &HashMap<String, usize>, text| map.get(text).is_some_and(|at| *at < before);
        if is_before(&self.exact, path) {
            return true;
        }
        (0..=path.len()).any(|end| {
            let Some((begin, rest)) = path.split_at_checked(end) else { return false };
            let is_segment = rest.is_empty() || rest.starts_with('/');
            is_before(&self.prefixes, begin) || (is_segment && is_before(&self.segments, begin))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::paths::Expression;

    const PATHS: [&str; 16] = [
        "", "/", "/a", "/A", "/a/", "/a/b", "/A/b", "/a/b/", "/ab", "/b", "/a//b", "/%61",
        "/a/../b", "/a;x", "/b/a", "/é",
    ];

    fn place(line: usize) -> Place {
        Place { file: 0, line, pointer: String::new() }
    }

    /// Every pattern of every kind, in groups, some of them conditional.
    fn chain() -> FilterChain {
        let mut chain = FilterChain::empty("", place(0));
        let kinds: [fn(String) -> Pattern; 4] = [
            Pattern::Exact,
            Pattern::Segments,
            |text| Pattern::Regex(Expression::whole(&format!("{text}.?"))),
            Pattern::Prefix,
        ];
        // Those that take much come last.
        for text in PATHS.into_iter().rev() {
            for (kind, make) in kinds.into_iter().enumerate() {
                for ignores_case in [false, true] {
                    let number = chain.routes.len();
                    let paths = PathMatch { pattern: make(text.to_owned()), ignores_case };
                    chain.routes.push(Route {
                        group: ["x", "y"][number / 3 % 2].to_owned(),
                        hosts: vec!["*".to_owned()],
                        // Matches of one route have one place.
                        place: place(number / 2),
                        paths,
                        is_conditional: (number + kind).is_multiple_of(5),
                        rewrite: Rewrite::None,
                        internal_redirects: None,
                        destinations: Vec::new(),
                    });
                }
            }
        }
        chain
    }

    #[test]
    fn routes_are_found_as_if_each_were_compared() {
        let chain = chain();
        let order = RouteOrder::of(&chain);
        let mut counted = BTreeMap::new();
        for route in &chain.routes {
            for path in PATHS {
                let before = chain.routes.iter().take_while(|other| other.place != route.place);
                let mut before = before.filter(|other| other.group == route.group);
                let is_taken = before
                    .any(|other| !other.is_conditional && other.paths.takes(path) == Answer::Yes);
                let wanted = if is_taken { Answer::No } else { route.paths.takes(path) };
                assert_eq!(order.takes(route, path), wanted, "{route:?} {path}");
                *counted.entry(format!("{is_taken} {wanted:?}")).or_insert(0) += 1;
            }
        }
        assert!(counted.len() >= 3 && counted.values().all(|times| *times > 20), "{counted:?}");
    }

    #[test]
    fn what_is_no_candidate_takes_no_path_of_the_endpoint() {
        let chain = FilterChain { keeps_spellings: true, keeps_dot_segments: true, ..chain() };
        let order = RouteOrder::of(&chain);
        let mut left_out = 0;
        for entry in ["/a", "/a/b", "/A/B", "/a/b/", "/*", "/a/**", "/a/%62", "/", "/b"] {
            let endpoint = ListedEndpoint::new(0, Some(entry.to_owned()), vec!["*".to_owned()]);
            let candidates = order.candidates(&endpoint, &chain.routes);
            assert!(candidates.is_sorted(), "{candidates:?}");
            for (position, route) in chain.routes.iter().enumerate() {
                let taken = endpoint
                    .outside(route, &chain)
                    .into_iter()
                    .find(|path| route.paths.takes(path) != Answer::No && endpoint.is(path));
                let is_candidate = candidates.contains(&position);
                assert!(is_candidate || taken.is_none(), "{entry} {route:?} {taken:?}");
                left_out += usize::from(!is_candidate);
            }
        }
        assert!(left_out > 150, "{left_out}");
    }
}
