//! Paths that an entry of `endpoints` matches.

/// Paths that an entry of `endpoints` matches, `*` and `/**` filled so that they begin with
/// `hint` if they can.
pub fn samples(entry: &str, hint: &str) -> Vec<String> {
    samples_filled(entry, hint, "x")
}

/// The same, with `filler` where `hint` says nothing.
pub fn samples_filled(entry: &str, hint: &str, filler: &str) -> Vec<String> {
    let wanted: Vec<&str> = hint.split('/').collect();
    let last = wanted.len().saturating_sub(1);
    let mut found = vec![String::new()];
    let segments: Vec<&str> = entry.split('/').collect();
    for (index, segment) in segments.iter().enumerate().skip(1) {
        let given = wanted.get(index).copied().unwrap_or_default();
        let filled = match *segment {
            "**" if index + 1 == segments.len() => {
                let rest = wanted.get(index..).unwrap_or_default().join("/");
                let base = found.clone();
                let below = if rest.is_empty() { filler.to_owned() } else { rest };
                found.iter_mut().for_each(|path| path.push_str(&format!("/{below}")));
                found.extend(base);
                break;
            }
            "*" if given.is_empty() => filler.to_owned(),
            "*" => given.to_owned(),
            literal if literal.eq_ignore_ascii_case(given) => given.to_owned(),
            literal
                if index == last
                    && literal
                        .get(..given.len())
                        .is_some_and(|front| front.eq_ignore_ascii_case(given)) =>
            {
                format!("{given}{}", literal.get(given.len()..).unwrap_or_default())
            }
            literal => literal.to_owned(),
        };
        found.iter_mut().for_each(|path| path.push_str(&format!("/{filled}")));
    }
    if !hint.is_empty() {
        found.push(hint.to_owned());
        // The route's own spelling of the beginning.
        let entry = found.first().cloned().unwrap_or_default();
        let tails = (1..=entry.len()).filter_map(|at| entry.get(at..));
        if plain_path(hint).is_none() {
            found.extend(tails.map(|tail| format!("{hint}{tail}")).collect::<Vec<_>>());
        }
    }
    found.retain(|path| path.starts_with('/'));
    found
}

/// Other spellings that nearly every backend reads as the same, and few routes do.
pub fn spellings(paths: &[String]) -> Vec<String> {
    paths
        .iter()
        .flat_map(|path| [format!("{}/", path.trim_end_matches('/')), path.to_ascii_uppercase()])
        .collect()
}

/// Further spellings, which backends read as the same unless the gateway in front normalises paths.
pub fn odd_spellings(paths: &[String]) -> Vec<String> {
    let encoded = |path: &String| {
        let (front, last) = path.trim_end_matches('/').rsplit_once('/')?;
        let mut rest = last.chars();
        let first = rest.next().filter(char::is_ascii_alphanumeric)?;
        Some(format!("{front}/%{:02x}{}", u32::from(first), rest.as_str()))
    };
    paths.iter().flat_map(|path| [Some(format!("/{path}")), encoded(path)]).flatten().collect()
}

/// Whether a path of the entry may begin with this text.
pub fn may_begin(entry: &str, begin: &str) -> bool {
    let (mut segments, mut wanted) = (entry.split('/'), begin.split('/').peekable());
    while let Some(given) = wanted.next() {
        let is_last = wanted.peek().is_none();
        let fits = match segments.next() {
            Some("**") => return true,
            Some("*") => true,
            Some(literal) => match literal.get(..given.len()) {
                Some(front) => {
                    front.eq_ignore_ascii_case(given) && (is_last || literal.len() == given.len())
                }
                None => false,
            },
            // Slashes at the end.
            None => given.is_empty(),
        };
        // In another spelling it may.
        if !fits && plain_path(given).is_some() {
            return false;
        }
    }
    true
}

/// A path in lower case that has no other spelling but by letter case and slashes at its end, or
/// none.
pub fn plain_path(path: &str) -> Option<String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
    let has_dots = path.split('/').any(|segment| [".", ".."].contains(&segment));
    let is_plain = path.bytes().all(is_plain) && !path.contains("//") && !has_dots;
    is_plain.then(|| path.to_ascii_lowercase())
}

/// What an entry of `endpoints` gates, in words.
pub fn gated_by(entry: &str) -> String {
    let (base, below) =
        entry.strip_suffix("/**").map_or((entry, ""), |base| (base, " and everything below it"));
    let segments: Vec<&str> = base
        .split('/')
        .map(|segment| if segment == "*" { "<one segment>" } else { segment })
        .collect();
    let path = segments.join("/");
    if path.is_empty() && !below.is_empty() {
        return "every path".to_owned();
    }
    format!("{}{below} in every spelling", if path.is_empty() { "/" } else { &path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_filled_towards_a_route() {
        for (entry, hint, wanted) in [
            ("/token", "", "/token"),
            ("/token", "/to", "/token"),
            ("/token", "/TO", "/TOken"),
            ("/realms/*/token", "/realms/bank/", "/realms/bank/token"),
            ("/realms/*/token", "", "/realms/x/token"),
            ("/oauth/**", "/oauth/a/b", "/oauth/a/b"),
            ("/oauth/**", "", "/oauth"),
            ("/a/b/", "", "/a/b/"),
            ("/token", "/%74o", "/%74oken"),
            ("/token", "/a/../", "/a/../token"),
            ("/token", "/./", "/./token"),
            ("/token", "//", "//token"),
        ] {
            assert!(
                samples(entry, hint).iter().any(|path| path == wanted),
                "{entry} {hint}: {:?}",
                samples(entry, hint)
            );
        }
    }

    #[test]
    fn entries_that_may_begin_like_that() {
        for (entry, begin, wanted) in [
            ("/realms/*/token", "/realms/", true),
            ("/realms/*/token", "/REALMS/bank/to", true),
            ("/realms/*/token", "/static/", false),
            ("/realms/*/token", "/realm/", false),
            ("/realms/*/token", "", true),
            ("/oauth/**", "/oauth/a/b", true),
            ("/oauth/**", "/o", true),
            ("/oauth/**", "/auth/", false),
            ("/token", "/%74oken", true),
            ("/token", "/token/x", false),
        ] {
            assert_eq!(may_begin(entry, begin), wanted, "{entry} {begin}");
        }
    }

    #[test]
    fn further_spellings() {
        let found = odd_spellings(&["/token".to_owned(), "/a/token/".to_owned(), "/".to_owned()]);
        assert_eq!(found, ["//token", "/%74oken", "//a/token/", "/a/%74oken", "//"]);
    }

    #[test]
    fn entries_in_words() {
        for (entry, wanted) in [
            ("/token", "/token in every spelling"),
            (
                "/realms/*/protocol/openid-connect/token",
                "/realms/<one segment>/protocol/openid-connect/token in every spelling",
            ),
            ("/oauth/**", "/oauth and everything below it in every spelling"),
            ("/**", "every path"),
            ("/", "/ in every spelling"),
        ] {
            assert_eq!(gated_by(entry), wanted);
        }
    }
}
