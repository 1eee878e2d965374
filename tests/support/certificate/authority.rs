//! CAs: of every algorithm that counts (contract §9), roots and others, with any extensions.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p521::ecdsa::signature::Signer as _;
use rcgen::{KeyPair, PublicKeyData as _};
use ring::rand::SystemRandom;
use ring::signature::{self, RsaEncoding, RsaKeyPair};

use super::fields::{extension, name, time};
use super::{CENTURY, Certificate, CertificateSpec, RSA_2048, minted, pem};
use crate::der::{self, SEQUENCE, context_constructed, integer, oid, tlv};
use crate::moment::Moment;

/// A CA with its private key.
pub struct Authority {
    key: Box<dyn PrivateKey>,
    name: Vec<u8>,
    certificate: Vec<u8>,
}

/// What an [`Authority`] is made of.
#[derive(Clone, Debug)]
pub struct AuthoritySpec {
    pub common_name: &'static str,
    pub algorithm: Algorithm,
    pub not_before: Moment,
    pub not_after: Moment,
    /// Whether it has `cA` and may sign certificates and CRLs.
    pub is_ca: bool,
    /// Further extensions, each whole and in DER.
    pub extensions: Vec<Vec<u8>>,
}

impl Default for AuthoritySpec {
    fn default() -> Self {
        Self {
            common_name: "Clients CA",
            algorithm: Algorithm::P256,
            not_before: CENTURY.0,
            not_after: CENTURY.1,
            is_ca: true,
            extensions: Vec::new(),
        }
    }
}

/// How a CA signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rsa256,
    Rsa384,
    Rsa512,
    Pss256,
    Pss384,
    Pss512,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Algorithm {
    pub const ALL: [Self; 10] = [
        Self::Rsa256,
        Self::Rsa384,
        Self::Rsa512,
        Self::Pss256,
        Self::Pss384,
        Self::Pss512,
        Self::P256,
        Self::P384,
        Self::P521,
        Self::Ed25519,
    ];
}

impl Authority {
    /// A root.
    pub fn root(spec: &AuthoritySpec) -> Self {
        Self::made(spec, None)
    }

    /// A CA that this one issued.
    pub fn below(&self, spec: &AuthoritySpec) -> Self {
        Self::made(spec, Some(self))
    }

    fn made(spec: &AuthoritySpec, issuer: Option<&Self>) -> Self {
        let key = private_key(spec.algorithm);
        let common_name = vec!["CN".to_owned(), spec.common_name.to_owned()];
        let name = name(&[vec![common_name]]).expect("a name");
        let mut extensions = Vec::new();
        if spec.is_ca {
            let basic_constraints = tlv(SEQUENCE, &[tlv(der::BOOLEAN, &[[0xff]])]);
            let key_cert_sign_and_crl_sign = tlv(der::BIT_STRING, &[[0x01, 0x06]]);
            for (id, value) in
                [("2.5.29.19", basic_constraints), ("2.5.29.15", key_cert_sign_and_crl_sign)]
            {
                extensions.push(extension(id, true, &value).expect("a known OID"));
            }
        }
        extensions.extend(spec.extensions.iter().cloned());
        let (issuer_name, issuer_key) =
            issuer.map_or((&name, &*key), |issuer| (&issuer.name, &*issuer.key));
        let validity = (spec.not_before, spec.not_after);
        let key_info = key.key_info();
        let certificate =
            certificate(issuer_name, &name, validity, &key_info, issuer_key, &extensions);
        Self { certificate: certificate.expect("the new key signs"), name, key }
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// Its certificate.
    pub fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// Its `Name`.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The `AlgorithmIdentifier` of its signatures, and its signature of `message`.
    pub fn sign(&self, message: &[u8]) -> (Vec<u8>, Vec<u8>) {
        (self.key.algorithm(), self.key.sign(message))
    }

    /// A certificate under it. `spec.issuer` does not count.
    pub fn issue(&self, spec: &CertificateSpec) -> Certificate {
        let spec = CertificateSpec { issuer: super::Issuer::Ca, ..spec.clone() };
        minted(&spec, self).expect("the description is well-formed")
    }

    pub(super) fn key(&self) -> &dyn PrivateKey {
        &*self.key
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("algorithm", &self.key.algorithm()).finish()
    }
}

/// Whatever signs.
pub(super) trait PrivateKey: Send + Sync {
    /// The `SubjectPublicKeyInfo`.
    fn key_info(&self) -> Vec<u8>;
    /// The `AlgorithmIdentifier` of its signatures.
    fn algorithm(&self) -> Vec<u8>;
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

fn private_key(algorithm: Algorithm) -> Box<dyn PrivateKey> {
    let generated = |algorithm| {
        Box::new(KeyPair::generate_for(algorithm).expect("the system has randomness for a key"))
    };
    match algorithm {
        Algorithm::P256 => generated(&rcgen::PKCS_ECDSA_P256_SHA256),
        Algorithm::P384 => generated(&rcgen::PKCS_ECDSA_P384_SHA384),
        Algorithm::Ed25519 => generated(&rcgen::PKCS_ED25519),
        // A constant key: nothing depends on its being secret.
        Algorithm::P521 => Box::new(P521Key(
            p521::ecdsa::SigningKey::from_slice(&[1; 66]).expect("a scalar of the field"),
        )),
        Algorithm::Rsa256 => rsa(&signature::RSA_PKCS1_SHA256, pkcs1("1.2.840.113549.1.1.11")),
        Algorithm::Rsa384 => rsa(&signature::RSA_PKCS1_SHA384, pkcs1("1.2.840.113549.1.1.12")),
        Algorithm::Rsa512 => rsa(&signature::RSA_PKCS1_SHA512, pkcs1("1.2.840.113549.1.1.13")),
        Algorithm::Pss256 => rsa(&signature::RSA_PSS_SHA256, pss("2.16.840.1.101.3.4.2.1", 32)),
        Algorithm::Pss384 => rsa(&signature::RSA_PSS_SHA384, pss("2.16.840.1.101.3.4.2.2", 48)),
        Algorithm::Pss512 => rsa(&signature::RSA_PSS_SHA512, pss("2.16.840.1.101.3.4.2.3", 64)),
    }
}

impl PrivateKey for KeyPair {
    fn key_info(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }

