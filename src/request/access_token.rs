//! The access token of a request to a protected resource (RFC 6750 §2).

use std::fmt;

use super::fields::SingletonField;
use super::target::names_access_token;
use crate::octets::equal;

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

/// The token behind `Bearer`; `None` = the header is absent, or its scheme is not exactly `Bearer`.
///
/// Schemes have no letter case (RFC 9110 §11.1). `jwt_authn` finds the token behind `Bearer ` alone,
/// so that in another spelling it verifies another token than the backend may read.
///
/// # Errors
/// [`MalformedToken::Repeated`] and [`MalformedToken::NotAToken`].
pub(crate) fn bearer_token(field: SingletonField<'_>) -> Result<Option<&[u8]>, MalformedToken> {
    const SCHEME: &[u8] = b"Bearer";
    let value = match field {
        SingletonField::Absent => return Ok(None),
        SingletonField::Present(value) => value,
        SingletonField::Repeated => return Err(MalformedToken::Repeated),
    };
    let credentials = value.strip_prefix(SCHEME);
    let credentials = credentials.filter(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')));
    let token = credentials.and_then(|rest| rest.strip_prefix(b" "));
    match (token, credentials) {
        (Some(token), _) if is_token68(token) => Ok(Some(token)),
        // Envoy joins two headers by a comma. A backend may read the second one.
        (Some(_) | None, _) if has_second_bearer(value) => Err(MalformedToken::Repeated),
        (_, Some(_)) => Err(MalformedToken::NotAToken),
        (_, None) => Ok(None),
    }
}

/// `token68` of RFC 9110 §11.2, which is `b64token` of RFC 6750 §2.1: no blank, comma or quotation
/// mark, so that every backend reads the same token.
fn is_token68(token: &[u8]) -> bool {
    // Without an early end, because nearly every token is one.
    let others = token
        .iter()
        .fold(0, |others, b| others | OTHER_OCTETS.get(usize::from(*b)).copied().unwrap_or(1));
    !token.is_empty() && others == 0
}

/// 1 for each octet that a token does not have.
const OTHER_OCTETS: [u8; 256] = {
    let mut others = [1; 256];
    let mut octet = 0;
    while octet < others.len() {
        #[allow(clippy::indexing_slicing, reason = "the compiler runs it")]
        {
            let b = octet as u8;
            if b.is_ascii_alphanumeric()
                || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
            {
                others[octet] = 0;
            }
        }
        octet += 1;
    }
    others
};

/// Whether an element behind a comma may be a header of its own with a token.
fn has_second_bearer(value: &[u8]) -> bool {
    value.split(|&b| b == b',').skip(1).any(|element| {
        let start = element.trim_ascii_start().first_chunk::<6>();
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"bearer"))
    })
}

/// Whether `token` is a JWT (RFC 7519 §3) with this payload, as its octets came; `payload` may be
/// padded.
pub(crate) fn has_payload(token: &[u8], payload: &[u8]) -> bool {
    let payload = match payload.iter().rposition(|&b| b != b'=') {
        Some(last) => payload.get(..=last).unwrap_or_default(),
        None => return false,
    };
    let header = token.iter().position(|&b| b == b'.');
    let rest = header.and_then(|dot| token.get(dot + 1..)).unwrap_or_default();
    let Some((segment, signature)) = rest.split_at_checked(payload.len()) else { return false };
    let signature = signature.iter().position(|&b| b != b'=').and_then(|at| signature.get(at..));
    equal(segment, payload)
        && signature.is_some_and(|rest| {
            rest.strip_prefix(b".").is_some_and(|signature| !signature.contains(&b'.'))
        })
}

/// Checks that a form has no token (RFC 6750 §2.2).
///
/// # Errors
/// [`MalformedToken::InForm`].
pub(crate) fn check_form(body: &[u8]) -> Result<(), MalformedToken> {
    if names_access_token(body) { Err(MalformedToken::InForm) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_behind_exactly_bearer() {
        let read = |value: &'static str| bearer_token(SingletonField::Present(value.as_bytes()));
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
        assert_eq!(bearer_token(SingletonField::Absent), Ok(None));
        assert_eq!(bearer_token(SingletonField::Repeated), Err(MalformedToken::Repeated));
    }

    #[test]
    fn the_payload_is_the_second_of_three_segments() {
        for (token, payload, is) in [
            ("h.p.s", "p", true),
            ("h.pq.s", "pq==", true),
            ("h.pq==.s", "pq", true),
            ("h.p.", "p", true),
            (".p.s", "p", true),
            ("h.p", "p", false),
            ("h.p.s.t", "p", false),
            ("h.p.s.t.u", "p", false),
            ("h.pq.s", "p", false),
            ("h.p.s", "pq", false),
            ("p.h.s", "p", false),
            ("h.q.p", "p", false),
            ("h..s", "", false),
            ("h..s", "=", false),
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
