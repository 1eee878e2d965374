//! Signatures of CAs: which ones count, and who computes them.
//!
//! Weak algorithms and weak keys are refused here, whatever a [`SignatureVerifier`] would say.

use std::fmt;

use super::algorithm::SignatureAlgorithm;
use super::known::KNOWN;
use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};
use crate::limits;

/// Computes whether signatures are valid: the host of the module, or this crate.
///
/// It is given only keys and algorithms that are strong enough.
pub trait SignatureVerifier: Send + Sync + fmt::Debug {
    /// Checks that `signature` is a signature of `message` by this algorithm. `public_key` is the
    /// DER of a `SubjectPublicKeyInfo` of it.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] where it is none, [`SignatureError::Unavailable`] where it
    /// cannot be computed.
    fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError>;
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureError {
    /// It is not a signature of the message by this key.
    Invalid,
    /// Its algorithm is unknown or too weak: only RSA, ECDSA and Ed25519 with SHA-256, 384 and 512
    /// count.
    Algorithm,
    /// The key cannot be used.
    Key(PublicKeyError),
    /// It cannot be computed: the host fails.
    Unavailable,
}

/// Why a key of a CA does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// It is malformed, or not a key of the signature's algorithm.
    Unsuitable,
    /// An RSA key with so many bits.
    RsaBits(usize),
    /// An RSA key whose exponent is even, below 3 or above 2^32.
    RsaExponent,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("the signature is not by the issuer's key"),
            Self::Algorithm => f.write_str(
                "signed by an algorithm that does not count: RSA (PKCS #1 or PSS), ECDSA on P-256, \
                 P-384 or P-521, and Ed25519 do, with SHA-256, SHA-384 or SHA-512",
            ),
            Self::Key(error) => error.fmt(f),
            Self::Unavailable => f.write_str("the host does not verify signatures"),
        }
    }
}

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsuitable => {
                f.write_str("the issuer's key is malformed, or of another algorithm")
            }
            Self::RsaBits(bits) => write!(
                f,
                "an RSA key of {bits} bits: {} to {} count, for PSS up to {}",
                limits::SMALLEST_RSA_BITS,
                limits::LARGEST_RSA_BITS,
                limits::LARGEST_PSS_BITS
            ),
            Self::RsaExponent => f.write_str("an RSA key with an even, tiny or huge exponent"),
        }
    }
}

impl std::error::Error for SignatureError {}
impl std::error::Error for PublicKeyError {}

impl From<MalformedDer> for SignatureError {
    fn from(_: MalformedDer) -> Self {
        Self::Key(PublicKeyError::Unsuitable)
    }
}

/// Checks that `signature` is a signature of `message` by a key, where `algorithm` is the DER of
/// the `AlgorithmIdentifier` beside the signature, and `public_key` that of a
/// `SubjectPublicKeyInfo`.
///
/// # Errors
/// Any [`SignatureError`].
pub fn verify_signed(
    verifier: &dyn SignatureVerifier,
    algorithm: &[u8],
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let identifier = Tlv::only(algorithm).and_then(|tlv| tlv.contents_of(tag::SEQUENCE));
    let identifier = identifier.map_err(|_| SignatureError::Algorithm)?;
    let key = PublicKey::of(public_key)?;
    let mut same_signature =
        KNOWN.iter().filter(|known| *known.signature == *identifier).peekable();
    if same_signature.peek().is_none() {
        return Err(SignatureError::Algorithm);
    }
    let known = same_signature.find(|known| *known.key == *key.algorithm);
    let known = known.ok_or(SignatureError::Key(PublicKeyError::Unsuitable))?;
    verify_strong(verifier, known.algorithm, public_key, key.bits, message, signature)
}