    fn algorithm(&self) -> Vec<u8> {
        let algorithm = rcgen::PublicKeyData::algorithm(self);
        if algorithm == &rcgen::PKCS_ECDSA_P256_SHA256 {
            sequence(&[known("1.2.840.10045.4.3.2")])
        } else if algorithm == &rcgen::PKCS_ECDSA_P384_SHA384 {
            sequence(&[known("1.2.840.10045.4.3.3")])
        } else if algorithm == &rcgen::PKCS_ED25519 {
            sequence(&[known("1.3.101.112")])
        } else {
            assert!(algorithm == &rcgen::PKCS_RSA_SHA256, "{algorithm:?}");
            pkcs1("1.2.840.113549.1.1.11")
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        rcgen::SigningKey::sign(self, message).expect("the key signs")
    }
}

struct P521Key(p521::ecdsa::SigningKey);

impl PrivateKey for P521Key {
    fn key_info(&self) -> Vec<u8> {
        let point = self.0.verifying_key().to_sec1_point(false);
        let algorithm = sequence(&[known("1.2.840.10045.2.1"), known("1.3.132.0.35")]);
        sequence(&[algorithm, der::bit_string(point.as_bytes())])
    }

    fn algorithm(&self) -> Vec<u8> {
        sequence(&[known("1.2.840.10045.4.3.4")])
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: p521::ecdsa::Signature = self.0.sign(message);
        let (r, s) = signature.split_bytes();
        sequence(&[unsigned(&r), unsigned(&s)])
    }
}

struct RsaKey {
    key: RsaKeyPair,
    encoding: &'static dyn RsaEncoding,
    algorithm: Vec<u8>,
}

fn rsa(encoding: &'static dyn RsaEncoding, algorithm: Vec<u8>) -> Box<dyn PrivateKey> {
    let (_, armoured) = RSA_2048.split_once("-----BEGIN PRIVATE KEY-----").expect("PEM");
    let (base64, _) = armoured.split_once("-----END").expect("PEM");
    let key = STANDARD.decode(base64.replace('\n', "")).expect("base64");
    let key = RsaKeyPair::from_pkcs8(&key).expect("the fixture is a PKCS #8 RSA key");
    Box::new(RsaKey { key, encoding, algorithm })
}

impl PrivateKey for RsaKey {
    fn key_info(&self) -> Vec<u8> {
        let algorithm = sequence(&[known("1.2.840.113549.1.1.1"), vec![5, 0]]);
        sequence(&[algorithm, der::bit_string(self.key.public().as_ref())])
    }

    fn algorithm(&self) -> Vec<u8> {
        self.algorithm.clone()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.key.public().modulus_len()];
        let signed = self.key.sign(self.encoding, &SystemRandom::new(), message, &mut signature);
        signed.expect("the key signs");
        signature
    }
}

fn pkcs1(id: &str) -> Vec<u8> {
    sequence(&[known(id), vec![5, 0]])
}

/// RSASSA-PSS-params (RFC 4055 §3.1).
fn pss(hash: &str, salt: u64) -> Vec<u8> {
    let hash = sequence(&[known(hash), vec![5, 0]]);
    let mask = sequence(&[known("1.2.840.113549.1.1.8"), hash.clone()]);
    let parameters = sequence(&[
        tlv(context_constructed(0), &[hash]),
        tlv(context_constructed(1), &[mask]),
        tlv(context_constructed(2), &[integer(salt)]),
    ]);
    sequence(&[known("1.2.840.113549.1.1.10"), parameters])
}

/// An INTEGER of these octets, which are no negative number.
fn unsigned(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let significant = &octets[zeros.min(octets.len() - 1)..];
    let sign: &[u8] = if significant[0] & 0x80 != 0 { &[0] } else { &[] };
    tlv(der::INTEGER, &[sign, significant])
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(SEQUENCE, parts)
}

fn known(dotted: &str) -> Vec<u8> {
    oid(dotted).expect("the constant is well-formed")
}

/// A certificate of version 3 with its own serial number.
pub(super) fn certificate(
    issuer: &[u8],
    subject: &[u8],
    (not_before, not_after): (Moment, Moment),
    key_info: &[u8],
    issuer_key: &dyn PrivateKey,
    extensions: &[Vec<u8>],
) -> Result<Vec<u8>, String> {
    static SERIAL: AtomicU64 = AtomicU64::new(1);
    let algorithm = issuer_key.algorithm();
    let version_3 = tlv(context_constructed(0), &[integer(2)]);
    let serial = integer(SERIAL.fetch_add(1, Ordering::Relaxed));
    let validity = sequence(&[time(not_before), time(not_after)]);
    let extensions = match extensions {
        [] => Vec::new(),
        some => tlv(context_constructed(3), &[sequence(some)]),
    };
    let parts: [&[u8]; 8] =
        [&version_3, &serial, &algorithm, issuer, &validity, subject, key_info, &extensions];
    let to_be_signed = tlv(SEQUENCE, &parts);
    let signature = issuer_key.sign(&to_be_signed);
    Ok(sequence(&[to_be_signed, algorithm, der::bit_string(&signature)]))
}
