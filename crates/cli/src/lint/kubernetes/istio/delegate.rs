//! Matches of a virtual service together with those of the one that delegates to it.

use crate::lint::paths::{PathMatch, Pattern};

/// The paths that both take, and whether these are not followed; none: there are none.
pub fn both(outer: &PathMatch, inner: &PathMatch) -> Option<(PathMatch, bool)> {
    let is_any = |one: &PathMatch| matches!(&one.pattern, Pattern::Prefix(all) if all == "/");
    if is_any(outer) {
        return Some((inner.clone(), false));
    }
    if is_any(inner) {
        return Some((outer.clone(), false));
    }
    let unclear = || Some((PathMatch::unknown(), true));
    if outer.ignores_case || inner.ignores_case {
        return unclear();
    }
    match (&outer.pattern, &inner.pattern) {
        (Pattern::Prefix(begin), Pattern::Exact(path)) => {
            path.starts_with(begin).then(|| (inner.clone(), false))
        }
        (Pattern::Exact(path), Pattern::Prefix(begin)) => {
            path.starts_with(begin).then(|| (outer.clone(), false))
        }
        (Pattern::Exact(one), Pattern::Exact(other)) => {
            (one == other).then(|| (inner.clone(), false))
        }
        (Pattern::Prefix(one), Pattern::Prefix(other)) => {
            if other.starts_with(one) {
                Some((inner.clone(), false))
            } else if one.starts_with(other) {
                Some((outer.clone(), false))
            } else {
                None
            }
        }
        _ => unclear(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_both() {
        let exact = |path: &str| Pattern::Exact(path.to_owned());
        let prefix = |path: &str| Pattern::Prefix(path.to_owned());
        for (outer, inner, wanted) in [
            (prefix("/"), exact("/a"), Some("exact /a")),
            (exact("/a"), prefix("/"), Some("exact /a")),
            (prefix("/a"), exact("/a/b"), Some("exact /a/b")),
            (exact("/a/b"), prefix("/a"), Some("exact /a/b")),
            (prefix("/a"), prefix("/a/b"), Some("prefix /a/b")),
            (prefix("/a/b"), prefix("/a"), Some("prefix /a/b")),
            (prefix("/a"), prefix("/b"), None),
            (exact("/a"), exact("/b"), None),
            (prefix("/a"), Pattern::Unknown, Some("unknown")),
        ] {
            let of = |pattern: Pattern| PathMatch { pattern, ignores_case: false };
            let found = both(&of(outer), &of(inner)).map(|(paths, _)| match paths.pattern {
                Pattern::Exact(path) => format!("exact {path}"),
                Pattern::Prefix(path) => format!("prefix {path}"),
                _ => "unknown".to_owned(),
            });
            assert_eq!(found.as_deref(), wanted);
        }
    }
}
