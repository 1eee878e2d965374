//! Signatures of CAs, by crates of others.
//!
//! What they have generic is compiled where it is used. This crate uses it, and is built for size:
//! in the crate of the decision, which is built for speed, it would take 130 kB more of the module.
//! For the same reason nothing of it may be inlined there.
//!
//! Everything here is public, so that nothing has to take constant time.

#![forbid(unsafe_code)]

mod hash;
mod rsa;

use p256::ecdsa::signature::hazmat::PrehashVerifier;

pub use self::hash::Hash;
pub use self::rsa::{RsaPublicKey, rsa_pkcs1, rsa_pss};

/// An elliptic curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256
    P256,
    /// P-384
    P384,
    /// P-521
    P521,
}

/// Why a signature is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The key is malformed.
    Key,
    /// It is not by this key.
    Signature,
}

/// Checks an Ed25519 signature (RFC 8032 §5.1.7). The strict form also refuses keys of small order,
/// under which one signature fits every message.
///
/// # Errors
/// Either [`Invalid`].
#[inline(never)]
pub fn ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Invalid> {
    let key = key.try_into().map_err(|_| Invalid::Key)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| Invalid::Key)?;
    let signature = signature.try_into().map_err(|_| Invalid::Signature)?;
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
        .map_err(|_| Invalid::Signature)
}

/// Checks an ECDSA signature. The key is a point in the form of SEC 1, the signature an
/// `ECDSA-Sig-Value` in DER.
///
/// # Errors
/// Either [`Invalid`].
pub fn ecdsa(
    curve: Curve,
    hash: Hash,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), Invalid> {
    let verify = match curve {
        Curve::P256 => p256_signature,
        Curve::P384 => p384_signature,
        Curve::P521 => p521_signature,
    };
    verify(key, &hash.digest(message), signature)
}

/// Defines the check of an ECDSA signature of a digest on one curve.
macro_rules! ecdsa {
    ($name:ident, $curve:ident) => {
        fn $name(key: &[u8], digest: &[u8], signature: &[u8]) -> Result<(), Invalid> {
            let key =
                $curve::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| Invalid::Key)?;
            let signature =
                $curve::ecdsa::Signature::from_der(signature).map_err(|_| Invalid::Signature)?;
            key.verify_prehash(digest, &signature).map_err(|_| Invalid::Signature)
        }
    };
}

ecdsa!(p256_signature, p256);
ecdsa!(p384_signature, p384);
ecdsa!(p521_signature, p521);
