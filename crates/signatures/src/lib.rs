//! The arithmetic of signatures, by crates of others.
//!
//! What they have generic is compiled where it is used. This crate uses it, and is built for size:
//! in the crate of the decision, which is built for speed, it would take 130 kB more of the module.
//!
//! Everything here is public, so that nothing has to take constant time.

#![forbid(unsafe_code)]

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Limb, Odd, U64, U4096, U8192, Uint};
use p256::ecdsa::signature::hazmat::PrehashVerifier;

/// Why a signature is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The key is malformed.
    Key,
    /// It is not by this key.
    Signature,
}

/// RSAVP1 and I2OSP (RFC 8017 §5.2.2, §4.1): the signature to the power of the exponent, in as many
/// octets as the modulus has. Both numbers are big-endian, and the modulus has at most 4096 bits.
///
/// # Errors
/// Either [`Invalid`].
pub fn rsa_4096(modulus: &[u8], exponent: &[u8], signature: &[u8]) -> Result<Vec<u8>, Invalid> {
    rsa::<{ U4096::LIMBS }>(modulus, exponent, signature)
}

/// As [`rsa_4096`], for at most 8192 bits.
///
/// # Errors
/// Either [`Invalid`].
pub fn rsa_8192(modulus: &[u8], exponent: &[u8], signature: &[u8]) -> Result<Vec<u8>, Invalid> {
    rsa::<{ U8192::LIMBS }>(modulus, exponent, signature)
}

fn rsa<const LIMBS: usize>(
    modulus: &[u8],
    exponent: &[u8],
    signature: &[u8],
) -> Result<Vec<u8>, Invalid> {
    let length = modulus.len();
    // RFC 8017 §8.1.2, §8.2.2: as long as the modulus.
    if signature.len() != length {
        return Err(Invalid::Signature);
    }
    let modulus = number::<LIMBS>(modulus).ok_or(Invalid::Key)?;
    let exponent = number::<{ U64::LIMBS }>(exponent).ok_or(Invalid::Key)?;
    let base = number::<LIMBS>(signature).ok_or(Invalid::Signature)?;
    if base >= modulus {
        return Err(Invalid::Signature);
    }
    let modulus = Option::<Odd<_>>::from(Odd::new(modulus)).ok_or(Invalid::Key)?;
    let parameters = FixedMontyParams::new_vartime(modulus);
    let power = FixedMontyForm::new(&base, &parameters).pow_vartime(&exponent).retrieve();
    let octets: Vec<u8> =
        power.as_words().iter().rev().flat_map(|word| word.to_be_bytes()).collect();
    Ok(octets.get(octets.len() - length..).unwrap_or_default().to_vec())
}

/// The number with these octets, big-endian; `None` = it has no room.
fn number<const LIMBS: usize>(octets: &[u8]) -> Option<Uint<LIMBS>> {
    let zeros = (LIMBS * Limb::BYTES).checked_sub(octets.len())?;
    let mut padded = vec![0; zeros];
    padded.extend_from_slice(octets);
    Some(Uint::from_be_slice(&padded))
}

/// Checks an Ed25519 signature (RFC 8032 §5.1.7). The strict form also refuses keys of small order,
/// under which one signature fits every message.
///
/// # Errors
/// Either [`Invalid`].
pub fn ed25519(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Invalid> {
    let key = key.try_into().map_err(|_| Invalid::Key)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| Invalid::Key)?;
    let signature = signature.try_into().map_err(|_| Invalid::Signature)?;
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
        .map_err(|_| Invalid::Signature)
}

/// Defines the check of an ECDSA signature on one curve.
macro_rules! ecdsa {
    ($(#[$doc:meta])* $name:ident, $curve:ident) => {
        $(#[$doc])*
        ///
        /// The key is a point in the form of SEC 1, the signature an `ECDSA-Sig-Value` in DER.
        ///
        /// # Errors
        /// Either [`Invalid`].
        pub fn $name(key: &[u8], digest: &[u8], signature: &[u8]) -> Result<(), Invalid> {
            let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| Invalid::Key)?;
            let signature = $curve::ecdsa::Signature::from_der(signature)
                .map_err(|_| Invalid::Signature)?;
            key.verify_prehash(digest, &signature).map_err(|_| Invalid::Signature)
        }
    };
}

ecdsa!(
    /// Checks an ECDSA signature of a digest on P-256.
    ecdsa_p256,
    p256
);
ecdsa!(
    /// Checks an ECDSA signature of a digest on P-384.
    ecdsa_p384,
    p384
);
ecdsa!(
    /// Checks an ECDSA signature of a digest on P-521.
    ecdsa_p521,
    p521
);
