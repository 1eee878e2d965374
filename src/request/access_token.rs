//! The access token of a request to a protected resource (RFC 6750 §2).

use std::fmt;

use super::fields::SingletonField;
use super::target;
use crate::octets::{are_base64url, equal, first};

/// How a request carries a token in a way in which it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MalformedToken {
    /// A name in the query is `access_token` to some backend (RFC 6750 §2.3).
    InQuery,
    /// A name in the form is `access_token` to some backend (RFC 6750 §2.2).
    InForm,
    /// `Authorization` is sent twice.
    Repeated,
    /// What follows `Bearer` is no token (RFC 6750 §2.1).
    NotAToken,
}

impl fmt::Display for MalformedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InQuery => "an access token in the query (RFC 6750 section 2.3)",
            Self::InForm => "an access token in the form (RFC 6750 section 2.2)",
            Self::Repeated => "Authorization is sent twice",
            Self::NotAToken => "what follows Bearer is no token (RFC 6750 section 2.1)",
        })
    }
}

/// The token of a request, behind `Bearer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BearerToken<'a> {
    /// Its octets.
    pub(crate) text: &'a [u8],
    /// Whether its payload was forwarded.
    pub(crate) payload: TokenPayload,
}

/// How the payload segment of a JWT (RFC 7519 §3) compares with the header into which `jwt_authn`
/// writes that of the token that it verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenPayload {
    /// They are equal, and the two other segments are base64url. The octets of the payload itself
    /// were not looked at, because nearly every token was verified, so that its issuer has
    /// written them. Where that is not so, [`BearerToken::check`] must look at them.
    Forwarded,
    /// They differ, or the token is no JWT, or the header came twice.
    Other,
    /// There is no such header.
    NotForwarded,
}

impl BearerToken<'_> {
    /// Looks at every octet of the token.
    ///
    /// # Errors
    /// [`MalformedToken::NotAToken`] and [`MalformedToken::Repeated`].
    pub(crate) fn check(&self) -> Result<(), MalformedToken> {
        if is_token68(self.text) { Ok(()) } else { Err(malformed(self.text)) }
    }
}

/// The token behind `Bearer`; `None` = the header is absent, or its scheme is not exactly `Bearer`.
/// `payload` is the header that the policy names as `payload_header`.
///
/// Schemes have no letter case (RFC 9110 §11.1). `jwt_authn` finds the token behind `Bearer `
/// alone, so that in another spelling it verifies another token than the backend may read.
///
/// # Errors
/// [`MalformedToken::Repeated`] and [`MalformedToken::NotAToken`].
pub(crate) fn bearer_token<'a>(
    authorization: SingletonField<'a>,
    payload: SingletonField<'_>,
) -> Result<Option<BearerToken<'a>>, MalformedToken> {
    const SCHEME: &[u8] = b"Bearer";
    let value = match authorization {
        SingletonField::Absent => return Ok(None),
        SingletonField::Present(value) => value,
        SingletonField::Repeated => return Err(MalformedToken::Repeated),
    };
    let credentials = value.strip_prefix(SCHEME);
    let credentials = credentials.filter(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')));
    let Some(text) = credentials.and_then(|rest| rest.strip_prefix(b" ")) else {
        return match (credentials, malformed(value)) {
            (None, MalformedToken::NotAToken) => Ok(None),
            (_, error) => Err(error),
        };
    };
    let payload = match payload {
        SingletonField::Present(payload) if has_payload(text, payload) => {
            return Ok(Some(BearerToken { text, payload: TokenPayload::Forwarded }));
        }
        SingletonField::Absent => TokenPayload::NotForwarded,
        _ => TokenPayload::Other,
    };
    let token = BearerToken { text, payload };
    token.check().map(|()| Some(token))
}

/// How a value is malformed that is not one token. Envoy joins two headers by a comma, of which a
/// backend may read the second one.
fn malformed(value: &[u8]) -> MalformedToken {
    if has_second_bearer(value) { MalformedToken::Repeated } else { MalformedToken::NotAToken }
}

/// `token68` of RFC 9110 §11.2, which is `b64token` of RFC 6750 §2.1: no blank, comma or quotation
/// mark, so that every backend reads the same token.
pub(super) fn is_token68(token: &[u8]) -> bool {
    !token.is_empty() && token.iter().all(|b| is_of_token(*b))
}

fn is_of_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// Whether an element behind a comma may be a header of its own with a token.
fn has_second_bearer(value: &[u8]) -> bool {
    value.split(|&b| b == b',').skip(1).any(|element| {
        let start = element.trim_ascii_start().first_chunk::<6>();
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"bearer"))
    })
}

/// Whether `token` is a JWT (RFC 7519 §3) with this payload, as its octets came; `payload` may be
/// padded. The other two segments are base64url (RFC 7515 §2) and not empty: a backend that skips
/// or translates other octets would read another token than the one that was verified.
fn has_payload(token: &[u8], payload: &[u8]) -> bool {
    let payload = match payload.iter().rposition(|&b| b != b'=') {
        Some(last) => payload.get(..=last).unwrap_or_default(),
        None => return false,
    };
    let Some((head, rest)) = first(token, b'.').and_then(|dot| token.split_at_checked(dot)) else {
        return false;
    };
    let rest = rest.get(1..).unwrap_or_default();
    let Some((segment, rest)) = rest.split_at_checked(payload.len()) else { return false };
    let padding = rest.iter().take_while(|&&b| b == b'=').count();
    let signature = rest.get(padding..).and_then(|rest| rest.strip_prefix(b"."));
    let is_segment = |text: &[u8]| !text.is_empty() && are_base64url(text);
    equal(segment, payload) && is_segment(head) && signature.is_some_and(is_segment)
}

