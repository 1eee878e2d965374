//! Paths that an entry of `endpoints` matches.

/// Paths that an entry of `endpoints` matches, `*` and `/**` filled so that they begin with
/// `hint` if they can.
pub fn samples(entry: &str, hint: &str) -> Vec<String> {
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
                let below = if rest.is_empty() { "x".to_owned() } else { rest };
                found.iter_mut().for_each(|path| path.push_str(&format!("/{below}")));
                found.extend(base);
                break;
            }
            "*" if given.is_empty() => "x".to_owned(),
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
        if !hint.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b)) {
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
        ] {
            assert!(
                samples(entry, hint).iter().any(|path| path == wanted),
                "{entry} {hint}: {:?}",
                samples(entry, hint)
            );
        }
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
