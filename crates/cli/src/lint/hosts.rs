//! Patterns of hosts: a host, `*`, `*.suffix` or `prefix.*`.

/// A host that a pattern matches.
pub fn example(pattern: &str) -> String {
    filled(pattern, "host", "example")
}

/// A host that a pattern matches and, if it can be so, no other one.
pub fn host_outside(pattern: &str) -> String {
    filled(pattern, "another-host", "another.example")
}

/// A pattern with these in place of its asterisk, at its beginning or at its end.
fn filled(pattern: &str, beginning: &str, end: &str) -> String {
    match (pattern.strip_prefix("*."), pattern.strip_suffix(".*")) {
        (Some(suffix), _) => format!("{beginning}.{suffix}"),
        (_, Some(prefix)) => format!("{prefix}.{end}"),
        _ if pattern == "*" => format!("{beginning}.example"),
        _ => pattern.to_owned(),
    }
}

/// A host that both patterns match.
pub fn common_host(one: &str, other: &str) -> Option<String> {
    let is_below =
        |host: &str, pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix(".*")) {
            (Some(suffix), _) => {
                host.len() > suffix.len()
                    && host.to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase())
            }
            (_, Some(prefix)) => host.starts_with(prefix),
            _ => false,
        };
    if one.eq_ignore_ascii_case(other) || other == "*" || is_below(one, other) {
        Some(example(one))
    } else if one == "*" || is_below(other, one) {
        Some(example(other))
    } else {
        None
    }
}

pub fn host_of_both(ones: &[String], others: &[String]) -> Option<String> {
    ones.iter().find_map(|one| others.iter().find_map(|other| common_host(one, other)))
}
