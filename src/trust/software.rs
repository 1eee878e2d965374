//! Signatures computed by this crate. RSASSA-PSS and Ed25519 are computed here for every host,
//! because Envoy has none of them; the other algorithms for hosts other than Envoy.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

use signatures::Invalid;
use tls_client_auth_signatures as signatures;

use super::algorithm::{Curve, Hash, SignatureAlgorithm};
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
                verify_pkcs1(hash, PublicKey::of(public_key)?.bits, message, signature)
            }
            SignatureAlgorithm::RsaPss(hash) => verify_pss(hash, public_key, message, signature),
            SignatureAlgorithm::Ed25519 => verify_ed25519(public_key, message, signature),
            SignatureAlgorithm::Ecdsa(curve, hash) => {
                let key = PublicKey::of(public_key)?.bits;
                verify_ecdsa(curve, key, &hash.digest(message), signature)
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
    let encoded = signatures::rsa_4096(key.modulus, key.exponent, signature)?;
    if is_pss_encoding(hash, &encoded, key.bits(), message) {
        Ok(())
    } else {
        Err(SignatureError::Invalid)
    }
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

fn verify_pkcs1(
    hash: Hash,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let key = RsaKey::of(key)?;
    let encoded = signatures::rsa_8192(key.modulus, key.exponent, signature)?;
    // RFC 8017 §9.2: the whole encoding is made and compared, nothing of it is parsed.
    let info = [hash.digest_info(), &hash.digest(message)].concat();
    let padding = encoded.len().checked_sub(info.len() + 3).filter(|length| *length >= 8);
    let padding = vec![0xff; padding.ok_or(SignatureError::Invalid)?];
    let expected = [&[0, 1][..], &padding, &[0], &info].concat();
    if encoded == expected { Ok(()) } else { Err(SignatureError::Invalid) }
}

fn verify_ecdsa(
    curve: Curve,
    key: &[u8],
    digest: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let verify = match curve {
        Curve::P256 => signatures::ecdsa_p256,
        Curve::P384 => signatures::ecdsa_p384,
        Curve::P521 => signatures::ecdsa_p521,
    };
    Ok(verify(key, digest, signature)?)
}

impl From<Invalid> for SignatureError {
    fn from(invalid: Invalid) -> Self {
        match invalid {
            Invalid::Key => Self::Key(PublicKeyError::Unsuitable),
            Invalid::Signature => Self::Invalid,
        }
    }
}

/// EMSA-PSS-VERIFY (RFC 8017 §9.1.2) for a modulus of so many bits.
fn is_pss_encoding(hash: Hash, encoded: &[u8], modulus_bits: usize, message: &[u8]) -> bool {
    let bits = modulus_bits - 1;
    // Where the encoding is shorter than the modulus, I2OSP has put a zero in front.
    let (zeros, encoded) = encoded.split_at(encoded.len() - bits.div_ceil(8));
    let unused = encoded.len() * 8 - bits;
    let digest = hash.digest(message);
    let length = digest.len();
    let Some((masked, rest)) =
        encoded.len().checked_sub(length + 1).and_then(|at| encoded.split_at_checked(at))
    else {
        return false;
    };
    let Some((last, seed)) = rest.split_last() else { return false };
    let leading = masked.first().copied().unwrap_or(0xff);
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

impl Hash {
    /// The digest of `message`.
    pub(super) fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    /// The DER of the `DigestInfo` up to the digest (RFC 8017 §9.2, note 1).
    fn digest_info(self) -> &'static [u8] {
        match self {
            Self::Sha256 => &[
                0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                0x01, 0x05, 0x00, 0x04, 0x20,
            ],
            Self::Sha384 => &[
                0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                0x02, 0x05, 0x00, 0x04, 0x30,
            ],
            Self::Sha512 => &[
                0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                0x03, 0x05, 0x00, 0x04, 0x40,
            ],
        }
    }
}
