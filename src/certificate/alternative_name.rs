//! Subject alternative names (RFC 5280 §4.2.1.6), in the forms in which RFC 8705 §2.1.2 compares
//! them.

use std::fmt;
use std::net::IpAddr;

use super::der::{Elements, MalformedDer, Tlv, tag};
use crate::limits;

/// One alternative name of a type by which a client can be registered, in canonical form: equal
/// names are equal values.
///
/// `Display` writes the type and the name, such as `DNS:client.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// `dNSName`, in lower case and without a trailing dot.
    Dns(Box<str>),
    /// `uniformResourceIdentifier`, byte for byte.
    Uri(Box<str>),
    /// `iPAddress`. An IPv4 address never equals an IPv6 address, mapped or not.
    Ip(IpAddr),
    /// `rfc822Name`, with the local part byte for byte and the domain in lower case.
    Email(Box<str>),
}

impl AlternativeName {
    /// A registered host name; `None` = `text` is none. A `*` stands for itself, because RFC 8705
    /// has no wildcards.
    #[must_use]
    pub fn dns(text: &str) -> Option<Self> {
        let name = without_trailing_dot(text);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*'))
        };
        (name.len() <= 253 && name.split('.').all(is_label))
            .then(|| Self::Dns(name.to_ascii_lowercase().into()))
    }

    /// A registered URI; `None` = `text` has no scheme (RFC 3986 §3), or characters other than
    /// visible ASCII.
    #[must_use]
    pub fn uri(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        (is_scheme && !rest.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()))
            .then(|| Self::Uri(text.into()))
    }

    /// A registered address, in dotted decimal or any form of RFC 4291 §2.2; `None` = `text` is
    /// none.
    #[must_use]
    pub fn ip(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::Ip)
    }

    /// A registered mailbox; `None` = `text` has no local part in visible ASCII, or no host name
    /// without a trailing dot behind its last `@` (RFC 5321 §4.1.2).
    #[must_use]
    pub fn email(text: &str) -> Option<Self> {
        let (local, domain) = text.rsplit_once('@')?;
        let Some(Self::Dns(domain)) = Self::dns(domain) else { return None };
        let is_local = !local.is_empty() && local.bytes().all(|b| b.is_ascii_graphic());
        (is_local && !text.ends_with('.')).then(|| Self::Email(format!("{local}@{domain}").into()))
    }

    /// Whether the value of a `subjectAltName` extension has this name. The extension is read to
    /// its end: no name of a malformed extension counts.
    pub(super) fn is_in(&self, extension: &[u8]) -> Result<bool, MalformedDer> {
        let mut is_there = false;
        for entry in general_names(extension)? {
            is_there |= self.is(entry?)?;
        }
        Ok(is_there)
    }

    /// Whether a GeneralName is this name. Nothing is allocated for it, because a certificate may
    /// have thousands of names.
    fn is(&self, entry: Tlv<'_>) -> Result<bool, MalformedDer> {
        Ok(match (self, entry.tag) {
            (Self::Dns(name), DNS) => {
                let found = entry.contents;
                found.strip_suffix(b".").unwrap_or(found).eq_ignore_ascii_case(name.as_bytes())
            }
            (Self::Uri(uri), URI) => uri.as_bytes() == entry.contents,
            (Self::Email(mailbox), EMAIL) => {
                match (mailbox.rsplit_once('@'), split_mailbox(entry.contents)) {
                    (Some((local, domain)), Some((found, of))) => {
                        local.as_bytes() == found && of.eq_ignore_ascii_case(domain.as_bytes())
                    }
                    _ => false,
                }
            }
            (_, IP) => {
                let address = address(entry.contents)?;
                matches!(self, Self::Ip(registered) if *registered == address)
            }
            _ => false,
        })
    }

    /// The names in the value of a `subjectAltName` extension, without those of other types and
    /// those with a control character or an octet above ASCII, which no registered name can equal.
    pub(super) fn all_from_der(extension: &[u8]) -> Result<Vec<Self>, MalformedDer> {
        let names = general_names(extension)?
            .filter_map(|entry| entry.and_then(Self::from_general_name).transpose());
        names.collect()
    }

    fn from_general_name(entry: Tlv<'_>) -> Result<Option<Self>, MalformedDer> {
        let lower = |octets: &[u8]| printable(octets).map(str::to_ascii_lowercase);
        Ok(match entry.tag {
            EMAIL => split_mailbox(entry.contents).and_then(|(local, domain)| {
                Some(Self::Email(format!("{}@{}", printable(local)?, lower(domain)?).into()))
            }),
            DNS => lower(entry.contents.strip_suffix(b".").unwrap_or(entry.contents))
                .map(|name| Self::Dns(name.into())),
            URI => printable(entry.contents).map(|uri| Self::Uri(uri.into())),
            IP => Some(Self::Ip(address(entry.contents)?)),
            _ => None,
        })
    }

    /// The names of this name's type in the value of a `subjectAltName` extension.
    pub(super) fn like(&self, extension: &[u8]) -> Result<FoundNames, MalformedDer> {
        let wanted = match self {
            Self::Email(_) => EMAIL,
            Self::Dns(_) => DNS,
            Self::Uri(_) => URI,
            Self::Ip(_) => IP,
        };
        let mut found = FoundNames::default();
        for (index, entry) in general_names(extension)?.enumerate() {
            let entry = entry?;
            if index == limits::SEARCHED_NAMES {
                found.are_all = false;
                break;
            }
            if entry.tag != wanted {
                continue;
            }
            if found.first.len() < limits::SHOWN_NAMES
                && let Some(name) = Self::from_general_name(entry)?
            {
                found
                    .first
                    .push(name.to_string().chars().take(limits::DETAIL_CHARACTERS).collect());
            }
            found.number += 1;
        }
        Ok(found)
    }
}

