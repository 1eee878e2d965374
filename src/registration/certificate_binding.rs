//! The member `certificate_binding` (contract §3): the certificate that a client of another method
//! must present beside its own credentials.

use super::expected_subject::{ExpectedSubject, names_of_subjects, subject, subjects};
use super::jwks;
use crate::certificate::Thumbprint;
use crate::json::{Json, JsonError, Members};

/// The certificate that the connection of such a client must present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateBinding {
    /// Any certificate of this subject in a verified chain, as of a `tls_client_auth` client.
    Subject(ExpectedSubject),
    /// One of these certificates, as of a `self_signed_tls_client_auth` client.
    Certificates(Vec<Thumbprint>),
}

/// A binding as it is read: with the thumbprints that stand beside a subject.
pub(super) struct ReadBinding {
    pub(super) binding: CertificateBinding,
    /// `certificate_thumbprints` beside a subject: the only certificates of this subject that the
    /// client may use.
    pub(super) pinned: Option<Vec<Thumbprint>>,
}

impl ReadBinding {
    /// Reads the member. A key that is left out of `jwks` is added to `warnings`, with a pointer
    /// that is relative to the client.
    ///
    /// # Errors
    /// The pointer is relative to `certificate_binding`.
    #[inline(never)]
    pub(super) fn from_json(json: &Json, warnings: &mut Vec<JsonError>) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let subjects = subjects(&mut members);
        let jwks = members.set("jwks");
        let listed = members.read_unless_null(THUMBPRINTS, thumbprints)?;
        members.finish()?;
        match (subjects.as_slice(), jwks, listed) {
            ([only], None, pinned) => {
                Ok(Self { binding: CertificateBinding::Subject(subject(only)?), pinned })
            }
            ([], Some(jwks), None) => {
                let mut left_out = Vec::new();
                let all = jwks::certificates(jwks, &mut left_out)
                    .map_err(|error| error.within("jwks"))?;
                warnings.extend(left_out.into_iter().map(|error| error.within(MEMBER)));
                Ok(Self { binding: CertificateBinding::Certificates(all), pinned: None })
            }
            ([], None, Some(all)) => {
                Ok(Self { binding: CertificateBinding::Certificates(all), pinned: None })
            }
            _ => Err(JsonError::expected(format!(
                "exactly one of {}, jwks and {THUMBPRINTS}, of which the last may also stand \
                 beside one of the first five",
                names_of_subjects()
            ))),
        }
    }
}

/// The name of the member.
pub(super) const MEMBER: &str = "certificate_binding";

/// The member `certificate_thumbprints`.
pub(super) const THUMBPRINTS: &str = "certificate_thumbprints";

pub(super) fn thumbprints(json: &Json) -> Result<Vec<Thumbprint>, JsonError> {
    json.some_elements("at least one SHA-256 thumbprint", thumbprint)
}

fn thumbprint(json: &Json) -> Result<Thumbprint, JsonError> {
    let expected =
        "the SHA-256 of a certificate's DER, in base64url without padding or in hexadecimal";
    Thumbprint::parse(json.string(expected)?).ok_or_else(|| JsonError::expected(expected))
}
