//! `jwks_uri`: where a client publishes its keys itself (RFC 7591 §2, RFC 8705 §2.2.2).

use std::fmt;

use crate::limits;

/// An `https` URI on port 443, with a host name and without user information and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUri {
    host: Box<str>,
    path: Box<str>,
}

const TOO_LONG: &str = "a URI of at most 2048 bytes";

impl JwksUri {
    /// Reads a URI (RFC 3986). Everything that two readers might read as different hosts is
    /// refused.
    ///
    /// # Errors
    /// What is expected.
    #[inline(never)]
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > limits::JWKS_URI_OCTETS {
            return Err(TOO_LONG);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b)) {
            return Err("a URI (RFC 3986)");
        }
        let rest = match text.split_at_checked(8) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https://") => rest,
            _ => return Err("an https URI"),
        };
        if rest.contains('#') {
            return Err("a URI without fragment");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or_default();
        if authority.contains('@') {
            return Err("a URI without user information");
        }
        if authority.starts_with('[') {
            return Err("a host name, not an IP address");
        }
        let host = match authority.split_once(':') {
            Some((host, "443")) => host,
            Some(_) => return Err("port 443"),
            None => authority,
        };
        let path = if path.starts_with('/') { path.into() } else { format!("/{path}").into() };
        let uri = Self { host: host_name(host)?, path };
        // As it is printed, too, because that is what is stored and read again.
        if uri.to_string().len() > limits::JWKS_URI_OCTETS {
            return Err(TOO_LONG);
        }
        Ok(uri)
    }

    /// The host name, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Path and query, at least `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for JwksUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.host, self.path)
    }
}

/// A host name in lower case.
///
/// # Errors
/// What is expected.
#[inline(never)]
pub(crate) fn host_name(text: &str) -> Result<Box<str>, &'static str> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if text.is_empty() || !text.split('.').all(is_label) {
        return Err("a host name in ASCII (A-labels), without a dot at its end");
    }
    let lower = text.to_ascii_lowercase();
    // Resolvers read 127.1, 2130706433 and 0x7f.1 as IPv4 addresses, too.
    let last = lower.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") {
        return Err("a host name, not an IP address");
    }
    Ok(lower.into())
}

/// The hosts whose key sets are fetched: names, and `*.` with a name for all names below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListedHosts(Vec<ListedHost>);

/// An entry of `hosts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedHost {
    name: Box<str>,
    is_suffix: bool,
}

impl ListedHost {
    /// # Errors
    /// What is expected.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, is_suffix) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        Ok(Self { name: host_name(name)?, is_suffix })
    }

    fn has(&self, host: &str) -> bool {
        match host.strip_suffix(&*self.name) {
            Some("") => !self.is_suffix,
            Some(rest) => self.is_suffix && rest.len() > 1 && rest.ends_with('.'),
            None => false,
        }
    }
}

impl ListedHosts {
    pub(crate) fn new(hosts: Vec<ListedHost>) -> Self {
        Self(hosts)
    }

    pub(crate) fn has(&self, uri: &JwksUri) -> bool {
        self.has_host(uri.host())
    }

    /// Whether this host, in lower case, is one of them.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.0.iter().any(|listed| listed.has(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_on_port_443_of_a_host_name() {
        for (text, expected) in [
            ("https://keys.example.com/jwks", Ok("https://keys.example.com/jwks")),
            ("HTTPS://Keys.Example.COM:443/A?b=c", Ok("https://keys.example.com/A?b=c")),
            ("https://keys.example.com", Ok("https://keys.example.com/")),
            ("https://keys.example.com?x=1", Ok("https://keys.example.com/?x=1")),
            ("https://keys.example.com/a@b:1", Ok("https://keys.example.com/a@b:1")),
            ("http://keys.example.com/", Err("an https URI")),
            ("https:/keys.example.com/", Err("an https URI")),
            ("//keys.example.com/", Err("an https URI")),
            ("z", Err("an https URI")),
            ("https://keys.example.com:8443/", Err("port 443")),
            ("https://keys.example.com:/", Err("port 443")),
            ("https://keys.example.com:0443/", Err("port 443")),
            ("https://keys.example.com:443:443/", Err("port 443")),
            ("https://u@keys.example.com/", Err("a URI without user information")),
            ("https://u:p@keys.example.com/", Err("a URI without user information")),
            ("https://keys.example.com/#x", Err("a URI without fragment")),
            ("https://keys.example.com#@evil.example/", Err("a URI without fragment")),
            ("https://keys.example.com\\@evil.example/", Err("a URI (RFC 3986)")),
            ("https://keys.example.com/a b", Err("a URI (RFC 3986)")),
            ("https://keys.example.com/\r\nx: y", Err("a URI (RFC 3986)")),
            ("https://kéys.example.com/", Err("a URI (RFC 3986)")),
            ("https://[::1]/", Err("a host name, not an IP address")),
            ("https://127.0.0.1/", Err("a host name, not an IP address")),
            ("https://127.1/", Err("a host name, not an IP address")),
            ("https://2130706433/", Err("a host name, not an IP address")),
            ("https://0x7f.0.0.0x1/", Err("a host name, not an IP address")),
        ] {
            let read = JwksUri::parse(text).map(|uri| uri.to_string());
            assert_eq!(read.as_deref(), expected.as_ref().map(|text| *text), "{text}");
        }
        for host in ["", ".", "keys.example.com.", "keys..example", "%6beys.example", "k,e.example"]
        {
            let read = JwksUri::parse(&format!("https://{host}/"));
            assert_eq!(read, Err("a host name in ASCII (A-labels), without a dot at its end"));
        }
        let long = format!("{:x<1$}", "https://keys.example.com/", limits::JWKS_URI_OCTETS);
        assert!(JwksUri::parse(&long).is_ok());
        let longer = format!("{long}x");
        assert_eq!(JwksUri::parse(&longer), Err("a URI of at most 2048 bytes"));
    }

    #[test]
    fn hosts_are_listed_by_name_or_below_one() {
        let parse = |text: &str| ListedHost::parse(text).unwrap();
        let listed = ListedHosts::new(vec![parse("Keys.example.com"), parse("*.bank.example")]);
        for (host, expected) in [
            ("keys.example.com", true),
            ("KEYS.EXAMPLE.COM", true),
            ("a.bank.example", true),
            ("a.b.bank.example", true),
            ("bank.example", false),
            ("evilbank.example", false),
            ("a.keys.example.com", false),
            ("xkeys.example.com", false),
            ("keys.example.com.evil.example", false),
            ("example.com", false),
        ] {
            let uri = JwksUri::parse(&format!("https://{host}/")).unwrap();
            assert_eq!(listed.has(&uri), expected, "{host}");
        }
        for text in ["*", "*.", "a.*.b", "**.a", "127.0.0.1", "[::1]", "a:443", "https://a", ""] {
            assert!(ListedHost::parse(text).is_err(), "{text}");
        }
    }
}
