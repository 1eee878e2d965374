//! What CRLs and OCSP answers have in common in DER.

use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};
pub(super) use crate::certificate::time;
use crate::limits;
use crate::time::UnixTime;

pub(super) const ENUMERATED: u8 = 0x0a;
/// The `uniformResourceIdentifier` of a `GeneralName` (RFC 5280 §4.2.1.6).
pub(super) const URI: u8 = tag::context(6);

/// A `UTCTime` or `GeneralizedTime`, if one is next.
pub(super) fn optional_time(elements: &mut Elements<'_>) -> Result<Option<UnixTime>, MalformedDer> {
    match elements.0.first() {
        Some(&(tag::UTC_TIME | tag::GENERALIZED_TIME)) => time(elements).map(Some),
        _ => Ok(None),
    }
}

/// An object identifier in dotted form, from its contents octets.
pub(super) fn dotted(oid: &[u8]) -> Box<str> {
    let mut text = String::new();
    let mut arc = 0u64;
    for octet in oid.iter().take(limits::CRL_OID_OCTETS) {
        arc = (arc << 7) | u64::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            let first = (arc / 40).min(2);
            text = format!("{first}.{}", arc - first * 40);
        } else {
            text.push('.');
            text.push_str(&arc.to_string());
        }
        arc = 0;
    }
    text.into()
}

/// The names in the `fullName` of a `DistributionPointName` (RFC 5280 §4.2.1.13); none where it is
/// of another form.
pub(super) fn full_name(point_name: &[u8]) -> Result<Elements<'_>, MalformedDer> {
    let Tlv { tag: kind, contents } = Tlv::only(point_name)?;
    Ok(Elements(if kind == tag::context_constructed(0) { contents } else { &[] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_printed_in_dotted_form() {
        assert_eq!(&*dotted(&[0x55, 0x1d, 0x1c]), "2.5.29.28");
        assert_eq!(&*dotted(&[0x2b, 6, 1, 5, 5, 7, 0x30, 1]), "1.3.6.1.5.5.7.48.1");
        assert_eq!(&*dotted(&[0x88, 0x37, 3]), "2.999.3");
        assert_eq!(&*dotted(&[]), "");
    }
}
