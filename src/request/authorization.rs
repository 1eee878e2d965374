//! The `Authorization` header (RFC 9110 §11.6.2): its scheme, and for Basic the client (RFC 6749
//! §2.3.1).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::access_token::is_token68;
use super::error::AuthorizationError;
use super::fields::SingletonField;
use super::form;
use super::head::is_token;

/// Standard base64. Padding is optional, because backends differ in whether they require it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// As nginx decodes it, which takes no notice of bits that are left over.
const BASE64_OF_NGINX: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// One readable `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorization {
    /// HTTP Basic (RFC 7617) with the form-decoded user name. The password is not kept.
    Basic {
        /// RFC 6749 §2.3.1: the client identifier.
        client_id: String,
        /// Whether a server that does not form-decode user names reads another identifier.
        is_form_encoded: bool,
    },
    /// An access token (RFC 6750, RFC 9449), which does not authenticate the client that sends it.
    Token,
    /// Any other scheme.
    Other,
}

const BASIC: &[u8] = b"basic";

impl Authorization {
    /// Reads the header of a request, which has it at most once.
    ///
    /// # Errors
    /// [`AuthorizationError`].
    #[inline(never)]
    pub(crate) fn read(field: SingletonField<'_>) -> Result<Option<Self>, AuthorizationError> {
        match field {
            SingletonField::Absent => Ok(None),
            SingletonField::Present(value) => Self::parse(value).map(Some),
            SingletonField::Repeated => Err(AuthorizationError::Repeated),
        }
    }

    /// Reads the value of the header.
    ///
    /// # Errors
    /// [`AuthorizationError`].
    pub(crate) fn parse(value: &[u8]) -> Result<Self, AuthorizationError> {
        // Envoy joins two headers by a comma. The credentials of the second one must not be
        // overlooked.
        if value.contains(&b',') {
            return Err(AuthorizationError::Repeated);
        }
        let value = value.trim_ascii();
        let end = value.iter().position(|&b| b == b' ' || b == b'\t').unwrap_or(value.len());
        let (scheme, credentials) = value.split_at(end);
        if !is_token(scheme) {
            return Err(AuthorizationError::Scheme);
        }
        if !scheme.eq_ignore_ascii_case(BASIC) {
            if resembles_basic(value) || names_client(credentials) {
                return Err(AuthorizationError::Scheme);
            }
            let is_access_token =
                [&b"bearer"[..], b"dpop"].iter().any(|token| scheme.eq_ignore_ascii_case(token));
            if !is_access_token {
                return Ok(Self::Other);
            }
            // SimpleIdServer finds Basic in it, also where blanks divide it.
            let token = credentials.trim_ascii();
            let is_token = token.is_empty() || is_token68(token);
            return if is_token { Ok(Self::Token) } else { Err(AuthorizationError::Token) };
        }
        let decoded =
            BASE64.decode(credentials.trim_ascii()).map_err(|_| AuthorizationError::Base64)?;
        let text = String::from_utf8(decoded).map_err(|_| AuthorizationError::NotText)?;
        if text.contains(|c: char| c.is_control()) {
            return Err(AuthorizationError::NotText);
        }
        let (user, _password) = text.split_once(':').ok_or(AuthorizationError::NoColon)?;
        let client_id =
            form::decode(user.as_bytes()).map_err(|_| AuthorizationError::NotFormEncoded)?;
        Ok(Self::Basic { is_form_encoded: client_id != user, client_id: client_id.into_owned() })
    }
}

