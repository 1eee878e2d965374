//! Subject alternative names (RFC 5280 §4.2.1.6), in the forms in which RFC 8705 §2.1.2 compares them.

use std::fmt;
use std::net::IpAddr;

use x509_parser::asn1_rs::Tag;

use super::der::{MalformedDer, Tlv};

/// One alternative name of a type that a client can be registered by, in its canonical form: equal names are equal values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// `dNSName` in lower case, without a trailing dot.
    Dns(Box<str>),
    /// `uniformResourceIdentifier`, byte for byte.
    Uri(Box<str>),
    /// `iPAddress`; an IPv4 address never equals an IPv6 one, mapped or not.
    Ip(IpAddr),
    /// `rfc822Name`: the local part as it stands, the domain in lower case.
    Email(Box<str>),
}

impl AlternativeName {
    /// A registered host name; `*` is a character like any other, because RFC 8705 knows no wildcards.
    #[must_use]
    pub fn dns(text: &str) -> Option<Self> {
        let name = without_trailing_dot(text);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*'))
        };
        (name.len() <= 253 && name.split('.').all(is_label)).then(|| Self::Dns(name.to_ascii_lowercase().into()))
    }

    /// A registered URI: it must be able to stand in an IA5String and have a scheme (RFC 3986 §3).
    #[must_use]
    pub fn uri(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        (is_scheme && !rest.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self::Uri(text.into()))
    }

    /// A registered address: dotted decimal or any RFC 4291 §2.2 form.
    #[must_use]
    pub fn ip(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::Ip)
    }

    /// A registered mailbox.
    #[must_use]
    pub fn email(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let Some(Self::Dns(domain)) = Self::dns(domain) else { return None };
        let is_local = !local.is_empty() && local.bytes().all(|b| b.is_ascii_graphic());
        is_local.then(|| Self::Email(format!("{local}@{domain}").into()))
    }

    /// The names in the value of a `subjectAltName` extension. Other types are passed over, and so is an entry with a
    /// control character or a byte above ASCII, which no registered name can equal.
    pub(super) fn all_from_der(extension: &[u8]) -> Result<Vec<Self>, MalformedDer> {
        let mut names = Vec::new();
        for_each_general_name(extension, |tag, contents| {
            names.extend(Self::from_general_name(tag, contents)?);
            Ok(())
        })?;
        Ok(names)
    }

    fn from_general_name(tag: u32, contents: &[u8]) -> Result<Option<Self>, MalformedDer> {
        let text = || std::str::from_utf8(contents).ok().filter(|text| text.bytes().all(|b| matches!(b, b' '..=b'~')));
        Ok(match tag {
            1 => text().and_then(|text| {
                let (local, domain) = text.rsplit_once('@')?;
                let domain = without_trailing_dot(domain).to_ascii_lowercase();
                Some(Self::Email(format!("{local}@{domain}").into()))
            }),
            2 => text().map(|text| Self::Dns(without_trailing_dot(text).to_ascii_lowercase().into())),
            6 => text().map(|text| Self::Uri(text.into())),
            7 => {
                // RFC 5280: 4 octets for IPv4, 16 for IPv6; 8 and 32 belong to name constraints.
                let address = <[u8; 4]>::try_from(contents).map(IpAddr::from);
                let address = address.or_else(|_| <[u8; 16]>::try_from(contents).map(IpAddr::from));
                Some(Self::Ip(address.map_err(|_| MalformedDer)?))
            }
            _ => None,
        })
    }

    /// Whether both names are of one type.
    #[must_use]
    pub fn is_same_type(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// The types of names that proxies print as they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GeneralNameType {
    Dns,
    Uri,
}

impl GeneralNameType {
    /// The names of these types in the value of a `subjectAltName` extension.
    pub(super) fn all_from_der(extension: &[u8]) -> Result<Vec<(Self, Vec<u8>)>, MalformedDer> {
        let mut names = Vec::new();
        for_each_general_name(extension, |tag, contents| {
            match tag {
                2 => names.push((Self::Dns, contents.to_vec())),
                6 => names.push((Self::Uri, contents.to_vec())),
                _ => {}
            }
            Ok(())
        })?;
        Ok(names)
    }
}

fn for_each_general_name(
    extension: &[u8],
    mut visit: impl FnMut(u32, &[u8]) -> Result<(), MalformedDer>,
) -> Result<(), MalformedDer> {
    let mut rest = Tlv::only(extension)?.contents(Tag::Sequence)?;
    while !rest.is_empty() {
        let (entry, after) = Tlv::next(rest)?;
        let (tag, contents) = entry.context_specific().ok_or(MalformedDer)?;
        visit(tag, contents)?;
        rest = after;
    }
    Ok(())
}

impl fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Uri(uri) => write!(f, "URI:{uri}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Email(mailbox) => write!(f, "email:{mailbox}"),
        }
    }
}

