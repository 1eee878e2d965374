//! Hosts of requests, and the entries of `hosts`.

use std::net::Ipv6Addr;
use std::sync::Arc;

/// An entry of `hosts`, in lower case.
pub(crate) enum HostPattern {
    Exact(Box<str>),
    Suffix(Box<str>),
}

impl HostPattern {
    /// Reads a host without port, or `*.` and a name, which stands for all hosts below that name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_suffix, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if !is_host(name) || (is_suffix && name.starts_with('[')) {
            return None;
        }
        let name = canonical(name);
        Some(if is_suffix {
            Self::Suffix(format!(".{name}").into())
        } else {
            Self::Exact(name.into())
        })
    }

    /// The entry as text, in lower case.
    pub(crate) fn name(&self) -> Arc<str> {
        match self {
            Self::Exact(host) => host.as_ref().into(),
            Self::Suffix(suffix) => format!("*{suffix}").into(),
        }
    }
}

/// The host of `:authority` in lower case, without port and final dot; `None` = it is no host, or
/// has user information (RFC 9110 §4.2.4).
pub(super) fn host_of(authority: &[u8]) -> Option<String> {
    let authority = std::str::from_utf8(authority).ok()?;
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        // The last colon of an IPv6 literal without port is inside the brackets.
        Some((host, port)) if is_port(port) && (!host.starts_with('[') || host.ends_with(']')) => {
            host
        }
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    is_host(host).then(|| canonical(host))
}

/// The name of a TLS handshake in lower case; `None` = it is no host name (RFC 6066 §3), which has
/// neither port nor final dot. What chooses a filter chain and its CAs by the name compares it as
/// it is, so that nothing may be taken off here.
pub(super) fn server_name_of(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    (is_host(name) && !name.starts_with('[')).then(|| name.to_ascii_lowercase())
}

/// A host in lower case, and an IPv6 address in the form of RFC 5952.
fn canonical(host: &str) -> String {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.map_or_else(|| host.to_ascii_lowercase(), |address| format!("[{address}]"))
}

/// A host name or an IPv6 literal in brackets.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // No label is empty.
    let mut was_dot = true;
    for octet in text.bytes() {
        let is_dot = octet == b'.';
        let is_letter = octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        if !is_letter && (!is_dot || was_dot) {
            return false;
        }
        was_dot = is_dot;
    }
    !was_dot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_are_taken_as_they_are() {
        for (name, host) in [
            ("as.example.com", Some("as.example.com")),
            ("AS.Example.com", Some("as.example.com")),
            ("as.example.com.", None),
            ("as.example.com:443", None),
            ("as.example.com:", None),
            ("as.example.com.:443", None),
            (" as.example.com", None),
            ("[2001:db8::1]", None),
            ("", None),
        ] {
            assert_eq!(server_name_of(name.as_bytes()).as_deref(), host, "{name}");
        }
    }

    #[test]
    fn hosts_of_authorities() {
        for (authority, host) in [
            ("as.example.com", Some("as.example.com")),
            ("AS.Example.COM:443", Some("as.example.com")),
            ("as.example.com.:8443", Some("as.example.com")),
            ("[2001:DB8::1]:443", Some("[2001:db8::1]")),
            ("[2001:db8::1]", Some("[2001:db8::1]")),
            ("[2001:DB8:0::0001]:443", Some("[2001:db8::1]")),
            ("[::ffff:c000:201]", Some("[::ffff:192.0.2.1]")),
            ("as.example.com:", Some("as.example.com")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("user@as.example.com", None),
            ("as.example.com:1:443", None),
            ("as.example.com..", None),
            (".as.example.com", None),
            ("as..example.com", None),
            (".", None),
            ("as.ex\u{e4}mple.com", None),
            ("as_1.ex-ample.com", Some("as_1.ex-ample.com")),
            ("[x]", None),
            ("", None),
        ] {
            assert_eq!(host_of(authority.as_bytes()).as_deref(), host, "{authority}");
        }
        assert_eq!(host_of(b"as.example.com\xff"), None);
        assert_eq!(server_name_of(b"\xffas.example.com"), None);
    }
}
