//! Which headers and trailers must not reach the backend as the client sent them (contract §5).

use super::Exchange;
use crate::certificate::CertificateHeader;
use crate::downstream::{Downstream, ForwardedFields, PresentedCertificate};
use crate::policy::CommonPolicy;
use crate::request::{Fields, Head, SingletonField, same_header};

impl Exchange {
    /// The names of those headers that must not reach the backend as the client sent them (contract
    /// §5). `trusted` is the result of [`Exchange::trusted_certificate_header`].
    pub fn names_to_strip<'a>(
        &self,
        fields: Fields<'a>,
        trusted: Option<CertificateHeader>,
    ) -> impl Iterator<Item = &'a [u8]> {
        let stripped = &self.policy.common().stripped;
        fields.0.iter().map(|(name, _)| *name).filter(move |name| stripped.strips(name, trusted))
    }

    /// The names of those trailers that must not reach the backend: those of
    /// [`Exchange::names_to_strip`], and what as a header is a credential or says how the body is
    /// read, in any spelling. No trailer may be that (RFC 9110 §6.5.1), and those of a backend that
    /// merges trailers into the headers would take the place of what was decided about.
    pub fn trailers_to_strip<'a>(&self, trailers: Fields<'a>) -> impl Iterator<Item = &'a [u8]> {
        let stripped = &self.policy.common().stripped;
        let strips = |field: &'a (&[u8], &[u8])| {
            stripped.strips(field.0, None)
                || same_header(b"authorization", field.0)
                || Head::of(Fields(std::slice::from_ref(field))).has_claim()
        };
        trailers.0.iter().filter(move |field| strips(field)).map(|(name, _)| *name)
    }

    /// Whether [`Exchange::names_to_strip`] may have a header of `head`. That is a quick answer for
    /// nearly every request.
    #[must_use]
    pub fn may_strip(&self, head: &Head<'_>) -> bool {
        self.policy.common().stripped.may_strip(head)
    }

    /// The form of the header from which the client's certificate is read, where the backend gets
    /// what the policy reads too, because `forward.keep` names it. `None` = it does not, or the
    /// header is not trusted.
    pub fn trusted_certificate_header(
        &self,
        head: &Head<'_>,
        downstream: &mut dyn Downstream,
    ) -> Option<CertificateHeader> {
        let CommonPolicy { peer_certificate: policy, forward, .. } = self.policy.common();
        let header = policy.source.header()?;
        if !policy.source.read_names().any(|name| forward.keeps(name)) {
            return None;
        }
        let fields = ForwardedFields::of(head, &policy.source);
        let mut presented = PresentedCertificate::new(policy, fields, downstream);
        let is_trusted = presented.read().is_ok()
            && presented.check_origin().is_ok()
            && fields.verified != SingletonField::Repeated;
        is_trusted.then_some(header.form)
    }
}
