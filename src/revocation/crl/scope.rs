//! Whether a CRL speaks about a certificate of its issuer (RFC 5280 §6.3.3 (b), (d)).

use super::super::asn1::{URI, full_name};
use super::super::issuers::Issuer;
use super::list::CrlProfile;
use crate::certificate::Parts;
use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};

/// `issuer` = that of the certificate, which signed the list. A certificate whose extensions are
/// not understood is none of the list's.
pub(super) fn covers(list: &CrlProfile, certificate: &Parts<'_>, issuer: &Issuer) -> bool {
    is_covered(list, certificate, issuer) == Ok(true)
}

fn is_covered(
    list: &CrlProfile,
    certificate: &Parts<'_>,
    issuer: &Issuer,
) -> Result<bool, MalformedDer> {
    // 2.5.29.31
    const CRL_DISTRIBUTION_POINTS: [u8; 3] = [0x55, 0x1d, 0x1f];
    // (b) (2) (ii)
    if list.only_contains_user_certs && is_ca(certificate)? {
        return Ok(false);
    }
    // A list without points has every certificate of its issuer.
    let mut is_covered = list.points.is_empty();
    let Some(value) = certificate.extension(&CRL_DISTRIBUTION_POINTS)? else {
        return Ok(is_covered);
    };
    for point in Elements(Tlv::only(value)?.contents_of(tag::SEQUENCE)?) {
        let mut point = Elements(point?.contents_of(tag::SEQUENCE)?);
        let name = point.optional(tag::context_constructed(0))?;
        let reasons = point.optional(tag::context(1))?;
        let crl_issuer = point.optional(tag::context_constructed(2))?;
        point.end()?;
        // (b) (1): with a cRLIssuer of another name, the list of this point is an indirect one.
        if !has_name(list, name)? || !is_of(crl_issuer, issuer)? {
            continue;
        }
        if reasons.is_none() {
            return Ok(true);
        }
        // (d): the certificate may be revoked for a reason that the list of this point does not
        // have.
        is_covered = false;
    }
    Ok(is_covered)
}

/// Whether the `distributionPoint` of a certificate is one of a list's.
fn has_name(list: &CrlProfile, name: Option<&[u8]>) -> Result<bool, MalformedDer> {
    if list.points.is_empty() {
        return Ok(true);
    }
    let Some(name) = name else { return Ok(false) };
    for name in full_name(name)? {
        let Tlv { tag: kind, contents } = name?;
        if kind == URI && list.points.iter().any(|point| **point == *contents) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a `cRLIssuer` names this one, which it need not where it issued the certificate.
fn is_of(crl_issuer: Option<&[u8]>, issuer: &Issuer) -> Result<bool, MalformedDer> {
    const DIRECTORY_NAME: u8 = tag::context_constructed(4);
    let Some(names) = crl_issuer else { return Ok(true) };
    for name in Elements(names) {
        let Tlv { tag: kind, contents } = name?;
        if kind == DIRECTORY_NAME && issuer.has_name(contents) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether it may be that of a CA: `cA` of `basicConstraints` is anything but `FALSE`.
fn is_ca(certificate: &Parts<'_>) -> Result<bool, MalformedDer> {
    // 2.5.29.19
    const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];
    let Some(value) = certificate.extension(&BASIC_CONSTRAINTS)? else { return Ok(false) };
    let mut constraints = Elements(Tlv::only(value)?.contents_of(tag::SEQUENCE)?);
    Ok(constraints.optional(tag::BOOLEAN)?.is_some_and(|is_ca| is_ca != [0]))
}
