//! Signatures of CAs, verified by Envoy's foreign function `verify_signature`.
//!
//! It takes a message of Protocol Buffers: 1 the name of the hash, 2 the public key
//! (`SubjectPublicKeyInfo` in DER), 3 the signature, 4 the text; and answers with one: 1 whether
//! the signature is valid, 2 an error. It has RSASSA-PKCS1-v1_5 and ECDSA. RSASSA-PSS and Ed25519
//! are computed here.

use tls_client_auth::host::{
    Hash, SignatureAlgorithm, SignatureError, SignatureVerifier, verify_ed25519, verify_pss,
};

use super::abi;

/// Envoy.
#[derive(Debug)]
pub(super) struct HostVerifier;

impl SignatureVerifier for HostVerifier {
    fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        match algorithm {
            SignatureAlgorithm::RsaPss(hash) => verify_pss(hash, public_key, message, signature),
            SignatureAlgorithm::Ed25519 => verify_ed25519(public_key, message, signature),
            SignatureAlgorithm::RsaPkcs1(hash) | SignatureAlgorithm::Ecdsa(_, hash) => {
                match ask(hash, public_key, message, signature) {
                    Some(true) => Ok(()),
                    Some(false) => Err(SignatureError::Invalid),
                    None => Err(SignatureError::Unavailable),
                }
            }
            _ => Err(SignatureError::Algorithm),
        }
    }
}

impl HostVerifier {
    /// Whether Envoy has the function, and says of a valid signature that it is valid.
    pub(super) fn is_available() -> bool {
        ask(Hash::Sha256, &PROBE_KEY, PROBE_TEXT, &PROBE_SIGNATURE) == Some(true)
    }
}

/// Whether the signature is valid; `None` = the host does not say.
fn ask(hash: Hash, public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
    let hash: &[u8] = match hash {
        Hash::Sha256 => b"sha256",
        Hash::Sha384 => b"sha384",
        Hash::Sha512 => b"sha512",
    };
    let length = hash.len() + public_key.len() + message.len() + signature.len();
    let mut question = Vec::with_capacity(length + 24);
    for (number, octets) in [(1, hash), (2, public_key), (3, signature), (4, message)] {
        // A field of type LEN: its number and 2, then its length as a varint.
        question.push(number << 3 | 2);
        let mut rest = octets.len();
        while rest >= 0x80 {
            question.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        question.push(rest as u8);
        question.extend_from_slice(octets);
    }
    let answer = abi::call_foreign_function("verify_signature", &question)?;
    // Protocol Buffers leave out a field that is false. So a valid signature, and nothing else, is
    // answered by field 1 as a varint of 1 in front.
    Some(answer.starts_with(&[1 << 3, 1]))
}

/// What is asked at start.
const PROBE_TEXT: &[u8] = b"tls-client-auth";
/// A P-256 key whose private part was thrown away, and its signature of `PROBE_TEXT`.
const PROBE_KEY: [u8; 91] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x25, 0x67, 0x6d, 0xf2, 0x0e,
    0xb5, 0xcd, 0x46, 0x55, 0x2a, 0x54, 0x2e, 0x49, 0x16, 0xb0, 0x24, 0xa5, 0x07, 0x60, 0xcf, 0x30,
    0xca, 0x24, 0xa9, 0xe0, 0x63, 0x43, 0xfb, 0xd2, 0x8a, 0x57, 0xf9, 0xc1, 0x82, 0xc1, 0xaf, 0xe6,
    0xd8, 0xb7, 0xf0, 0x94, 0x60, 0x01, 0x74, 0xb6, 0xb0, 0x50, 0x8d, 0x9c, 0x63, 0x54, 0xcd, 0xbc,
    0xe2, 0xb0, 0x0a, 0x21, 0x16, 0xee, 0xba, 0xf0, 0x26, 0x86, 0x54,
];
/// See [`PROBE_KEY`].
const PROBE_SIGNATURE: [u8; 71] = [
    0x30, 0x45, 0x02, 0x20, 0x52, 0xf5, 0xd2, 0x12, 0xa4, 0xd7, 0x8e, 0x68, 0x2d, 0xf7, 0x8e, 0x47,
    0x98, 0x64, 0x3e, 0xdf, 0x56, 0x6d, 0x8d, 0x72, 0x63, 0x17, 0x96, 0xf7, 0x31, 0xc1, 0x73, 0x65,
    0xda, 0xd1, 0xef, 0x14, 0x02, 0x21, 0x00, 0xe5, 0x71, 0xb5, 0x13, 0x55, 0xc0, 0x30, 0x78, 0xe8,
    0x52, 0xf8, 0x94, 0xe3, 0x5d, 0x9a, 0x71, 0x63, 0x9c, 0x4f, 0xda, 0x83, 0x3b, 0x3c, 0x8e, 0x30,
    0x58, 0x48, 0x4d, 0x2e, 0x3c, 0xa1, 0xcc,
];
