//! Public keys as JSON Web Keys (RFC 7518 §6, RFC 8037 §2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Curves of RFC 7518 §6.2.1.1 and RFC 8812, with the length of a coordinate.
const CURVES: [(&str, &str, usize); 4] = [
    ("1.2.840.10045.3.1.7", "P-256", 32),
    ("1.3.132.0.34", "P-384", 48),
    ("1.3.132.0.35", "P-521", 66),
    ("1.3.132.0.10", "secp256k1", 32),
];
const EDWARDS_CURVES: [(&str, &str); 2] = [("1.3.101.112", "Ed25519"), ("1.3.101.113", "Ed448")];

/// The members of a key.
///
/// # Errors
/// Why there is no JWK.
pub fn of(key: &SubjectPublicKeyInfo<'_>) -> Result<Map<String, Value>, String> {
    let members = |members: &[(&str, String)]| {
        let each = members.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
        Ok(each.collect())
    };
    let base64url = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let algorithm = key.algorithm.algorithm.to_id_string();
    if let Some((_, curve)) = EDWARDS_CURVES.iter().find(|(oid, _)| *oid == algorithm) {
        let x = base64url(&key.subject_public_key.data);
        return members(&[("kty", "OKP".to_owned()), ("crv", (*curve).to_owned()), ("x", x)]);
    }
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => {
            let number = |octets: &[u8]| {
                let start = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len());
                base64url(octets.get(start..).unwrap_or_default())
            };
            members(&[
                ("kty", "RSA".to_owned()),
                ("n", number(rsa.modulus)),
                ("e", number(rsa.exponent)),
            ])
        }
        Ok(PublicKey::EC(point)) => {
            let oid = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            let oid = oid.map(|oid| oid.to_id_string()).unwrap_or_default();
            let curve = CURVES.iter().find(|(known, ..)| *known == oid);
            let (_, curve, length) =
                curve.ok_or_else(|| format!("no JSON Web Key has the curve {oid}"))?;
            // SEC 1 §2.3.3: 4 and both coordinates; a compressed point would have to be computed.
            let coordinates = point.data().strip_prefix(&[4]).unwrap_or_default();
            let (x, y) = coordinates
                .split_at_checked(*length)
                .filter(|(_, y)| y.len() == *length)
                .ok_or("the key is not an uncompressed point of its curve")?;
            members(&[
                ("kty", "EC".to_owned()),
                ("crv", (*curve).to_owned()),
                ("x", base64url(x)),
                ("y", base64url(y)),
            ])
        }
        _ => Err(format!("no JSON Web Key is known here for the key algorithm {algorithm}")),
    }
}
