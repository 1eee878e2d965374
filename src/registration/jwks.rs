//! The certificates in a client's JWK Set (RFC 7517 §4.7 and §4.9, RFC 8705 §2.2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificate::{PeerCertificate, Thumbprint};
use crate::json::{Json, JsonError, Members};
use crate::limits;

/// Thumbprints of the certificates that the keys of `jwks` name, at least one. A key that cannot be
/// used is left out, as RFC 7517 §5 asks, and added to `left_out` with its reason: the client's
/// other certificates stay valid.
///
/// # Errors
/// No certificate is left. The pointer is relative to `jwks`, those of `left_out` to the client.
pub(crate) fn certificates(
    jwks: &Json,
    left_out: &mut Vec<JsonError>,
) -> Result<Vec<Thumbprint>, JsonError> {
    let mut members = Members::of(jwks, "a JWK Set (RFC 7517)")?;
    let keys = match members.set("keys") {
        None => &[],
        Some(Json::Array(keys)) if !keys.is_empty() => keys.as_slice(),
        Some(_) => return Err(JsonError::expected("an array of keys, at least one").within("keys")),
    };
    let (mut thumbprints, mut unusable) = (Vec::new(), Vec::new());
    for (index, key) in keys.iter().enumerate() {
        match certificate(key) {
            Ok(None) => {}
            Ok(Some(certificate)) => thumbprints.push(certificate),
            Err(error) => unusable.push(error.within(index).within("keys")),
        }
    }
    if thumbprints.is_empty() {
        if let [only] = unusable.as_slice() {
            return Err(only.clone());
        }
        let message = "expected at least one key with x5c or x5t#S256".to_owned();
        return Err(JsonError::new(described(message, &unusable)));
    }
    for error in unusable {
        left_out.push(error.within("jwks"));
    }
    Ok(thumbprints)
}

/// What a published set has.
#[derive(Debug)]
pub(crate) struct PublishedKeys {
    /// Thumbprints of the certificates that its keys name.
    pub(crate) certificates: Vec<Thumbprint>,
    /// How many keys it has.
    count: usize,
    /// Those that cannot be used, with their reasons.
    left_out: Vec<JsonError>,
}

impl PublishedKeys {
    /// Reads a set. A key that cannot be used is left out, as RFC 7517 §5 asks; a set may have no
    /// certificate.
    ///
    /// # Errors
    /// It is no JWK Set.
    pub(crate) fn read(jwks: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(jwks, "a JWK Set (RFC 7517)")?;
        let Some(Json::Array(keys)) = members.set("keys") else {
            return Err(JsonError::expected("a JWK Set with an array of keys").within("keys"));
        };
        let mut set = Self { certificates: Vec::new(), count: keys.len(), left_out: Vec::new() };
        for (index, key) in keys.iter().enumerate() {
            match certificate(key) {
                Ok(found) => set.certificates.extend(found),
                Err(error) => set.left_out.push(error.within(index).within("keys")),
            }
        }
        Ok(set)
    }

    /// What the operator should know of the keys that are left out.
    #[inline(never)]
    pub(crate) fn warning(&self) -> Option<String> {
        let number = self.left_out.len();
        (number > 0).then(|| {
            let text = format!("left out {number} of {} keys", self.count);
            described(text, &self.left_out)
        })
    }
}

/// Adds the first of these errors to a text.
fn described(mut text: String, errors: &[JsonError]) -> String {
    for error in errors.iter().take(limits::SHOWN_KEYS) {
        text.push_str("; ");
        text.push_str(&error.in_entry());
    }
    text
}

/// The certificate of one key: the first of `x5c`, or the one that `x5t#S256` names; `None` for a
/// key without certificate.
///
/// # Errors
/// The key cannot be used, or is not for signatures: a key that is not fully understood must not
/// authenticate a client.
#[inline(never)]
pub(crate) fn certificate(json: &Json) -> Result<Option<Thumbprint>, JsonError> {
    // A repeated member name refuses the key (RFC 7517 §4).
    let mut members = Members::of(json, "a JSON Web Key")?;
    if !matches!(members.set("kty"), Some(Json::String(kind)) if !kind.is_empty()) {
        return Err(JsonError::expected("the member kty"));
    }
    // RFC 7517 §4.2 defines "sig" and "enc" and allows others. Directories of open banking have
    // "tls" for exactly these certificates.
    match members.set("use") {
        None => {}
        Some(Json::String(usage)) if usage == "sig" || usage == "tls" => {}
        Some(_) => {
            return Err(
                JsonError::expected("\"sig\": other keys are not for signatures").within("use")
            );
        }
    }
    match members.set("key_ops") {
        None => {}
        Some(Json::Array(operations)) if operations.iter().any(is_for_signatures) => {}
        Some(_) => {
            let error = JsonError::expected(
                "an array with \"verify\" or \"sign\": other keys are not for signatures",
            );
            return Err(error.within("key_ops"));
        }
    }
    let chain = members.read_unless_null("x5c", |chain| {
        chain.some_elements("at least one certificate", Json::base64)
    })?;
    let from_chain = match chain.as_deref() {
        Some([leaf, ..]) => {
            let leaf = PeerCertificate::from_der(leaf)
                .map_err(|error| JsonError::new(error.to_string()).within(0).within("x5c"))?;
            Some(leaf.thumbprint())
        }
        _ => None,
    };
    let named = members.read_unless_null("x5t#S256", |json| {
        let expected = "a base64url SHA-256 thumbprint";
        Thumbprint::parse(json.string(expected)?).ok_or_else(|| JsonError::expected(expected))
    })?;
    match (from_chain, named) {
        (Some(one), Some(other)) if one != other => {
            Err(JsonError::expected("the thumbprint of the first certificate of x5c")
                .within("x5t#S256"))
        }
        (one, other) => Ok(one.or(other)),
    }
}

/// Whether an element of `key_ops` (RFC 7517 §4.3) is one of the two for signatures.
fn is_for_signatures(operation: &Json) -> bool {
    matches!(operation, Json::String(name) if ["verify", "sign"].contains(&name.as_str()))
}

impl Json {
    /// RFC 7517 §4.7: standard base64, not base64url.
    fn base64(&self) -> Result<Vec<u8>, JsonError> {
        let expected = "base64 (RFC 4648 §4) of a certificate's DER";
        STANDARD.decode(self.string(expected)?).map_err(|_| JsonError::expected(expected))
    }
}
