//! The foreign function `verify_signature` (`source/extensions/common/wasm/foreign.cc` of Envoy),
//! and hosts in which it fails.

use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use wasmtime::{Result, bail, format_err};

use super::guest::Guest;
use super::stream::Status;

/// What the host does when the module calls a foreign function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Foreign {
    /// What Envoy does.
    #[default]
    AsEnvoy,
    /// It has no such function.
    Missing,
    /// It fails.
    Fails(Status),
    /// It answers this, whatever it is asked.
    Answers(Vec<u8>),
}

impl Guest<'_> {
    pub fn call_foreign_function(
        &mut self,
        name: (u32, u32),
        arguments: (u32, u32),
        out: (u32, u32),
    ) -> Result<Status> {
        let name = self.read_text(name.0, name.1)?;
        if name != "verify_signature" {
            bail!("this host does not know what the foreign function {name:?} does");
        }
        let arguments = self.read(arguments.0, arguments.1)?;
        let answer = match self.host().foreign.clone() {
            Foreign::AsEnvoy => answer(&arguments)?,
            Foreign::Missing => return Ok(Status::NotFound),
            Foreign::Fails(status) => return Ok(status),
            Foreign::Answers(answer) => answer,
        };
        self.give(&answer, out)
    }
}

/// The answer to a message of Protocol Buffers. Fields that Envoy would ignore are an error: the
/// filter has no reason to send them.
fn answer(mut arguments: &[u8]) -> Result<Vec<u8>> {
    let mut fields: [Option<Vec<u8>>; 4] = [const { None }; 4];
    while let Some((&key, rest)) = arguments.split_first() {
        let (length, rest) = varint(rest)?;
        let field = (key >> 3) as usize;
        if key & 7 != 2 || !(1..=4).contains(&field) || length > rest.len() {
            bail!("field {field} of type {} with {length} octets", key & 7);
        }
        let (value, rest) = rest.split_at(length);
        if fields[field - 1].replace(value.to_vec()).is_some() {
            bail!("field {field} is there twice");
        }
        arguments = rest;
    }
    let [Some(hash), Some(key), Some(signature), Some(text)] = fields else {
        bail!("a field is missing");
    };
    let hash = String::from_utf8(hash)?;
    match verify(&hash, &key, &text, &signature)? {
        // Field 1, true. Field 2, an error, is empty and so is left out.
        true => Ok(vec![0x08, 0x01]),
        // Field 2; field 1 is false and so is left out.
        false => {
            let error = b"Failed to verify digest. Error code: 0";
            Ok([&[0x12, error.len() as u8][..], error].concat())
        }
    }
}

fn varint(mut octets: &[u8]) -> Result<(usize, &[u8])> {
    let (mut number, mut shift) = (0, 0);
    while let Some((&octet, rest)) = octets.split_first() {
        number |= usize::from(octet & 0x7f) << shift;
        octets = rest;
        if octet & 0x80 == 0 {
            return Ok((number, octets));
        }
        shift += 7;
        if shift > 28 {
            break;
        }
    }
    Err(format_err!("a varint without an end"))
}

/// BoringSSL, by ring, which is made of it; but P-521, which ring does not have.
fn verify(hash: &str, key_info: &[u8], text: &[u8], signature: &[u8]) -> Result<bool> {
    let (algorithm, key) = key_parts(key_info)?;
    let ec = |curve: &[u8]| [EC, curve].concat();
    let by_ring: &dyn VerificationAlgorithm = match hash {
        "sha256" if algorithm.starts_with(RSA) => &signature::RSA_PKCS1_2048_8192_SHA256,
        "sha384" if algorithm.starts_with(RSA) => &signature::RSA_PKCS1_2048_8192_SHA384,
        "sha512" if algorithm.starts_with(RSA) => &signature::RSA_PKCS1_2048_8192_SHA512,
        "sha256" if algorithm == ec(P256) => &signature::ECDSA_P256_SHA256_ASN1,
        "sha384" if algorithm == ec(P256) => &signature::ECDSA_P256_SHA384_ASN1,
        "sha256" if algorithm == ec(P384) => &signature::ECDSA_P384_SHA256_ASN1,
        "sha384" if algorithm == ec(P384) => &signature::ECDSA_P384_SHA384_ASN1,
        "sha256" if algorithm == ec(P521) => return Ok(p521(&SHA256, key, text, signature)),
        "sha384" if algorithm == ec(P521) => return Ok(p521(&SHA384, key, text, signature)),
        "sha512" if algorithm == ec(P521) => return Ok(p521(&SHA512, key, text, signature)),
        _ => bail!("this host does not have {hash} with the key {algorithm:02x?}"),
    };
    Ok(UnparsedPublicKey::new(by_ring, key).verify(text, signature).is_ok())
}

/// The contents octets of the `AlgorithmIdentifier`s of keys: rsaEncryption; ecPublicKey, before
/// its curve.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];

fn p521(hash: &'static Algorithm, key: &[u8], text: &[u8], signature: &[u8]) -> bool {
    use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
    use p521::ecdsa::{Signature, VerifyingKey};
    // FIPS 186-5 §6.4: a digest that is shorter than the order is that number.
    let mut number = [0; 66];
    let digest = digest(hash, text);
    number[66 - digest.as_ref().len()..].copy_from_slice(digest.as_ref());
    match (VerifyingKey::from_sec1_bytes(key), Signature::from_der(signature)) {
        (Ok(key), Ok(signature)) => key.verify_prehash(&number, &signature).is_ok(),
        _ => false,
    }
}

/// The contents octets of the algorithm, and the octets of the key.
fn key_parts(key_info: &[u8]) -> Result<(&[u8], &[u8])> {
    let (whole, _) = element(0x30, key_info)?;
    let (algorithm, rest) = element(0x30, whole)?;
    let (bits, _) = element(0x03, rest)?;
    Ok((algorithm, bits.get(1..).unwrap_or_default()))
}

/// The contents of an element of DER with this tag, and what is behind it.
fn element(tag: u8, octets: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, contents) = match octets {
        [found, short @ ..=0x7f, rest @ ..] if *found == tag => (usize::from(*short), rest),
        [found, 0x81, one, rest @ ..] if *found == tag => (usize::from(*one), rest),
        [found, 0x82, high, low, rest @ ..] if *found == tag => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        _ => bail!("not the key that is expected: {octets:02x?}"),
    };
    contents.split_at_checked(length).ok_or_else(|| format_err!("a key that is cut"))
}
