//! The algorithms whose signatures count (contract §9), by their identifiers.

use rustls_pki_types::{AlgorithmIdentifier, alg_id};

use tls_client_auth_signatures::{Curve, Hash};

use super::algorithm::SignatureAlgorithm;

/// An algorithm by the contents octets of the `AlgorithmIdentifier`s of key and signature.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) key: AlgorithmIdentifier,
    pub(super) signature: AlgorithmIdentifier,
    pub(super) algorithm: SignatureAlgorithm,
}

const fn rsa(signature: AlgorithmIdentifier, hash: Hash) -> Known {
    let algorithm = SignatureAlgorithm::RsaPkcs1(hash);
    Known { key: alg_id::RSA_ENCRYPTION, signature, algorithm }
}

const fn pss(signature: AlgorithmIdentifier, hash: Hash) -> Known {
    let algorithm = SignatureAlgorithm::RsaPss(hash);
    Known { key: alg_id::RSA_ENCRYPTION, signature, algorithm }
}

const fn ecdsa(curve: Curve, hash: Hash) -> Known {
    let key = match curve {
        Curve::P256 => alg_id::ECDSA_P256,
        Curve::P384 => alg_id::ECDSA_P384,
        Curve::P521 => alg_id::ECDSA_P521,
    };
    let signature = match hash {
        Hash::Sha256 => alg_id::ECDSA_SHA256,
        Hash::Sha384 => alg_id::ECDSA_SHA384,
        Hash::Sha512 => alg_id::ECDSA_SHA512,
    };
    Known { key, signature, algorithm: SignatureAlgorithm::Ecdsa(curve, hash) }
}

/// The contents octets of sha256WithRSAEncryption and its like, without parameters. RFC 4055 §5
/// has to be accepted so, too.
macro_rules! without_parameters {
    ($last:literal) => {
        AlgorithmIdentifier::from_slice(&[
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, $last,
        ])
    };
}

/// The contents octets of RSASSA-PSS with this hash, whose identifiers have no parameters. RFC 4055
/// §2.1 has to be accepted so, too.
macro_rules! pss_without_parameters {
    ($hash:literal, $salt:literal) => {
        AlgorithmIdentifier::from_slice(&[
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, //
            0x30, 0x30, //
            0xa0, 0x0d, 0x30, 0x0b, //
            0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, $hash, //
            0xa1, 0x1a, 0x30, 0x18, //
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, //
            0x30, 0x0b, //
            0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, $hash, //
            0xa2, 0x03, 0x02, 0x01, $salt,
        ])
    };
}

/// All of them, the usual ones first.
pub(super) static KNOWN: [Known; 22] = [
    rsa(alg_id::RSA_PKCS1_SHA256, Hash::Sha256),
    ecdsa(Curve::P256, Hash::Sha256),
    ecdsa(Curve::P384, Hash::Sha384),
    rsa(alg_id::RSA_PKCS1_SHA384, Hash::Sha384),
    rsa(alg_id::RSA_PKCS1_SHA512, Hash::Sha512),
    pss(alg_id::RSA_PSS_SHA256, Hash::Sha256),
    pss(alg_id::RSA_PSS_SHA384, Hash::Sha384),
    pss(alg_id::RSA_PSS_SHA512, Hash::Sha512),
    Known {
        key: alg_id::ED25519,
        signature: alg_id::ED25519,
        algorithm: SignatureAlgorithm::Ed25519,
    },
    ecdsa(Curve::P521, Hash::Sha512),
    ecdsa(Curve::P256, Hash::Sha384),
    ecdsa(Curve::P256, Hash::Sha512),
    ecdsa(Curve::P384, Hash::Sha256),
    ecdsa(Curve::P384, Hash::Sha512),
    ecdsa(Curve::P521, Hash::Sha256),
    ecdsa(Curve::P521, Hash::Sha384),
    rsa(without_parameters!(0x0b), Hash::Sha256),
    rsa(without_parameters!(0x0c), Hash::Sha384),
    rsa(without_parameters!(0x0d), Hash::Sha512),
    pss(pss_without_parameters!(1, 32), Hash::Sha256),
    pss(pss_without_parameters!(2, 48), Hash::Sha384),
    pss(pss_without_parameters!(3, 64), Hash::Sha512),
];
