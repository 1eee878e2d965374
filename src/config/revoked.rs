//! The member `revoked` (contract §9).

use crate::certificate::{DistinguishedName, Thumbprint};
use crate::json::{Json, JsonError, Members};
use crate::revocation::{RevokedCertificates, RevokedEntry, RevokedSerial, SerialNumber};

impl RevokedCertificates {
    /// Reads the member.
    ///
    /// # Errors
    /// The pointer is relative to `revoked`.
    #[inline(never)]
    pub(super) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let entries = json.elements("an array", entry)?;
        Ok(Self::new(entries))
    }
}

fn entry(json: &Json) -> Result<RevokedEntry, JsonError> {
    let expected = "the SHA-256 of a certificate in base64url or hexadecimal digits, or an object \
        with issuer and serial";
    if let Json::String(text) = json {
        return Thumbprint::parse(text)
            .map(RevokedEntry::Thumbprint)
            .ok_or_else(|| JsonError::expected(expected));
    }
    let mut members = Members::of(json, expected)?;
    let issuer = members.read("issuer", issuer_name)?;
    let serial = members.read("serial", |json| {
        let expected = "a serial number in hexadecimal digits";
        SerialNumber::parse(json.string(expected)?).ok_or_else(|| JsonError::expected(expected))
    })?;
    members.finish()?;
    match (issuer, serial) {
        (Some(issuer), Some(serial)) => Ok(RevokedEntry::Serial(RevokedSerial { issuer, serial })),
        (None, _) => Err(JsonError::expected("the member issuer")),
        (_, None) => Err(JsonError::expected("the member serial")),
    }
}

/// The name of an issuer, as a subject is registered (contract §3).
pub(super) fn issuer_name(json: &Json) -> Result<DistinguishedName, JsonError> {
    let text = json.string("the distinguished name of an issuer")?;
    DistinguishedName::parse(text)
        .map_err(|error| JsonError::new(format!("expected a distinguished name: {error}")))
}
