//! The answer (RFC 6960 §4.2.1), read strictly: whatever it says counts only if the issuer, or a
//! responder that the issuer authorized, signed it about this very certificate, for now.

use super::super::asn1::{ENUMERATED, dotted, time};
use super::super::error::{OcspError, ResponderStatus};
use super::super::issuers::{Issuer, Signed, key_octets};
use super::request::CertId;
use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};
use crate::certificate::{Extension, IssuedCertificate, bits};
use crate::limits;
use crate::time::UnixTime;
use crate::trust::SignatureVerifier;

/// What a responder says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OcspAnswer {
    /// When it was revoked; `None` = it is good.
    pub(crate) revoked_at: Option<UnixTime>,
    pub(crate) this_update: UnixTime,
    pub(crate) next_update: Option<UnixTime>,
}

/// Against what an answer is checked.
pub(crate) struct Question<'a> {
    pub(crate) id: &'a CertId,
    pub(crate) issuer: &'a Issuer,
    pub(crate) now: UnixTime,
    /// For how many seconds an answer without `nextUpdate` counts.
    pub(crate) max_age: i64,
}

impl OcspAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    /// Why it says nothing.
    pub(crate) fn read(
        der: &[u8],
        question: &Question<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Self, OcspError> {
        // 1.3.6.1.5.5.7.48.1.1
        const BASIC: [u8; 9] = [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
        let mut response = Elements(Tlv::only(der)?.contents_of(tag::SEQUENCE)?);
        match response.required()?.contents_of(ENUMERATED)? {
            [0] => {}
            [status] => return Err(OcspError::Status(ResponderStatus(*status))),
            _ => return Err(OcspError::Malformed("responseStatus")),
        }
        let inner = response
            .optional(tag::context_constructed(0))?
            .ok_or(OcspError::Malformed("no responseBytes"))?;
        response.end()?;
        let mut inner = Elements(Tlv::only(inner)?.contents_of(tag::SEQUENCE)?);
        if inner.required()?.contents_of(tag::OBJECT_IDENTIFIER)? != BASIC {
            return Err(OcspError::Type);
        }
        let basic = inner.required()?.contents_of(tag::OCTET_STRING)?;
        inner.end()?;

        let mut basic = Elements(Tlv::only(basic)?.contents_of(tag::SEQUENCE)?);
        let message = basic.whole(tag::SEQUENCE)?;
        let algorithm = basic.whole(tag::SEQUENCE)?;
        let signature = bits(basic.required()?)?;
        let certificates = basic.optional(tag::context_constructed(0))?;
        basic.end()?;
        let data = ResponseData::read(message)?;
        let certificates = match certificates {
            Some(certificates) => Tlv::only(certificates)?.contents_of(tag::SEQUENCE)?,
            None => &[],
        };
        let signed = Signed { signer: &[], message, algorithm, signature };
        check_signature(signed, &data.responder, certificates, question, verifier)?;
        data.answer(question)
    }

    fn check_time(&self, question: &Question<'_>) -> Result<(), OcspError> {
        let (UnixTime(now), this_update) = (question.now, self.this_update);
        if this_update.0 > now.saturating_add(limits::CLOCK_SKEW_SECONDS) {
            return Err(OcspError::NotYetValid { this_update });
        }
        let until = self.until(question.max_age);
        if now > until.0 { Err(OcspError::Stale { until }) } else { Ok(()) }
    }
}

/// `ResponseData`
struct ResponseData<'a> {
    responder: ResponderId<'a>,
    /// The contents of `responses`.
    responses: &'a [u8],
}

/// `ResponderID`
enum ResponderId<'a> {
    /// The `Name`, with its outer tag.
    Name(&'a [u8]),
    /// The SHA-1 of the key.
    Key(&'a [u8]),
}

impl ResponderId<'_> {
    /// Whether it names the one with this key, of whose name `has_name` knows.
    fn is(&self, has_name: impl FnOnce(&[u8]) -> bool, key_hash: &[u8; 20]) -> bool {
        match self {
            Self::Name(name) => has_name(name),
            Self::Key(hash) => *hash == key_hash,
        }
    }
}

