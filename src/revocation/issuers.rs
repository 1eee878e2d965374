//! The CAs whose word on revocation counts: the anchors and intermediates of the configuration.

use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};
use crate::certificate::{IssuedCertificate, Thumbprint, bits};
use crate::trust::{CaCertificate, SignatureError, SignatureVerifier, verify_signed};

/// The anchors and intermediates of the whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuers(Vec<Issuer>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    certificate: Arc<CaCertificate>,
    /// The digest of its key. CRLs are assigned to certificates by it: two CAs may have one name.
    pub(crate) id: Thumbprint,
}

/// Something that is signed, and by whom it claims to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// The name of the signer, with its outer tag.
    pub(crate) signer: &'a [u8],
    pub(crate) message: &'a [u8],
    /// The `AlgorithmIdentifier`, with its outer tag.
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

/// Why no issuer is the signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignerError {
    /// None has this name.
    UnknownName,
    /// None of those with this name has the key.
    Signature(SignatureError),
    /// The certificate with the key must not sign CRLs.
    KeyUsage,
}

impl Issuers {
    /// The issuers with these certificates.
    pub(crate) fn new<'a>(certificates: impl IntoIterator<Item = &'a Arc<CaCertificate>>) -> Self {
        let mut issuers: Vec<Issuer> = Vec::new();
        for certificate in certificates {
            if issuers.iter().any(|known| *known.certificate == **certificate) {
                continue;
            }
            issuers.push(Issuer {
                id: Thumbprint::of(certificate.public_key()),
                certificate: certificate.clone(),
            });
        }
        Self(issuers)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A digest of all of them. What one configuration has verified must not count in another one
    /// that has other issuers.
    pub(crate) fn digest(&self) -> Thumbprint {
        let thumbprints = self.0.iter().map(|issuer| issuer.certificate.thumbprint());
        let octets: Vec<u8> = thumbprints.flat_map(|thumbprint| *thumbprint.octets()).collect();
        Thumbprint::of(&octets)
    }

    /// The issuer of a certificate: the one whose name it has as its issuer's, and whose key
    /// verifies it.
    pub(crate) fn of(
        &self,
        certificate: &IssuedCertificate<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<&Issuer, SignerError> {
        let IssuedCertificate { parts, signed, algorithm, signature } = certificate;
        let signed = Signed { signer: parts.issuer, message: signed, algorithm, signature };
        self.signer(signed, verifier)
    }

    /// The issuer that signed a CRL.
    pub(crate) fn of_crl(
        &self,
        crl: Signed<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<&Issuer, SignerError> {
        let issuer = self.signer(crl, verifier)?;
        // RFC 5280 §6.3.3 (f): if there is a key usage, it must have cRLSign. One CA may have
        // several certificates.
        let may_sign = |other: &Issuer| other.id == issuer.id && other.certificate.may_sign_crls();
        if self.0.iter().any(may_sign) { Ok(issuer) } else { Err(SignerError::KeyUsage) }
    }

    fn signer(
        &self,
        signed: Signed<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<&Issuer, SignerError> {
        let mut error = SignerError::UnknownName;
        for issuer in self.0.iter().filter(|issuer| issuer.has_name(signed.signer)) {
            match issuer.verify(signed, verifier) {
                Ok(()) => return Ok(issuer),
                Err(cause) => error = SignerError::Signature(cause),
            }
        }
        Err(error)
    }
}

impl Issuer {
    /// The `Name`, with its outer tag.
    pub(crate) fn subject(&self) -> &[u8] {
        self.certificate.subject_der()
    }

    /// The SHA-1 of the key, by which OCSP names an issuer.
    pub(crate) fn key_hash(&self) -> [u8; 20] {
        sha1(key_octets(self.certificate.public_key()).unwrap_or_default())
    }

    /// Whether this is the CA's name: the same octets, or an equal name in other string types.
    pub(crate) fn has_name(&self, name: &[u8]) -> bool {
        *self.subject() == *name
            || self.certificate.subject().is_some_and(|subject| subject.is_in(name) == Ok(true))
    }

    /// Checks that this CA signed it, whatever name it has.
    pub(crate) fn verify(
        &self,
        signed: Signed<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), SignatureError> {
        let key = self.certificate.public_key();
        verify_signed(verifier, signed.algorithm, key, signed.message, signed.signature)
    }
}

/// The octets of the key alone, in a `SubjectPublicKeyInfo`.
pub(super) fn key_octets(key_info: &[u8]) -> Result<&[u8], MalformedDer> {
    let mut parts = Elements(Tlv::only(key_info)?.contents_of(tag::SEQUENCE)?);
    parts.required()?;
    bits(parts.required()?)
}

pub(super) fn sha1(octets: &[u8]) -> [u8; 20] {
    Sha1::digest(octets).into()
}