/// Checks that a form has no token (RFC 6750 §2.2).
///
/// # Errors
/// [`MalformedToken::InForm`].
pub(crate) fn check_form(body: &[u8]) -> Result<(), MalformedToken> {
    if target::has_access_token(body) { Err(MalformedToken::InForm) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_behind_exactly_bearer() {
        let read = |value: &'static str| {
            let value = SingletonField::Present(value.as_bytes());
            let token = bearer_token(value, SingletonField::Absent)?;
            Ok(token.map(|token| {
                assert_eq!(token.payload, TokenPayload::NotForwarded);
                token.text
            }))
        };
        assert_eq!(read("Bearer mF_9.B5f-4.1JqM"), Ok(Some(&b"mF_9.B5f-4.1JqM"[..])));
        assert_eq!(read("Bearer a~+/=="), Ok(Some(&b"a~+/=="[..])));
        for missing in [
            "",
            "bearer a",
            "BEARER a",
            "Bearera",
            "DPoP a",
            "Basic YTpi",
            "Basic a, Bearing b",
            "Digest username=\"a\", realm=\"b\"",
            " Bearer a",
            "Token Bearer a",
        ] {
            assert_eq!(read(missing), Ok(None), "{missing}");
        }
        for malformed in [
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer\ta",
            "Bearer a b",
            "Bearer a\t",
            "Bearer a,b",
            "Bearer \"a\"",
            "Bearer a;b",
            "Bearer a, Basic YTpi",
            "Bearer \u{e9}",
        ] {
            assert_eq!(read(malformed), Err(MalformedToken::NotAToken), "{malformed}");
        }
        for repeated in
            ["Bearer a,Bearer b", "Bearer a, bearer b", "Basic YTpi,BEARER b", ",Bearer b"]
        {
            assert_eq!(read(repeated), Err(MalformedToken::Repeated), "{repeated}");
        }
        let absent = SingletonField::Absent;
        assert_eq!(bearer_token(absent, absent), Ok(None));
        let repeated = bearer_token(SingletonField::Repeated, absent);
        assert_eq!(repeated, Err(MalformedToken::Repeated));
    }

    /// Where its payload was forwarded, the octets of the payload alone are left to
    /// [`BearerToken::check`].
    #[test]
    fn no_octet_is_forgotten() {
        for octet in 0..=255 {
            let is_of_token = is_of_token(octet);
            for place in 0..60 {
                let mut value = format!("Bearer {0}.{0}.{0}", "a".repeat(19)).into_bytes();
                value[7 + place.min(58)] = octet;
                let value = SingletonField::Present(&value[..]);
                for payload in [&b"aaaaaaaaaaaaaaaaaaa"[..], b"b", &[octet; 1]] {
                    let read = bearer_token(value, SingletonField::Present(payload));
                    let is_refused = !matches!(read, Ok(Some(token)) if token.check().is_ok());
                    assert_eq!(is_refused, !is_of_token, "{octet} at {place}: {read:?}");
                }
            }
        }
        let payload = SingletonField::Present(&b"a b"[..]);
        let token = bearer_token(SingletonField::Present(b"Bearer h.a b.s"), payload);
        let token = token.unwrap().unwrap();
        assert_eq!(token.payload, TokenPayload::Forwarded);
        assert_eq!(token.check(), Err(MalformedToken::NotAToken));
    }

    #[test]
    fn the_payload_is_the_second_of_three_segments() {
        for (token, payload, is) in [
            ("h.p.s", "p", true),
            ("h.pq.s", "pq==", true),
            ("h.pq==.s", "pq", true),
            ("h-_9.p.s-_9", "p", true),
            ("h.p.", "p", false),
            (".p.s", "p", false),
            ("~h.p.s", "p", false),
            ("/h.p.s", "p", false),
            ("h+.p.s", "p", false),
            ("h=.p.s", "p", false),
            ("h.p.s=", "p", false),
            ("h.p.~s", "p", false),
            ("h.p.s/0123456789012345", "p", false),
            ("0123456789012345+.p.s", "p", false),
            ("h.p", "p", false),
            ("h.p.s.t", "p", false),
            ("h.p.s.t.u", "p", false),
            ("h.pq.s", "p", false),
            ("h.p.s", "pq", false),
            ("p.h.s", "p", false),
            ("h.q.p", "p", false),
            ("h..s", "", false),
            ("h..s", "=", false),
            ("h .p.s", "p", false),
            ("h.p.s ", "p", false),
            ("h.p.s,Bearer h.p.s", "p", false),
            ("h.p=", "p", false),
            ("opaque", "opaque", false),
            ("", "p", false),
        ] {
            assert_eq!(has_payload(token.as_bytes(), payload.as_bytes()), is, "{token} {payload}");
        }
    }

    #[test]
    fn tokens_in_forms() {
        for body in [
            "access_token=a",
            "a=b&access_token=c",
            "a=b;access_token=c",
            "%61ccess_token=a",
            "access_token[]=a",
            "Access_Token=a",
            "access.token=a",
            "access_token%00=a",
            "\u{feff}access_token=a",
            "access_token",
        ] {
            assert_eq!(check_form(body.as_bytes()), Err(MalformedToken::InForm), "{body}");
        }
        for body in ["", "a=access_token", "access=a&token=b", "refresh_token=a", "access_tokens=a"]
        {
            assert_eq!(check_form(body.as_bytes()), Ok(()), "{body}");
        }
    }
}