impl<'a> ResponseData<'a> {
    fn read(data: &'a [u8]) -> Result<Self, OcspError> {
        let mut data = Elements(Tlv::only(data)?.contents_of(tag::SEQUENCE)?);
        if let Some(version) = data.optional(tag::context_constructed(0))?
            && Tlv::only(version)?.contents_of(tag::INTEGER)? != [0]
        {
            return Err(OcspError::Malformed("version"));
        }
        let Tlv { tag: kind, contents } = data.required()?;
        let responder = if kind == tag::context_constructed(1) {
            ResponderId::Name(contents)
        } else if kind == tag::context_constructed(2) {
            ResponderId::Key(Tlv::only(contents)?.contents_of(tag::OCTET_STRING)?)
        } else {
            return Err(OcspError::Malformed("responderID"));
        };
        time(&mut data).map_err(|_| OcspError::Malformed("producedAt"))?;
        let responses = data.required()?.contents_of(tag::SEQUENCE)?;
        check_extensions(data.optional(tag::context_constructed(1))?)?;
        data.end()?;
        Ok(Self { responder, responses })
    }

    /// The answer about the certificate of the question, which must be one.
    fn answer(&self, question: &Question<'_>) -> Result<OcspAnswer, OcspError> {
        let mut found = None;
        for response in Elements(self.responses) {
            let mut response = Elements(response?.contents_of(tag::SEQUENCE)?);
            if !question.id.is(response.required()?.contents_of(tag::SEQUENCE)?)? {
                continue;
            }
            if found.is_some() {
                return Err(OcspError::Malformed("two answers about one certificate"));
            }
            let status = response.required()?;
            let malformed = |_: MalformedDer| OcspError::Malformed("a time");
            let this_update = time(&mut response).map_err(malformed)?;
            let next_update = match response.optional(tag::context_constructed(0))? {
                Some(next) => {
                    let mut next = Elements(next);
                    let time = time(&mut next).map_err(malformed)?;
                    next.end()?;
                    Some(time)
                }
                None => None,
            };
            check_extensions(response.optional(tag::context_constructed(1))?)?;
            response.end()?;
            let mut answer = OcspAnswer { revoked_at: None, this_update, next_update };
            answer.check_time(question)?;
            match status.tag {
                kind if kind == tag::context(0) && status.contents.is_empty() => {}
                kind if kind == tag::context_constructed(1) => {
                    let revoked_at = time(&mut Elements(status.contents)).map_err(malformed)?;
                    answer.revoked_at = Some(revoked_at);
                }
                kind if kind == tag::context(2) => return Err(OcspError::Unknown),
                _ => return Err(OcspError::Malformed("certStatus")),
            }
            found = Some(answer);
        }
        found.ok_or(OcspError::OtherCertificate)
    }
}

/// Checks that whoever does not know an extension may ignore it. A nonce may be absent, and is not
/// asked for: caches have none (RFC 5019 §4).
fn check_extensions(extensions: Option<&[u8]>) -> Result<(), OcspError> {
    let Some(extensions) = extensions else { return Ok(()) };
    for extension in Extension::all(Tlv::only(extensions)?.contents_of(tag::SEQUENCE)?) {
        let extension = extension?;
        if extension.is_critical {
            return Err(OcspError::CriticalExtension(dotted(extension.id)));
        }
    }
    Ok(())
}

