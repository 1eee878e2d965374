//! The request target (RFC 9112 §3.2), and the credentials that its query must not carry.

use super::credential::{SHORTEST, names_access_token, reads_as_credential};
use super::{form, path};
use crate::{limits, percent};

/// A request target: the value of `:path`, split into path and query.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    path: &'a [u8],
    is_plain: bool,
    query: &'a [u8],
}

impl<'a> Target<'a> {
    /// Splits `:path` at its first `?` or `#`.
    ///
    /// A request should have no fragment. One before the query is dropped with all that follows;
    /// one within the query stays part of it, because some servers do not know fragments.
    #[must_use]
    pub fn new(path: &'a [u8]) -> Self {
        let (length, is_plain) = path::measure(path);
        let (path, rest) = path.split_at_checked(length).unwrap_or_default();
        Self { path, is_plain, query: rest.strip_prefix(b"?").unwrap_or_default() }
    }

    /// The path without the query.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        self.path
    }

    /// Whether no rule by which backends read paths changes more than the letter case of the path.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The first name in the query that some backend reads as a credential (RFC 6749 §2.3.1:
    /// credentials must not be in the request URI) or as a Request Object.
    ///
    /// A query that a backend finds only after it decoded the path counts too, and so do
    /// the parameters of a path's segments (RFC 3986 §3.3): some servers take a `client_id` there.
    #[must_use]
    pub fn credential_in_query(&self) -> Option<String> {
        self.name_in_query(|name| reads_as_credential(name).is_some())
    }

    /// Whether some backend finds an access token in the query (RFC 6750 §2.3).
    #[must_use]
    pub(crate) fn has_access_token(&self) -> bool {
        self.name_in_query(names_access_token).is_some()
    }

    fn name_in_query(&self, is_wanted: fn(&str) -> bool) -> Option<String> {
        let has = |mark| self.path.contains(&mark);
        let has_parameters = !self.is_plain && (has(b'%') || has(b';'));
        if self.query.is_empty() && !has_parameters {
            return None;
        }
        let (decoded, _) = path::decoded(self.path);
        let mark = decoded.iter().position(|b| matches!(b, b'?' | b';'));
        let hidden = mark.and_then(|place| decoded.get(place..)).unwrap_or_default();
        // It begins behind the first mark or a later one, if a server decodes less.
        let forms = std::iter::once(self.query).chain(hidden.split(|&b| b == b'?'));
        find_name(forms, is_wanted)
    }
}

/// Whether some backend finds an access token in a form (RFC 6750 §2.2).
pub(super) fn has_access_token(form: &[u8]) -> bool {
    find_name(std::iter::once(form), names_access_token).is_some()
}

/// The first name in forms that is wanted in some reading.
fn find_name<'a>(
    forms: impl Iterator<Item = &'a [u8]>,
    is_wanted: fn(&str) -> bool,
) -> Option<String> {
    let names = forms.flat_map(|form| {
        // Some servers separate by semicolons too.
        form.split(|b| matches!(b, b'&' | b';' | b'#'))
            .map(|sequence| sequence.split(|&b| b == b'=').next().unwrap_or_default())
    });
    let mut malformed = 0;
    names.filter(|name| name.len() >= SHORTEST.len()).find_map(|name| match form::decode(name) {
        Ok(name) => is_wanted(&name).then(|| name.into_owned()),
        Err(_) => {
            malformed += 1;
            let mut readings = decode_leniently(name).into_iter();
            readings.find(|name| malformed > limits::MALFORMED_QUERY_NAMES || is_wanted(name))
        }
    })
}

/// What lenient readers make of a name that is not well-formed: escapes without two hexadecimal
/// digits stay, `%uXXXX` is a character (.NET), and octets that are not UTF-8 are replaced, or
/// read as Latin-1.
fn decode_leniently(name: &[u8]) -> [String; 2] {
    let spaced: Vec<u8> = name.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    let octets = percent::decode_utf16(&spaced);
    let octets = percent::decode(&octets);
    [
        String::from_utf8_lossy(&octets).into_owned(),
        octets.iter().map(|&octet| char::from(octet)).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn malformed_names_are_read_leniently() {
        for (name, reads) in [
            (&b"client_id%00%ff"[..], true),
            (b"client_id[%ff]", true),
            (b"client_id[%zz]", true),
            (b"%u0063lient_id", true),
            (b"%U0063lient%u005Fsecret", true),
            (b"client_id%A0", true),
            (b"client+id[%", true),
            (b"client+id%", false),
            (b"%zzclient_id", false),
            (b"client_id%ff", false),
            (b"%u00", false),
            (b"%", false),
        ] {
            let found =
                decode_leniently(name).iter().any(|name| reads_as_credential(name).is_some());
            assert_eq!(found, reads, "{name:?}");
        }
    }

    #[test]
    fn credentials_in_the_query() {
        let found = |path: &str| Target::new(path.as_bytes()).credential_in_query();
        for (path, name) in [
            ("/token?client_id=a", "client_id"),
            ("/token?a=b&client%5Fsecret=a", "client_secret"),
            ("/token?a;client_assertion", "client_assertion"),
            ("/token?client_assertion_type=a", "client_assertion_type"),
            ("/token?Client_Id[]=a", "Client_Id[]"),
            ("/token%3Fclient_id=a", "client_id"),
            ("/token%253Fclient_id=a", "client_id"),
            ("/token?%zz=1&client_id=a", "client_id"),
            ("/token?client_id%00x=a", "client_id\0x"),
            ("/token?client_id%00%ff=a", "client_id\0\u{fffd}"),
            ("/token?client_id[%zz]=a", "client_id[%zz]"),
            ("/token?%u0063lient_secret=a", "client_secret"),
            ("/token%3F%u0063lient_id=a", "client_id"),
            ("/token?client_id%A0=a", "client_id\u{a0}"),
            ("/token?a#&client_id=a", "client_id"),
            ("/token?a#client_id=a", "client_id"),
            ("/token;client_id=a", "client_id"),
            ("/token;a=b;client_secret=a", "client_secret"),
            ("/token%3Bclient_id=a", "client_id"),
            ("/token%253bclient_id=a", "client_id"),
            ("/;client_id=a/token", "client_id"),
            ("/a;b=c/d;client_assertion=e/token", "client_assertion"),
            ("/token;%63lient_id=a", "client_id"),
            ("/token;%u0063lient_id=a", "client_id"),
            ("/token;a?client_id=b", "client_id"),
            ("/token%u003Fclient_id=a", "client_id"),
            ("/token%u003Bclient_id=a", "client_id"),
            ("/token%25253Fclient_id=a", "client_id"),
            ("/token%253Fa%3Fclient_id=b", "client_id"),
            ("/token?request=e30.e30.", "request"),
            ("/token?a=b&%52equest[]=x", "Request[]"),
        ] {
            assert_eq!(found(path).as_deref(), Some(name), "{path}");
        }
        for (number, is_refused) in [(64, false), (65, true)] {
            assert_eq!(
                found(&format!("/token?{}", "%ffclientele&".repeat(number))).is_some(),
                is_refused,
                "{number}"
            );
        }
        for path in [
            "/token",
            "/token?",
            "/token?clientid=a&scope=client_id",
            "/client_id",
            "/token?%ff=a",
            "/token#client_id=a",
            "/token;jsessionid=a",
            "/token;a=client_id/client_id",
            "/token?requests=a&request_uris=b&reques=c&authorization_details=d",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_target_gets_an_answer(path in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Target::new(&path).credential_in_query();
        }
    }
}
