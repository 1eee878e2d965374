//! Signatures computed by this crate. RSASSA-PSS and Ed25519 are computed here for every host,
//! because Envoy has none of them; the other algorithms for hosts other than Envoy.

use tls_client_auth_signatures as signatures;

use signatures::{Hash, Invalid, RsaPublicKey};

use super::algorithm::SignatureAlgorithm;
use super::signature::{PublicKey, PublicKeyError, RsaKey, SignatureError, SignatureVerifier};

/// Computes every signature in Rust, for hosts other than Envoy.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoftwareVerifier;

impl SignatureVerifier for SoftwareVerifier {
    fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match algorithm {
            SignatureAlgorithm::RsaPkcs1(hash) => {
                let key = RsaKey::of(PublicKey::of(public_key)?.bits)?;
                Ok(signatures::rsa_pkcs1(hash, numbers(&key), message, signature)?)
            }
            SignatureAlgorithm::RsaPss(hash) => verify_pss(hash, public_key, message, signature),
            SignatureAlgorithm::Ed25519 => verify_ed25519(public_key, message, signature),
            SignatureAlgorithm::Ecdsa(curve, hash) => {
                let key = PublicKey::of(public_key)?.bits;
                Ok(signatures::ecdsa(curve, hash, key, message, signature)?)
            }
        }
    }
}

/// Checks an RSASSA-PSS signature (RFC 8017 §8.1.2) whose salt is as long as the hash. `public_key`
/// is the DER of a `SubjectPublicKeyInfo` with an RSA key of at most
/// [`crate::limits::LARGEST_PSS_BITS`].
///
/// # Errors
/// [`SignatureError::Invalid`], [`SignatureError::Key`].
pub fn verify_pss(
    hash: Hash,
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let key = RsaKey::of(PublicKey::of(public_key)?.bits)?;
    Ok(signatures::rsa_pss(hash, numbers(&key), message, signature)?)
}

/// Checks an Ed25519 signature (RFC 8032 §5.1.7). `public_key` is the DER of a
/// `SubjectPublicKeyInfo` with an Ed25519 key.
///
/// # Errors
/// [`SignatureError::Invalid`], [`SignatureError::Key`].
pub fn verify_ed25519(
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    Ok(signatures::ed25519(PublicKey::of(public_key)?.bits, message, signature)?)
}

fn numbers<'a>(key: &RsaKey<'a>) -> RsaPublicKey<'a> {
    RsaPublicKey { modulus: key.modulus, exponent: key.exponent }
}

impl From<Invalid> for SignatureError {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Key => Self::Key(PublicKeyError::Unsuitable),
            Invalid::Signature => Self::Invalid,
        }
    }
}
