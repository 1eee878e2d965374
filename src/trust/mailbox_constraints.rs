//! Constraints on mailboxes, of certificates that have one in their subject (RFC 5280 §4.2.1.10). A
//! constraint on `rfc822Name` is about the attributes `emailAddress` of a subject, too; to OpenSSL
//! and BoringSSL also where there are alternative names. `webpki` looks at these alone.
//!
//! The constraints themselves are not compared, as `webpki` does not compare those on `rfc822Name`
//! either: a certificate to which one applies is refused.

use super::ca_certificate::CaCertificate;
use crate::certificate::Parts;
use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};

/// Checks the certificates of a path: `anchor`, the CAs below it from the top, and the leaf's DER.
///
/// # Errors
/// A constraint applies, or something cannot be read.
pub(super) fn check<'a>(
    anchor: &CaCertificate,
    issuers: impl Iterator<Item = &'a CaCertificate>,
    leaf: &[u8],
) -> Result<(), MalformedDer> {
    let mut are_constrained = constrains_mailboxes(anchor)?;
    for ca in issuers {
        // RFC 5280 §6.1.3: self-issued certificates are exempt, but for the last one.
        if are_constrained && !ca.is_self_issued() && has_mailbox(ca.subject_der())? {
            return Err(MalformedDer);
        }
        are_constrained |= constrains_mailboxes(ca)?;
    }
    if are_constrained && has_mailbox(Parts::of(leaf)?.subject)? {
        return Err(MalformedDer);
    }
    Ok(())
}

/// Whether a CA permits or excludes mailboxes in what it issues.
fn constrains_mailboxes(ca: &CaCertificate) -> Result<bool, MalformedDer> {
    const MAILBOX: u8 = tag::context(1);
    let Some(constraints) = ca.name_constraints() else { return Ok(false) };
    for subtrees in Elements(constraints) {
        for subtree in Elements(subtrees?.contents) {
            let mut subtree = Elements(subtree?.contents_of(tag::SEQUENCE)?);
            if subtree.required()?.tag == MAILBOX {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a `Name` has an attribute `emailAddress`.
fn has_mailbox(name: &[u8]) -> Result<bool, MalformedDer> {
    // 1.2.840.113549.1.9.1
    const EMAIL_ADDRESS: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];
    for rdn in Elements(Tlv::only(name)?.contents_of(tag::SEQUENCE)?) {
        for attribute in Elements(rdn?.contents_of(tag::SET)?) {
            let mut attribute = Elements(attribute?.contents_of(tag::SEQUENCE)?);
            if attribute.required()?.contents_of(tag::OBJECT_IDENTIFIER)? == EMAIL_ADDRESS {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
