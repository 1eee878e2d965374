//! Names of authentication methods of clients (contract §3).

use crate::json::{Json, JsonError};

/// The name of a method; one that is nearly a TLS method, or means one, is refused.
pub(super) fn method_name(json: &Json) -> Result<&str, JsonError> {
    let name = json.string("the name of an authentication method")?;
    if name.is_empty() {
        return Err(JsonError::expected("the name of an authentication method"));
    }
    // Any other method is left to the backend, so with a misspelt name a client would pass without
    // its certificate.
    let folded = letters(name);
    let is_near = |known: &&str| strsim::osa_distance(&letters(known), &folded) <= 2;
    match TLS_METHODS.into_iter().find(is_near) {
        Some(known) if known == name => Ok(name),
        Some(known) => Err(JsonError::new(format!("unknown method; did you mean \"{known}\"?"))),
        None if MUTUAL_TLS.into_iter().any(|part| folded.contains(part)) => Err(JsonError::new(
            format!("unknown method of mutual TLS; expected {}", TLS_METHODS.join(" or ")),
        )),
        None if UNKNOWN.contains(&&*folded)
            || name.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) =>
        {
            Err(JsonError::expected("the name of one authentication method"))
        }
        None => Ok(name),
    }
}

/// The member (RFC 7591 §2).
pub(super) const METHOD: &str = "token_endpoint_auth_method";

/// The two methods of RFC 8705.
const TLS_METHODS: [&str; 2] = ["tls_client_auth", "self_signed_tls_client_auth"];

/// Parts of names that other servers give to one of the two methods, and to no other method; folded
/// as by [`letters`].
const MUTUAL_TLS: [&str; 5] = ["tlsclient", "selfsignedtls", "mutualtls", "mtls", "x509"];

/// Words that name no method, folded: the client may have any, also one of the two.
const UNKNOWN: [&str; 6] = ["unspecified", "undefined", "unknown", "default", "any", "multiple"];

/// Refuses an entry by which the client of this method has another one, too (contract §3): at the
/// same endpoint, where one of the two is a TLS method; or a TLS method at another endpoint, where
/// the filter would take less than the server asks for. Two methods that the backend checks are its
/// matter, and a client that registered a TLS method needs its certificate at every gated endpoint.
#[inline(never)]
pub(super) fn refuse_others(entry: &Json, method: &str) -> Result<(), JsonError> {
    let check = |json: &Json, is_same_endpoint: bool| match json {
        Json::Null => Ok(()),
        Json::String(text) if text.is_empty() => Ok(()),
        json => {
            if contradicts(method, method_name(json)?, is_same_endpoint) {
                return Err(JsonError::new(format!("a second method beside \"{method}\"")));
            }
            Ok(())
        }
    };
    let members = if let Json::Object(members) = entry { members.as_slice() } else { &[] };
    const SHORTEST: usize = "endpointauthmethod".len();
    for (name, value) in members {
        if name.len() < SHORTEST || name == METHOD {
            continue;
        }
        // `revocation_endpoint_auth_method`, `additional_token_endpoint_auth_methods`.
        if let Some(endpoint) =
            letters(name).trim_end_matches('s').strip_suffix("endpointauthmethod")
        {
            let is_same = endpoint.is_empty() || endpoint.ends_with("token");
            let checked = match value {
                Json::Array(methods) => methods.iter().try_for_each(|one| check(one, is_same)),
                one => check(one, is_same),
            };
            checked.map_err(|error| error.within(name))?;
        }
    }
    Ok(())
}

fn contradicts(method: &str, other: &str, is_same_endpoint: bool) -> bool {
    let is_tls = |method| TLS_METHODS.contains(&method);
    other != method && (is_tls(other) || is_same_endpoint && is_tls(method))
}

/// Whether this is the name of a method that the backend checks.
pub(crate) fn is_of_backend(name: &str) -> bool {
    !TLS_METHODS.contains(&name) && method_name(&Json::String(name.to_owned())).is_ok()
}

/// The ASCII letters and digits of a name, in lower case.
#[inline(never)]
pub(super) fn letters(name: &str) -> String {
    let mut letters = String::with_capacity(name.len());
    for octet in name.bytes().filter(u8::is_ascii_alphanumeric) {
        letters.push(char::from(octet.to_ascii_lowercase()));
    }
    letters
}
