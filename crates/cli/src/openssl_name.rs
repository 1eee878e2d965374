//! Distinguished names as OpenSSL prints them.

use tls_client_auth::{DistinguishedName, NameError};

/// A name as it was given.
pub struct GivenName {
    pub name: Result<DistinguishedName, NameError>,
    /// Whether it is a line of OpenSSL with the least specific RDN first, which the filter does not
    /// read by itself.
    pub is_reordered: bool,
}

impl GivenName {
    /// Reads a name for the filter, or a line that `openssl x509` prints: `subject=C = JP, O = b`.
    pub fn parse(given: &str) -> Self {
        let Some(line) = without_label(given) else {
            return Self { name: DistinguishedName::parse(given), is_reordered: false };
        };
        let name = DistinguishedName::parse(line);
        // With RFC 2253 as `-nameopt` there is no blank behind a comma, and the order is reversed
        // already.
        let is_reordered = !line.starts_with('/') && has_spaced_separator(line);
        match (name, is_reordered) {
            (Ok(name), true) => {
                let mut rdns: Vec<String> = name.printed_rdns().collect();
                rdns.reverse();
                Self { name: DistinguishedName::parse(&rdns.join(",")), is_reordered }
            }
            (name, _) => Self { name, is_reordered: false },
        }
    }
}

/// What follows `subject=` or `issuer=`, or these words with a colon, as `-text` prints them.
fn without_label(given: &str) -> Option<&str> {
    let given = given.trim();
    ["subject", "issuer"].iter().find_map(|label| {
        let (word, rest) = given.split_at_checked(label.len())?;
        let rest = rest.strip_prefix(['=', ':'])?;
        word.eq_ignore_ascii_case(label).then(|| rest.trim())
    })
}

/// Whether a blank follows a comma between two RDNs.
fn has_spaced_separator(line: &str) -> bool {
    let (mut is_quoted, mut is_escaped, mut before) = (false, false, ' ');
    for c in line.chars() {
        if before == ',' && c == ' ' {
            return true;
        }
        before = if is_quoted || is_escaped { ' ' } else { c };
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
    }
    false
}

/// In a name in OpenSSL's one-line form, `/C=JP/O=Client`: words between a separator and `=` that
/// are no attribute type, so that the filter reads them as a part of the value before them. OpenSSL
/// escapes no slash, and does not say which it was.
pub fn unknown_types(name: &str) -> Vec<&str> {
    if !name.starts_with('/') {
        return Vec::new();
    }
    let separators = name.match_indices(['/', '+']).filter_map(|(at, _)| {
        let is_escaped = name.get(..at)?.ends_with('\\');
        let (word, _) = name.get(at + 1..)?.split_once('=')?;
        let is_word = !word.is_empty()
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        (is_word && !is_escaped).then_some(word)
    });
    let is_type = |word: &str| DistinguishedName::parse(&format!("{word}=x")).is_ok();
    separators.filter(|word| !is_type(word)).collect()
}

/// The doubt about a word of [`unknown_types`].
pub fn doubt(word: &str) -> String {
    format!(
        "\"{word}\" is no attribute type that is known here, so \"/{word}=\" is a part of the \
         value before it; if it begins an RDN, write its object identifier, or the whole name in \
         the form of RFC 4514"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_openssl() {
        for (given, wanted, is_reordered) in [
            ("subject=C = JP, O = \"Client, Inc\", CN = a", "CN=a,O=Client\\, Inc,C=JP", true),
            ("subject=C=JP, O=Client, CN=a", "CN=a,O=Client,C=JP", true),
            ("        Issuer: C = JP, CN = a + OU = b", "CN=a+OU=b,C=JP", true),
            ("subject=CN=a,O=Client\\, Inc,C=JP", "CN=a,O=Client\\, Inc,C=JP", false),
            ("subject=CN=\"a, b\",C=JP", "CN=a\\, b,C=JP", false),
            ("subject= /C=JP/CN=a", "CN=a,C=JP", false),
            ("issuer=CN = a", "CN=a", false),
            // Without a label it is what the filter reads.
            ("C = JP, CN = a", "C=JP,CN=a", false),
        ] {
            let read = GivenName::parse(given);
            let name = read.name.map(|name| name.to_string());
            assert_eq!((name.as_deref(), read.is_reordered), (Ok(wanted), is_reordered), "{given}");
        }
        assert!(GivenName::parse("subject=").name.is_err());
        assert!(GivenName::parse("subject:x").name.is_err());
    }

    #[test]
    fn words_that_are_no_types() {
        for (name, wanted) in [
            ("/C=JP/O=Client/CN=a", &[][..]),
            ("/CN=svc/team=blue", &["team"]),
            ("/CN=a/1.2.3=b/x-y=c+z=d", &["x-y", "z"]),
            ("/CN=a\\/team=b", &[]),
            ("/CN=https://a.example/?b=c", &[]),
            ("CN=svc/team=blue", &[]),
        ] {
            assert_eq!(unknown_types(name), wanted, "{name}");
        }
    }
}