/// Checks that the issuer signed, or a responder with a certificate of the issuer for it (RFC 6960
/// §4.2.2.2).
fn check_signature(
    signed: Signed<'_>,
    responder: &ResponderId<'_>,
    certificates: &[u8],
    question: &Question<'_>,
    verifier: &dyn SignatureVerifier,
) -> Result<(), OcspError> {
    let issuer = question.issuer;
    if responder.is(|name| issuer.has_name(name), &issuer.key_hash()) {
        return issuer.verify(signed, verifier).map_err(OcspError::Signature);
    }
    let none = "neither the issuer nor a certificate in the answer is the signer";
    let mut failure = OcspError::Responder(none);
    let mut rest = Elements(certificates);
    for _ in 0..limits::OCSP_CERTIFICATES {
        if rest.0.is_empty() {
            break;
        }
        let certificate = rest.whole(tag::SEQUENCE)?;
        let certificate = IssuedCertificate::of(certificate)?;
        let key = key_octets(certificate.parts.public_key)?;
        let key_hash = super::super::issuers::sha1(key);
        if !responder.is(|name| name == certificate.parts.subject, &key_hash) {
            continue;
        }
        let is_signed = || {
            check_delegate(&certificate, question, verifier)?;
            let public_key = certificate.parts.public_key;
            let Signed { algorithm, message, signature, .. } = signed;
            crate::trust::verify_signed(verifier, algorithm, public_key, message, signature)
                .map_err(OcspError::Signature)
        };
        // A responder that has renewed its certificate may enclose both, under one name.
        match is_signed() {
            Ok(()) => return Ok(()),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Checks that the issuer authorized a responder.
fn check_delegate(
    certificate: &IssuedCertificate<'_>,
    question: &Question<'_>,
    verifier: &dyn SignatureVerifier,
) -> Result<(), OcspError> {
    // 2.5.29.15, 2.5.29.37, 1.3.6.1.5.5.7.3.9
    const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
    const EXTENDED_KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x25];
    const OCSP_SIGNING: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 9];
    let IssuedCertificate { parts, signed, algorithm, signature } = certificate;
    if !question.issuer.has_name(parts.issuer) {
        return Err(OcspError::Responder("its certificate is of another issuer"));
    }
    let signed = Signed { signer: parts.issuer, message: signed, algorithm, signature };
    question
        .issuer
        .verify(signed, verifier)
        .map_err(|_| OcspError::Responder("its certificate is not signed by the issuer"))?;
    if !(parts.not_before..=parts.not_after).contains(&question.now) {
        return Err(OcspError::Responder("its certificate is not valid now"));
    }
    let may_sign = match parts.extension(&EXTENDED_KEY_USAGE)? {
        None => false,
        Some(usages) => Elements(Tlv::only(usages)?.contents_of(tag::SEQUENCE)?)
            .any(|usage| usage.is_ok_and(|usage| usage.contents == OCSP_SIGNING)),
    };
    if !may_sign {
        return Err(OcspError::Responder("its certificate lacks id-kp-OCSPSigning"));
    }
    // RFC 5280 §4.2. basicConstraints and subjectAltName (2.5.29.19 and .17) restrict no responder.
    // Nobody is asked about a responder, as id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1) asks for.
    const NO_CHECK: [u8; 9] = [0x2b, 6, 1, 5, 5, 7, 0x30, 1, 5];
    for extension in parts.extensions() {
        let extension = extension?;
        let is_known = extension.id == KEY_USAGE
            || extension.id == EXTENDED_KEY_USAGE
            || matches!(extension.id, [0x55, 0x1d, 0x13 | 0x11])
            || extension.id == NO_CHECK;
        if extension.is_critical && !is_known {
            return Err(OcspError::Responder("its certificate has a critical extension"));
        }
    }
    if let Some(usage) = parts.extension(&KEY_USAGE)? {
        // RFC 5280 §4.2.1.12: digitalSignature, nonRepudiation, or both.
        const SIGNS: u8 = 1 << 7 | 1 << 6;
        match Tlv::only(usage)?.contents_of(tag::BIT_STRING)? {
            [_, first, ..] if first & SIGNS != 0 => {}
            _ => return Err(OcspError::Responder("its key usage lacks digitalSignature")),
        }
    }
    Ok(())
}
