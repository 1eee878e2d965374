//! The certificates in a client's JWK Set (RFC 7517 §4.7 and §4.9, RFC 8705 §2.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificate::{PeerCertificate, Thumbprint};
use crate::error::ConfigError;
use crate::json::{Json, Members};

/// Thumbprints of the certificates that the keys of `jwks` name, at least one.
///
/// # Errors
/// The pointer is relative to `jwks`.
pub(super) fn certificates(jwks: &Json) -> Result<Vec<Thumbprint>, ConfigError> {
    let mut members = Members::of(jwks, "a JWK Set (RFC 7517)")?;
    let keys = members.read("keys", |keys| keys.some_elements("at least one key", key))?;
    let thumbprints: Vec<_> = keys.unwrap_or_default().into_iter().flatten().collect();
    if thumbprints.is_empty() {
        return Err(ConfigError::expected("at least one key with x5c or x5t#S256"));
    }
    Ok(thumbprints)
}

/// The certificate of one key: the first of `x5c`, or the one that `x5t#S256` names; `None` for a bare key.
fn key(json: &Json) -> Result<Option<Thumbprint>, ConfigError> {
    let mut members = Members::of(json, "a JSON Web Key")?;
    let chain = members.read_unless_null("x5c", |chain| chain.some_elements("at least one certificate", Json::base64))?;
    let from_chain = match chain.as_deref() {
        Some([leaf, ..]) => {
            let leaf =
                PeerCertificate::from_der(leaf).map_err(|error| ConfigError::new(error.to_string()).within(0).within("x5c"))?;
            Some(leaf.thumbprint())
        }
        _ => None,
    };
    let named = members.read_unless_null("x5t#S256", |json| {
        let expected = "a base64url SHA-256 thumbprint";
        Thumbprint::parse(json.string(expected)?).ok_or_else(|| ConfigError::expected(expected))
    })?;
    match (from_chain, named) {
        (Some(one), Some(other)) if one != other => {
            Err(ConfigError::expected("the thumbprint of the first certificate of x5c").within("x5t#S256"))
        }
        (one, other) => Ok(one.or(other)),
    }
}

impl Json {
    /// RFC 7517 §4.7: standard base64, not base64url.
    fn base64(&self) -> Result<Vec<u8>, ConfigError> {
        let expected = "base64 (RFC 4648 §4) of a certificate's DER";
        STANDARD.decode(self.string(expected)?).map_err(|_| ConfigError::expected(expected))
    }
}