/// The alternative names of one type in a certificate, for logs: the first
/// [`limits::SHOWN_NAMES`], and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundNames {
    first: Vec<Box<str>>,
    number: usize,
    are_all: bool,
}

impl Default for FoundNames {
    fn default() -> Self {
        Self { first: Vec::new(), number: 0, are_all: true }
    }
}

impl fmt::Display for FoundNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = limits::SEARCHED_NAMES;
        match (self.first.as_slice(), self.number - self.first.len()) {
            ([], 0) => f.write_str("none of this type")?,
            ([], more) => write!(f, "{more} of this type that are no text")?,
            (first, 0) => f.write_str(&first.join(", "))?,
            (first, more) => write!(f, "{} and {more} more", first.join(", "))?,
        }
        if self.are_all {
            Ok(())
        } else {
            write!(f, ", and has more names than the {entries} that were looked at")
        }
    }
}

/// The types of names that proxies write into headers unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GeneralNameType {
    Dns,
    Uri,
}

impl GeneralNameType {
    /// The names of this type in the value of a `subjectAltName` extension, in its order.
    pub(super) fn all_from_der(self, extension: &[u8]) -> Result<Vec<&[u8]>, MalformedDer> {
        let wanted = match self {
            Self::Dns => DNS,
            Self::Uri => URI,
        };
        let mut found = Vec::new();
        for entry in general_names(extension)? {
            let entry = entry?;
            if entry.tag == wanted {
                found.push(entry.contents);
            }
        }
        Ok(found)
    }
}

// RFC 5280 §4.2.1.6: the tags are implicit, and these four types are strings, so primitive.
const EMAIL: u8 = tag::context(1);
const DNS: u8 = tag::context(2);
const URI: u8 = tag::context(6);
const IP: u8 = tag::context(7);

