//! What the backend learns of the certificate of a client that passed without authenticating by it,
//! where `forward.certificate_for` asks for that (contract §5).

use crate::authenticate::{check_revoked, check_validity};
use crate::certificate::PeerCertificate;
use crate::downstream::{PresentedCertificate, ServerName};
use crate::policy::{CertificateFor, CommonPolicy};
use crate::rejection::{Code, Rejection};
use crate::revocation::RevocationUnknown;

/// The headers of a request that passes as `code`; none where policy is silent about it. What
/// cannot be read is not written, and refuses nothing.
///
/// `is_of_tenant` = whether the tenant of the request is that of the connection, whose CA verified
/// the chain. It is asked only where that counts.
pub(super) fn headers_of_bystander(
    code: Code,
    common: &CommonPolicy,
    presented: &mut PresentedCertificate<'_>,
    is_of_tenant: impl FnOnce(ServerName) -> bool,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let forward = &common.forward;
    let least = match code {
        Code::NotGated => CertificateFor::EveryRequest,
        _ => CertificateFor::Gated,
    };
    if forward.certificate_for() < least || !forward.tells_of_certificates() {
        return headers;
    }
    let Ok(certificate) = presented.read() else { return headers };
    // A header that does not describe this connection says nothing about the client.
    if presented.check_origin().is_ok() {
        // The server of a registered client authenticates it, and knows what its certificate is
        // worth. Any other one may be taken for a certificate that was verified here.
        // That of a token was compared with the certificate itself.
        // Nobody may be taken for the holder of a certificate that is revoked.
        let revoked = common.revoked.as_ref();
        let is_whole = revoked.is_none_or(|revoked| check_revoked(revoked, &certificate).is_ok())
            && (matches!(code, Code::PassedOtherMethod | Code::TokenBound)
                || (is_vouched_for(&certificate, common, presented).is_ok()
                    && is_of_tenant(presented.server_name())));
        forward.add_certificate(&certificate, is_whole, &mut headers);
    }
    headers
}

/// Checks that the certificate is valid, and its chain verified (by the anchors, where they are who
/// vouches), as of a `tls_client_auth` client.
fn is_vouched_for(
    certificate: &PeerCertificate,
    common: &CommonPolicy,
    presented: &mut PresentedCertificate<'_>,
) -> Result<(), Rejection> {
    let now = presented.now()?;
    check_validity(certificate, now)?;
    presented.check_chain()?;
    presented.check_issuer(certificate, common, None, now)?;
    // Whether it is revoked is asked only where a decision depends on it.
    if common.revocation.is_some() {
        return Err(Rejection::RevocationUnknown(RevocationUnknown::NotAsked));
    }
    Ok(())
}
