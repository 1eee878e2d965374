//! The members `trust_anchors` and `intermediates` (contract §9).

use std::sync::Arc;

use crate::json::{Json, JsonError};
use crate::revocation::RevokedCertificates;
use crate::trust::{CaCertificate, Trust};

/// Reads an array of certificates of CAs in PEM, each of which is there once. `what` = what one of
/// them is.
pub(super) fn certificates(json: &Json, what: &str) -> Result<Vec<Arc<CaCertificate>>, JsonError> {
    let mut found: Vec<Arc<CaCertificate>> = Vec::new();
    json.some_elements(&format!("at least {what}"), |json| {
        let text = json.string("a certificate in PEM")?;
        let certificate = CaCertificate::from_pem(text.as_bytes()).map_err(JsonError::expected)?;
        if found.iter().any(|other| **other == certificate) {
            return Err(JsonError::expected("a certificate that is not in the array before"));
        }
        found.push(Arc::new(certificate));
        Ok(())
    })?;
    Ok(found)
}

/// The anchors and intermediates that are not revoked.
pub(super) fn in_force(
    anchors: Option<&[Arc<CaCertificate>]>,
    intermediates: Option<&[Arc<CaCertificate>]>,
    revoked: Option<&RevokedCertificates>,
) -> Trust {
    let [anchors, intermediates] =
        [(anchors, true), (intermediates, false)].map(|(certificates, are_anchors)| {
            let mut left = certificates.unwrap_or_default().to_vec();
            left.retain(|ca| !revoked.is_some_and(|revoked| revoked.has_ca(ca, are_anchors)));
            left
        });
    Trust::new(anchors, intermediates, revoked.map(RevokedCertificates::id))
}