/// Each GeneralName in the value of a `subjectAltName` extension.
///
/// An entry with a tag of none of the nine types is an error, as in OpenSSL: a constructed string
/// (`a2`), which is BER, a number above 8, or a small number in the form for large ones (`9f02`).
fn general_names(
    extension: &[u8],
) -> Result<impl Iterator<Item = Result<Tlv<'_>, MalformedDer>>, MalformedDer> {
    let contents = Tlv::only(extension)?.contents_of(tag::SEQUENCE)?;
    // otherName, x400Address and ediPartyName are SEQUENCEs. directoryName is a CHOICE, whose tag
    // is always explicit.
    const OTHER_NAME: u8 = tag::context_constructed(0);
    const X400_ADDRESS: u8 = tag::context_constructed(3);
    const DIRECTORY_NAME: u8 = tag::context_constructed(4);
    const EDI_PARTY_NAME: u8 = tag::context_constructed(5);
    const REGISTERED_ID: u8 = tag::context(8);
    Ok(Elements(contents).map(|entry| {
        let entry = entry?;
        match entry.tag {
            EMAIL | DNS | URI | IP | REGISTERED_ID | OTHER_NAME | X400_ADDRESS | DIRECTORY_NAME
            | EDI_PARTY_NAME => Ok(entry),
            _ => Err(MalformedDer),
        }
    }))
}

/// RFC 5280 §4.2.1.6: 4 octets for IPv4, 16 for IPv6. Those of name constraints have 8 and 32.
fn address(octets: &[u8]) -> Result<IpAddr, MalformedDer> {
    let address = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    address.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).map_err(|_| MalformedDer)
}

/// The two sides of the last `@`.
fn split_mailbox(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = octets.iter().rposition(|&octet| octet == b'@')?;
    Some((octets.get(..at)?, octets.get(at + 1..)?))
}

