//! RSA (RFC 8017), with the arithmetic of the crate crypto-bigint.

use std::num::NonZeroU64;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Limb, Odd, U4096, U8192, Uint};

use crate::{Hash, Invalid};

/// The two numbers of an RSA public key, big-endian, without zeros in front.
#[derive(Clone, Copy, Debug)]
pub struct RsaPublicKey<'a> {
    /// The modulus, n.
    pub modulus: &'a [u8],
    /// The public exponent, e, of at most 64 bits.
    pub exponent: &'a [u8],
}

/// Checks an RSASSA-PSS signature (RFC 8017 §8.1.2) whose salt is as long as the hash, by a key of
/// at most 4096 bits.
///
/// # Errors
/// Either [`Invalid`].
#[inline(never)]
pub fn rsa_pss(
    hash: Hash,
    key: RsaPublicKey<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Invalid> {
    let encoded = power::<{ U4096::LIMBS }>(key, signature)?;
    let bits = key.bits().ok_or(Invalid::Key)?;
    if is_pss_encoding(hash, &encoded, bits, message) { Ok(()) } else { Err(Invalid::Signature) }
}

/// Checks an RSASSA-PKCS1-v1_5 signature (RFC 8017 §8.2.2), by a key of at most 8192 bits.
///
/// # Errors
/// Either [`Invalid`].
#[inline(never)]
pub fn rsa_pkcs1(
    hash: Hash,
    key: RsaPublicKey<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Invalid> {
    let encoded = power::<{ U8192::LIMBS }>(key, signature)?;
    // RFC 8017 §9.2: the whole encoding is made and compared, nothing of it is parsed.
    let info = [hash.digest_info(), &hash.digest(message)].concat();
    let padding = encoded.len().checked_sub(info.len() + 3).filter(|length| *length >= 8);
    let padding = vec![0xff; padding.ok_or(Invalid::Signature)?];
    let expected = [&[0, 1][..], &padding, &[0], &info].concat();
    if encoded == expected { Ok(()) } else { Err(Invalid::Signature) }
}

impl RsaPublicKey<'_> {
    /// The length of the modulus in bits; `None` = it has none, or a zero in front.
    fn bits(&self) -> Option<usize> {
        let first = self.modulus.first().filter(|first| **first != 0)?;
        Some(self.modulus.len() * 8 - first.leading_zeros() as usize)
    }
}

/// RSAVP1 and I2OSP (RFC 8017 §5.2.2, §4.1): the signature to the power of the exponent, in as many
/// octets as the modulus has.
fn power<const LIMBS: usize>(key: RsaPublicKey<'_>, signature: &[u8]) -> Result<Vec<u8>, Invalid> {
    let RsaPublicKey { modulus, exponent } = key;
    let length = modulus.len();
    // RFC 8017 §8.1.2, §8.2.2: as long as the modulus.
    if signature.len() != length {
        return Err(Invalid::Signature);
    }
    let modulus = number::<LIMBS>(modulus).ok_or(Invalid::Key)?;
    let base = number::<LIMBS>(signature).ok_or(Invalid::Signature)?;
    if base >= modulus {
        return Err(Invalid::Signature);
    }
    let modulus = Option::<Odd<_>>::from(Odd::new(modulus)).ok_or(Invalid::Key)?;
    let parameters = FixedMontyParams::new_vartime(modulus);
    let base = FixedMontyForm::new(&base, &parameters);
    let mut power = base;
    // From the bit after the highest that is set on: 65537 takes 16 squares and one product. The
    // crate's own way prepares a table that such an exponent does not need, twice the work.
    let exponent = exponent_of(exponent).ok_or(Invalid::Key)?;
    for place in (0..exponent.ilog2()).rev() {
        power = power.square();
        if exponent.get() >> place & 1 == 1 {
            power = power.mul(&base);
        }
    }
    let octets: Vec<u8> =
        power.retrieve().as_words().iter().rev().flat_map(|word| word.to_be_bytes()).collect();
    Ok(octets.get(octets.len() - length..).unwrap_or_default().to_vec())
}

/// The number with these octets, big-endian; `None` = zero, or above 64 bits.
fn exponent_of(octets: &[u8]) -> Option<NonZeroU64> {
    let zeros = size_of::<u64>().checked_sub(octets.len())?;
    let number = std::iter::repeat_n(&0, zeros).chain(octets);
    NonZeroU64::new(number.fold(0, |number, octet| number << 8 | u64::from(*octet)))
}

/// The number with these octets, big-endian; `None` = it has no room.
fn number<const LIMBS: usize>(octets: &[u8]) -> Option<Uint<LIMBS>> {
    let zeros = (LIMBS * Limb::BYTES).checked_sub(octets.len())?;
    let mut padded = vec![0; zeros];
    padded.extend_from_slice(octets);
    Some(Uint::from_be_slice(&padded))
}

/// EMSA-PSS-VERIFY (RFC 8017 §9.1.2) for a modulus of so many bits.
fn is_pss_encoding(hash: Hash, encoded: &[u8], modulus_bits: usize, message: &[u8]) -> bool {
    let bits = modulus_bits - 1;
    // Where the encoding is shorter than the modulus, I2OSP has put a zero in front.
    let zeros = encoded.len().checked_sub(bits.div_ceil(8));
    let Some((zeros, encoded)) = zeros.and_then(|at| encoded.split_at_checked(at)) else {
        return false;
    };
    let unused = encoded.len() * 8 - bits;
    let digest = hash.digest(message);
    let length = digest.len();
    let Some((masked, rest)) =
        encoded.len().checked_sub(length + 1).and_then(|at| encoded.split_at_checked(at))
    else {
        return false;
    };
    let Some((last, seed)) = rest.split_last() else { return false };
    // Of a key of 2049 bits, all bits of the first octet are in use.
    let leading = u32::from(masked.first().copied().unwrap_or(0xff));
    if zeros.iter().any(|octet| *octet != 0) || *last != 0xbc || leading >> (8 - unused) != 0 {
        return false;
    }
    let mut block: Vec<u8> = masked
        .iter()
        .zip(mgf1(hash, seed, masked.len()))
        .map(|(octet, mask)| octet ^ mask)
        .collect();
    if let Some(first) = block.first_mut() {
        *first &= 0xff >> unused;
    }
    let Some((padding, salt)) =
        block.len().checked_sub(length).and_then(|at| block.split_at_checked(at))
    else {
        return false;
    };
    let Some((one, zeros)) = padding.split_last() else { return false };
    let salted = [&[0; 8][..], &digest, salt].concat();
    *one == 1 && zeros.iter().all(|octet| *octet == 0) && hash.digest(&salted) == seed
}

/// MGF1 (RFC 8017 §B.2.1).
fn mgf1(hash: Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + 64);
    let mut counter = 0u32;
    while mask.len() < length {
        mask.extend(hash.digest(&[seed, &counter.to_be_bytes()].concat()));
        counter += 1;
    }
    mask.truncate(length);
    mask
}
