//! The next page of a list: `Link: <target>; rel="next"` (RFC 8288).

/// The target of the first link whose relation types include `next`.
///
/// # Errors
/// The field cannot be read as links: the list may go on at a page that is not found.
pub(in crate::registry) fn next(fields: &str) -> Result<Option<&str>, &'static str> {
    const MALFORMED: &str = "malformed Link header";
    let mut rest = fields.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (target, after) =
            rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or(MALFORMED)?;
        let (is_next, after) = parameters(after).ok_or(MALFORMED)?;
        if is_next {
            return Ok(Some(target));
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    Ok(None)
}

/// Reads the parameters of one link. Returns whether `rel` has the type `next`, and the text after
/// the link.
fn parameters(mut rest: &str) -> Option<(bool, &str)> {
    let mut relation: Option<String> = None;
    loop {
        rest = rest.trim_start();
        let Some(parameter) = rest.strip_prefix(';') else { break };
        let parameter = parameter.trim_start();
        let name_end = parameter.find(|c: char| "=;, \t".contains(c)).unwrap_or(parameter.len());
        let (name, after) = parameter.split_at_checked(name_end)?;
        rest = after.trim_start();
        if let Some(value) = rest.strip_prefix('=') {
            let (value, after) = word(value.trim_start())?;
            // RFC 8288 §3.3: only the first rel counts.
            if name.eq_ignore_ascii_case("rel") && relation.is_none() {
                relation = Some(value);
            }
            rest = after;
        }
    }
    let is_next =
        relation.is_some_and(|types| types.split(' ').any(|one| one.eq_ignore_ascii_case("next")));
    (rest.is_empty() || rest.starts_with(',')).then_some((is_next, rest))
}

/// A token or a quoted string (RFC 9110 §5.6), and the text after it.
fn word(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| ";, \t".contains(c)).unwrap_or(text.len());
        return text.split_at_checked(end).map(|(token, rest)| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(chars.next()?),
            c => value.push(c),
        }
    }
}

/// The path and query to which `target`, a URI reference on the page at `current`, resolves on
/// `authority`.
///
/// # Errors
/// The authority is another one, or a server and this filter might resolve the reference
/// differently.
pub(in crate::registry) fn resolve(
    target: &str,
    current: &str,
    authority: &str,
) -> Result<Box<str>, &'static str> {
    if !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("not a URI reference");
    }
    let target = target.split('#').next().unwrap_or_default();
    let scheme = ["https:", "http:"].into_iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let local = target.get(scheme.map_or(0, str::len)..).unwrap_or_default();
    let path = match local.strip_prefix("//") {
        Some(network) => {
            let end = network.find(['/', '?']).unwrap_or(network.len());
            let (host, path) = network.split_at_checked(end).unwrap_or_default();
            if !host.eq_ignore_ascii_case(authority) {
                return Err("another authority than the registry's");
            }
            if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
        }
        None if scheme.is_some() => return Err("not a URI reference"),
        None if local.starts_with('/') => local.to_owned(),
        None => {
            let base = current.split('?').next().unwrap_or_default();
            if local.is_empty() {
                return Err("the page itself");
            }
            // With a colon, the first segment would begin with a scheme (RFC 3986 §4.2).
            if local.split(['/', '?']).next().is_some_and(|segment| segment.contains(':')) {
                return Err("another scheme than http or https");
            }
            let folder = base.rfind('/').and_then(|end| base.get(..=end)).unwrap_or("/");
            if local.starts_with('?') {
                format!("{base}{local}")
            } else {
                format!("{folder}{local}")
            }
        }
    };
    let is_plain = path
        .split('?')
        .next()
        .unwrap_or_default()
        .split('/')
        .all(|segment| segment != "." && segment != "..");
    if is_plain { Ok(path.into()) } else { Err("a path with dot segments") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_to_the_next_page_is_found() {
        for (fields, expected) in [
            ("", Ok(None)),
            ("</p2>; rel=\"next\"", Ok(Some("/p2"))),
            ("</p2>;rel=next", Ok(Some("/p2"))),
            (
                "</a>; rel=\"prev\", </b> ; title=\"x, <y>; rel=next\" ; REL = \"Last NEXT\"",
                Ok(Some("/b")),
            ),
            ("</a>; rel=prev; rel=next", Ok(None)),
            ("</a>; rel=nextish,</b>; rel=\"next\\\"\"", Ok(None)),
            ("</a>; flag; rel=next", Ok(Some("/a"))),
            (" , </a>; rel=\"ne\\xt\" ,", Ok(Some("/a"))),
            ("/p2; rel=next", Err("malformed Link header")),
            ("</p2>; rel=\"next", Err("malformed Link header")),
            ("</p2> rel=next", Err("malformed Link header")),
            ("</p2", Err("malformed Link header")),
        ] {
            assert_eq!(next(fields), expected, "{fields}");
        }
    }

    #[test]
    fn targets_are_on_the_authority_of_the_registry() {
        let other = Err("another authority than the registry's");
        for (target, expected) in [
            ("/p?x=2", Ok("/p?x=2")),
            ("?page=2", Ok("/v1/clients?page=2")),
            ("page2", Ok("/v1/page2")),
            ("https://Registry:8443/v1?p=2#top", Ok("/v1?p=2")),
            ("HTTP://registry:8443?p=2", Ok("/?p=2")),
            ("//registry:8443/x", Ok("/x")),
            ("https://registry/x", other),
            ("https://registry:8443@evil.example/x", other),
            ("//evil.example/x", other),
            ("https://registry:8443.evil.example/", other),
            ("ftp://registry:8443/x", Err("another scheme than http or https")),
            ("https:/x", Err("not a URI reference")),
            ("/a b", Err("not a URI reference")),
            ("/a\r\nx: y", Err("not a URI reference")),
            ("../x", Err("a path with dot segments")),
            ("/a/../x", Err("a path with dot segments")),
            ("", Err("the page itself")),
            ("#x", Err("the page itself")),
        ] {
            assert_eq!(
                resolve(target, "/v1/clients?page=1", "registry:8443").as_deref(),
                expected.as_deref(),
                "{target}"
            );
        }
    }
}