/// Whether some server may find Basic in a header of another scheme. Some look for the letters
/// alone, and read what follows them or the blank as credentials: Keycloak and Spring Security
/// `Basic- YTpi`, bshaffer/oauth2-server-php `Basic-YTpi`, passport-http `XBasic YTpi`; Kong and
/// RoadRunner's bundle for Symfony `Bearer basic YTpi`, and Kong within a word, too, where it looks
/// for the first `[Bb]asic`.
fn resembles_basic(value: &[u8]) -> bool {
    let (mut is_scheme, mut is_first, mut before) = (true, true, b' ');
    for (place, part) in value.windows(BASIC.len()).enumerate() {
        if part.eq_ignore_ascii_case(BASIC) {
            if is_scheme || before.is_ascii_whitespace() {
                return true;
            }
            if part.ends_with(b"asic") && std::mem::take(&mut is_first) {
                let after = value.get(place + BASIC.len()..).unwrap_or_default();
                if names_client_to_nginx(after) {
                    return true;
                }
            }
        }
        before = part.first().copied().unwrap_or_default();
        is_scheme &= !before.is_ascii_whitespace();
    }
    false
}

/// Whether these are the credentials of Basic in either alphabet, which some servers take for Basic
/// behind `Bearer` (SimpleIdServer) or any scheme (Rauthy). Hardly any access token is: the parts
/// of a JWT are separated by dots, and what is JSON has its colon behind a brace.
fn names_client(credentials: &[u8]) -> bool {
    if credentials.contains(&b'.') {
        return false;
    }
    let octets = credentials.trim_ascii().iter();
    let standard = octets.map(|octet| match octet {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    });
    let standard: Vec<u8> = standard.filter(|octet| *octet != b'=').collect();
    let decoded = BASE64_OF_NGINX.decode(standard).unwrap_or_default();
    let text = std::str::from_utf8(&decoded).unwrap_or_default();
    let user = text.split_once(':').map_or("", |(user, _)| user);
    !user.is_empty() && !user.starts_with(['{', '['])
}