fn without_trailing_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tag: u8, contents: &[u8]) -> Vec<u8> {
        let mut der = vec![0x80 | tag, contents.len() as u8];
        der.extend(contents);
        der
    }

    fn extension(entries: &[Vec<u8>]) -> Vec<u8> {
        let contents = entries.concat();
        let length = contents.len() as u16;
        [&[0x30, 0x82][..], &length.to_be_bytes(), &contents].concat()
    }

    /// Whether a certificate with one entry satisfies `registered`.
    fn satisfies(tag: u8, contents: &[u8], registered: &AlternativeName) -> bool {
        // A length below 128 octets must be written in one octet, so pad with an entry of a type that never counts.
        let filler = entry(8, &[0x2a; 120]);
        let padded = extension(&[filler.clone(), filler, entry(tag, contents)]);
        AlternativeName::all_from_der(&padded).unwrap().contains(registered)
    }

    #[test]
    fn host_names() {
        let registered = AlternativeName::dns("A.example.COM").unwrap();
        for contents in ["a.example.com", "A.EXAMPLE.com.", "a.example.com."] {
            assert!(satisfies(2, contents.as_bytes(), &registered), "{contents}");
        }
        for contents in
            ["*.example.com", "a.example.com\n", "a.example.com\0", "", ".example.com", "a.example.com..", " a.example.com"]
        {
            assert!(!satisfies(2, contents.as_bytes(), &registered), "{contents:?}");
        }
        assert!(!satisfies(6, b"a.example.com", &registered), "a URI is no host name");
        assert!(satisfies(2, b"a.example.com", &AlternativeName::dns("a.example.com.").unwrap()));
        assert!(!satisfies(2, b"8.8.8.8", &AlternativeName::ip("8.8.8.8").unwrap()));
        assert!(satisfies(2, b"*.example.com", &AlternativeName::dns("*.example.com").unwrap()), "the literal text");
    }

    #[test]
    fn addresses() {
        let v6 = AlternativeName::ip("2001:db8::A:1").unwrap();
        assert!(satisfies(7, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa, 0, 1], &v6));
        let mapped = AlternativeName::ip("::ffff:192.0.2.7").unwrap();
        let v4 = AlternativeName::ip("192.0.2.7").unwrap();
        assert!(satisfies(7, &[192, 0, 2, 7], &v4));
        assert!(!satisfies(7, &[192, 0, 2, 7], &mapped));
        assert!(satisfies(7, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7], &mapped));
        for length in [0, 3, 5, 8, 32] {
            assert_eq!(AlternativeName::from_general_name(7, &vec![1; length]), Err(MalformedDer));
        }
    }

    #[test]
    fn uris_and_mailboxes() {
        let uri = AlternativeName::uri("https://example.com/a").unwrap();
        assert!(satisfies(6, b"https://example.com/a", &uri));
        assert!(!satisfies(6, b"HTTPS://example.com/a", &uri));
        let mailbox = AlternativeName::email("ops@example.ORG").unwrap();
        assert!(satisfies(1, b"ops@EXAMPLE.org", &mailbox));
        assert!(!satisfies(1, b"OPS@example.org", &mailbox));
        assert!(!satisfies(1, b"example.org", &mailbox));
    }

    #[test]
    fn what_cannot_be_registered() {
        for text in ["", ".", ".example.com", "a..b", "a b", "a.com/", "a:1", "é.com", "a.com..", &"a".repeat(64)] {
            assert_eq!(AlternativeName::dns(text), None, "{text}");
        }
        for text in ["", "a", "1a:b", ":b", "urn:", "urn: a", "urn:é", "urn:a\n"] {
            assert_eq!(AlternativeName::uri(text), None, "{text}");
        }
        for text in ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4/8", "[::1]", "::1%eth0", "fe80::g"] {
            assert_eq!(AlternativeName::ip(text), None, "{text}");
        }
        for text in ["", "@", "a@", "@b.c", "a b@c.d", "ab", "a@b c"] {
            assert_eq!(AlternativeName::email(text), None, "{text}");
        }
    }

    #[test]
    fn malformed_extensions() {
        for der in [&[][..], &[0x31, 0], &[0x30, 1, 0x82], &[0x30, 2, 0x0c, 0], &[0x30, 0, 0], &[0x30, 3, 0x82, 5, b'a']] {
            assert_eq!(AlternativeName::all_from_der(der), Err(MalformedDer), "{der:?}");
        }
        assert_eq!(AlternativeName::all_from_der(&[0x30, 0]), Ok(vec![]));
    }

    #[test]
    fn the_last_of_many_counts() {
        let mut entries: Vec<Vec<u8>> = (0..400).map(|n| entry(2, format!("n{n}.example.com").as_bytes())).collect();
        entries.push(entry(2, b"last.example.com"));
        let names = AlternativeName::all_from_der(&extension(&entries)).unwrap();
        assert_eq!(names.len(), 401);
        assert_eq!(names.last(), AlternativeName::dns("last.example.com").as_ref());
    }
}
