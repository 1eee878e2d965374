//! The algorithms of signatures that count (contract §9).

use tls_client_auth_signatures::{Curve, Hash};

/// The algorithm of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(Hash),
    /// RSASSA-PSS (RFC 8017 §8.1) with this hash, MGF1 with the same, and a salt as long as the
    /// hash.
    RsaPss(Hash),
    /// ECDSA on this curve.
    Ecdsa(Curve, Hash),
    /// Ed25519 (RFC 8410).
    Ed25519,
}