/// Whether nginx, of which Kong is made, decodes `text` up to the first `=` to a user name. Hardly
/// any access token does: it has the other letters of base64url, or decodes to no text.
fn names_client_to_nginx(text: &[u8]) -> bool {
    let text = text.trim_ascii().split(|&octet| octet == b'=').next().unwrap_or_default();
    let decoded = BASE64_OF_NGINX.decode(text).unwrap_or_default();
    // Kong takes a client without a secret where there is no colon.
    let user = decoded.split(|&octet| octet == b':').next().unwrap_or_default();
    std::str::from_utf8(user).is_ok_and(|user| !user.is_empty() && !user.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

    use super::*;

    #[test]
    fn readable_headers() {
        let basic = |client_id: &str, is_form_encoded| {
            Ok(Authorization::Basic { client_id: client_id.to_owned(), is_form_encoded })
        };
        for (credentials, client_id) in [
            ("a:b", "a"),
            ("a:", "a"),
            (":b", ""),
            ("my+client%2B:x:y", "my client+"),
            ("é:x", "é"),
        ] {
            for scheme in ["Basic", "basic", "BASIC "] {
                for encoded in [STANDARD.encode(credentials), STANDARD_NO_PAD.encode(credentials)] {
                    let header = format!("{scheme} {encoded}");
                    let is_form_encoded = credentials.contains('%');
                    assert_eq!(
                        Authorization::parse(header.as_bytes()),
                        basic(client_id, is_form_encoded),
                        "{header}"
                    );
                }
            }
        }
        for token in [
            "Bearer x",
            "bearer",
            "DPoP eyJ.a.b",
            "DPOP x",
            "Bearer eyJ.aBasicYTpi.b",
            "Bearer service_basic_YTpi",
            "Bearer xbasic/zi",
            "Bearer xbasicAAB",
            "Bearer xbasic_basicYTpi",
            "DPoP xBasic",
            // {"a":1}, [":"], no colon, and no user.
            "Bearer eyJhIjoxfQ",
            "Bearer WyI6Il0",
            "Bearer YWJj",
            "Bearer OmFi",
            "Bearer QjpzZWNyZXQ=.b.c",
        ] {
            assert_eq!(Authorization::parse(token.as_bytes()), Ok(Authorization::Token), "{token}");
        }
        for other in ["Negotiate", "Basi x", "Bearers x", "GNAP xbASICx"] {
            assert_eq!(Authorization::parse(other.as_bytes()), Ok(Authorization::Other), "{other}");
        }
    }

    #[test]
    fn unreadable_headers() {
        let basic =
            |credentials: &[u8]| format!("Basic {}", STANDARD.encode(credentials)).into_bytes();
        for (header, error) in [
            (b"".to_vec(), AuthorizationError::Scheme),
            (b"   ".to_vec(), AuthorizationError::Scheme),
            (b"\xff\xff x".to_vec(), AuthorizationError::Scheme),
            (b"a=b".to_vec(), AuthorizationError::Scheme),
            (b"Basically x".to_vec(), AuthorizationError::Scheme),
            (b"Basic-YTpi".to_vec(), AuthorizationError::Scheme),
            (b"bASIC- YTpi".to_vec(), AuthorizationError::Scheme),
            (b"BasicX YTpi".to_vec(), AuthorizationError::Scheme),
            (b"XBasic YTpi".to_vec(), AuthorizationError::Scheme),
            (b"XBasic !!!!".to_vec(), AuthorizationError::Scheme),
            (b"BasicBasic".to_vec(), AuthorizationError::Scheme),
            (b"Bearer basic YTpi".to_vec(), AuthorizationError::Scheme),
            (b"Bearer QjpzZWNyZXQ=".to_vec(), AuthorizationError::Scheme),
            (b"bearer  QjpzZWNyZXQ".to_vec(), AuthorizationError::Scheme),
            (b"DPoP QjpzZQ===".to_vec(), AuthorizationError::Scheme),
            (b"Custom YTp-P34_".to_vec(), AuthorizationError::Scheme),
            (b"Bearer YQA6Yg".to_vec(), AuthorizationError::Scheme),
            (b"Bearer Qjpz\t\tZWNyZXQ=".to_vec(), AuthorizationError::Token),
            (b"DPoP Qjpz ZWNyZXQ=".to_vec(), AuthorizationError::Token),
            (b"Bearer QjpzZWNyZXQ=\xc2\xa0".to_vec(), AuthorizationError::Token),
            (b"bearer a|b".to_vec(), AuthorizationError::Token),
            (b"Bearer \"a\"".to_vec(), AuthorizationError::Token),
            (b"Custom YTp+P34/".to_vec(), AuthorizationError::Scheme),
            (b"Bearer BASIC\tYTpi".to_vec(), AuthorizationError::Scheme),
            (b"DPoP xBasicYTpi".to_vec(), AuthorizationError::Scheme),
            (b"Bearer xbasic YTp=.".to_vec(), AuthorizationError::Scheme),
            (b"Bearer xbasicdmljdGlt".to_vec(), AuthorizationError::Scheme),
            (b"Negotiate x y basicYTpi".to_vec(), AuthorizationError::Scheme),
            (b"Basic".to_vec(), AuthorizationError::NoColon),
            (b"Basic !!!!".to_vec(), AuthorizationError::Base64),
            (b"Basic YTpi YTpi".to_vec(), AuthorizationError::Base64),
            (b"Basic YTpi=".to_vec(), AuthorizationError::Base64),
            (b"Basic YT_i".to_vec(), AuthorizationError::Base64),
            (basic(b"ab"), AuthorizationError::NoColon),
            (basic(b"\xff:b"), AuthorizationError::NotText),
            (basic(b"a\0:b"), AuthorizationError::NotText),
            (basic(b"a%zz:b"), AuthorizationError::NotFormEncoded),
            (b"Basic YTpi,Basic YTpi".to_vec(), AuthorizationError::Repeated),
            (b"Bearer x,Basic YTpi".to_vec(), AuthorizationError::Repeated),
        ] {
            assert_eq!(Authorization::parse(&header), Err(error), "{header:?}");
        }
    }
}