fn printable(octets: &[u8]) -> Option<&str> {
    std::str::from_utf8(octets).ok().filter(|text| text.bytes().all(|b| matches!(b, b' '..=b'~')))
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
        let octets = length.to_be_bytes();
        let length = match length {
            0..0x80 => &octets[1..],
            0x80..0x100 => &[0x81, octets[1]],
            _ => &[0x82, octets[0], octets[1]],
        };
        [&[0x30], length, &contents].concat()
    }

    /// Whether a certificate with one entry satisfies `registered`.
    fn satisfies(tag: u8, contents: &[u8], registered: &AlternativeName) -> bool {
        let extension = extension(&[entry(tag, contents)]);
        let is_there = registered.is_in(&extension).unwrap();
        assert_eq!(
            AlternativeName::all_from_der(&extension).unwrap().contains(registered),
            is_there,
            "{registered}"
        );
        is_there
    }

    #[test]
    fn host_names() {
        let registered = AlternativeName::dns("A.example.COM").unwrap();
        for contents in ["a.example.com", "A.EXAMPLE.com.", "a.example.com."] {
            assert!(satisfies(2, contents.as_bytes(), &registered), "{contents}");
        }
        for contents in [
            "*.example.com",
            "a.example.com\n",
            "a.example.com\0",
            "",
            ".example.com",
            "a.example.com..",
            " a.example.com",
        ] {
            assert!(!satisfies(2, contents.as_bytes(), &registered), "{contents:?}");
        }
        assert!(!satisfies(6, b"a.example.com", &registered), "a URI is no host name");
        assert!(satisfies(2, b"a.example.com", &AlternativeName::dns("a.example.com.").unwrap()));
        assert!(!satisfies(2, b"8.8.8.8", &AlternativeName::ip("8.8.8.8").unwrap()));
        assert!(
            satisfies(2, b"*.example.com", &AlternativeName::dns("*.example.com").unwrap()),
            "the literal text"
        );
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
            let extension = extension(&[entry(7, &vec![1; length])]);
            assert_eq!(AlternativeName::all_from_der(&extension), Err(MalformedDer));
            for registered in
                [AlternativeName::ip("1.1.1.1").unwrap(), AlternativeName::dns("a").unwrap()]
            {
                assert_eq!(registered.is_in(&extension), Err(MalformedDer), "{registered}");
            }
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
        for text in [
            "",
            ".",
            ".example.com",
            "a..b",
            "a b",
            "a.com/",
            "a:1",
            "é.com",
            "a.com..",
            &"a".repeat(64),
        ] {
            assert_eq!(AlternativeName::dns(text), None, "{text}");
        }
        for text in ["", "a", "1a:b", ":b", "urn:", "urn: a", "urn:é", "urn:a\n"] {
            assert_eq!(AlternativeName::uri(text), None, "{text}");
        }
        for text in
            ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4/8", "[::1]", "::1%eth0", "fe80::g"]
        {
            assert_eq!(AlternativeName::ip(text), None, "{text}");
        }
        for text in ["", "@", "a@", "@b.c", "a b@c.d", "ab", "a@b c"] {
            assert_eq!(AlternativeName::email(text), None, "{text}");
        }
    }

    #[test]
    fn malformed_extensions() {
        let registered = AlternativeName::dns("a").unwrap();
        let is_malformed = |der: &[u8]| {
            assert_eq!(AlternativeName::all_from_der(der), Err(MalformedDer), "{der:02x?}");
            assert_eq!(registered.is_in(der), Err(MalformedDer), "{der:02x?}");
        };
        for der in [
            &[][..],
            &[0x31, 0],
            &[0x30, 1, 0x82],
            &[0x30, 2, 0x0c, 0],
            &[0x30, 0, 0],
            &[0x30, 3, 0x82, 5, b'a'],
        ] {
            is_malformed(der);
        }
        assert_eq!(AlternativeName::all_from_der(&[0x30, 0]), Ok(vec![]));
        assert_eq!(registered.is_in(&[0x30, 0]), Ok(false));
        // The right name does not help an extension that is malformed behind it.
        is_malformed(&[0x30, 5, 0x82, 1, b'a', 0x82, 9]);
        is_malformed(&[0x30, 7, 0x82, 1, b'a', 0x87, 2, 1, 1]);
    }

    #[test]
    fn tags_that_no_general_name_has() {
        let registered = AlternativeName::dns("a").unwrap();
        let read = |tag: u8| registered.is_in(&[0x30, 6, 0x82, 1, b'a', tag, 1, b'a']);
        for tag in 0u8..=0xff {
            // Another name behind the right one: those of RFC 5280 §4.2.1.6 are skipped, any other
            // makes the extension malformed.
            let expected = matches!(tag, 0xa0 | 0x81 | 0x82 | 0xa3 | 0xa4 | 0xa5 | 0x86 | 0x88);
            assert_eq!(read(tag), if expected { Ok(true) } else { Err(MalformedDer) }, "{tag:02x}");
        }
        for entry in [
            &[0x9f, 0x02, 1, b'a'][..],
            &[0xa2, 3, 0x16, 1, b'a'],
            &[0x82, 0x81, 1, b'a'],
            &[0x9f, 0x82, 0x02, 1, b'a'],
        ] {
            let extension = [&[0x30, entry.len() as u8][..], entry].concat();
            assert_eq!(registered.is_in(&extension), Err(MalformedDer), "{entry:02x?}");
            let names = GeneralNameType::Dns.all_from_der(&extension);
            assert_eq!(names, Err(MalformedDer), "{entry:02x?}");
        }
    }

    #[test]
    fn many_names_are_searched_and_some_are_shown() {
        let mut entries: Vec<Vec<u8>> =
            (0..400).map(|n| entry(2, format!("n{n}.example.com").as_bytes())).collect();
        entries.push(entry(2, b"last.example.com"));
        let names = AlternativeName::all_from_der(&extension(&entries)).unwrap();
        assert_eq!(names.len(), 401);
        assert_eq!(names.last(), AlternativeName::dns("last.example.com").as_ref());
        assert_eq!(names[400].is_in(&extension(&entries)), Ok(true));
        let found = |extension: &[u8]| names[0].like(extension).unwrap().to_string();
        assert_eq!(
            found(&extension(&entries)),
            "DNS:n0.example.com, DNS:n1.example.com, DNS:n2.example.com, DNS:n3.example.com and \
             397 more"
        );
        assert_eq!(found(&extension(&entries[..2])), "DNS:n0.example.com, DNS:n1.example.com");
        assert_eq!(found(&extension(&[entry(6, b"a:b")])), "none of this type");
        assert_eq!(found(&extension(&[entry(2, b"\x01")])), "1 of this type that are no text");
        let many = vec![entry(2, b"a"); 5_000];
        assert!(
            found(&extension(&many))
                .ends_with(" and 996 more, and has more names than the 1000 that were looked at")
        );
        assert!(found(&extension(&[entry(2, &[b'a'; 30])])).len() < 40);
    }
}