/// As [`verify_signed`], of an algorithm that counts and fits the key: checks the strength of the
/// key first. `bits` is the `subjectPublicKey` in `public_key`.
pub(super) fn verify_strong(
    verifier: &dyn SignatureVerifier,
    algorithm: SignatureAlgorithm,
    public_key: &[u8],
    bits: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let largest = match algorithm {
        SignatureAlgorithm::RsaPkcs1(_) => limits::LARGEST_RSA_BITS,
        SignatureAlgorithm::RsaPss(_) => limits::LARGEST_PSS_BITS,
        SignatureAlgorithm::Ecdsa(..) | SignatureAlgorithm::Ed25519 => {
            return verifier.verify(algorithm, public_key, message, signature);
        }
    };
    RsaKey::of(bits)?.check(largest)?;
    verifier.verify(algorithm, public_key, message, signature)
}

/// The parts of a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
pub(super) struct PublicKey<'a> {
    /// The contents octets of the `AlgorithmIdentifier`.
    pub(super) algorithm: &'a [u8],
    /// The octets of the `subjectPublicKey`.
    pub(super) bits: &'a [u8],
}

impl<'a> PublicKey<'a> {
    pub(super) fn of(der: &'a [u8]) -> Result<Self, MalformedDer> {
        let mut parts = Elements(Tlv::only(der)?.contents_of(tag::SEQUENCE)?);
        let algorithm = parts.required()?.contents_of(tag::SEQUENCE)?;
        let bits = parts.required()?.contents_of(tag::BIT_STRING)?;
        parts.end()?;
        // Keys are whole octets.
        let bits = bits.strip_prefix(&[0]).ok_or(MalformedDer)?;
        Ok(Self { algorithm, bits })
    }
}

/// An `RSAPublicKey` (RFC 8017 §A.1.1): the octets of two positive numbers, big-endian, without
/// zeros in front.
pub(super) struct RsaKey<'a> {
    pub(super) modulus: &'a [u8],
    pub(super) exponent: &'a [u8],
}

impl<'a> RsaKey<'a> {
    pub(super) fn of(bits: &'a [u8]) -> Result<Self, MalformedDer> {
        let mut parts = Elements(Tlv::only(bits)?.contents_of(tag::SEQUENCE)?);
        let modulus = positive(parts.required()?)?;
        let exponent = positive(parts.required()?)?;
        parts.end()?;
        Ok(Self { modulus, exponent })
    }

    /// The length of the modulus, in bits.
    pub(super) fn bits(&self) -> usize {
        let zeros = self.modulus.first().map_or(8, |first| first.leading_zeros() as usize);
        self.modulus.len() * 8 - zeros
    }

    /// Checks that its signatures count.
    fn check(&self, largest: usize) -> Result<(), SignatureError> {
        let bits = self.bits();
        if !(limits::SMALLEST_RSA_BITS..=largest).contains(&bits) {
            return Err(SignatureError::Key(PublicKeyError::RsaBits(bits)));
        }
        let is_odd = |octets: &[u8]| octets.last().is_some_and(|last| last & 1 == 1);
        // RFC 8017 §3.1: n is a product of odd primes, and e is odd and at least 3. Libraries
        // refuse exponents above 32 or 33 bits, with which a verification takes too long.
        if !is_odd(self.modulus) || !is_odd(self.exponent) {
            return Err(SignatureError::Key(PublicKeyError::RsaExponent));
        }
        if self.exponent == [1] || self.exponent.len() > 4 {
            return Err(SignatureError::Key(PublicKeyError::RsaExponent));
        }
        Ok(())
    }
}

/// The octets of a positive INTEGER, without a zero in front.
fn positive(integer: Tlv<'_>) -> Result<&[u8], MalformedDer> {
    match integer.contents_of(tag::INTEGER)? {
        // X.690 §8.3.2: in the fewest octets.
        [0, 0x80..=0xff, ..] => Ok(integer.contents.get(1..).unwrap_or_default()),
        [0 | 0x80..=0xff, ..] | [] => Err(MalformedDer),
        octets => Ok(octets),
    }
}
