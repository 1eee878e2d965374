//! One CRL as it was fetched (RFC 5280 §5): its profile, read strictly, and a walk over its entries
//! that can stop after any of them.

use std::ops::Range;

use super::super::asn1::{ENUMERATED, URI, dotted, full_name, optional_time, time};
use super::super::error::CrlError;
use super::super::issuers::Signed;
use super::buckets::Buckets;
use crate::certificate::der::{Elements, Tlv, tag, without_zeros};
use crate::certificate::{Extension, bits, place};
use crate::limits;
use crate::time::UnixTime;

/// A CRL whose profile is understood. Whoever reads it knows all that it means.
#[derive(Debug)]
pub(crate) struct CertificateList {
    der: Vec<u8>,
    signed: Range<usize>,
    algorithm: Range<usize>,
    signature: Range<usize>,
    issuer: Range<usize>,
    /// Where the rest of the entries is.
    entries: Range<usize>,
    pub(crate) profile: CrlProfile,
}

/// What a CRL says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CrlProfile {
    pub(crate) this_update: UnixTime,
    pub(crate) next_update: UnixTime,
    /// `cRLNumber`, without zeros in front; `None` = it has none.
    pub(crate) number: Option<Box<[u8]>>,
    /// The URIs of its distribution point; empty = it has all certificates of its issuer.
    pub(crate) points: Vec<Box<[u8]>>,
    /// `onlyContainsUserCerts`: it has no certificates of CAs.
    pub(crate) only_contains_user_certs: bool,
}

/// The last octet of the object identifiers of extensions, `2.5.29.n`.
mod id {
    pub(super) const ISSUER_ALTERNATIVE_NAME: u8 = 18;
    pub(super) const CRL_NUMBER: u8 = 20;
    pub(super) const REASON_CODE: u8 = 21;
    pub(super) const HOLD_INSTRUCTION: u8 = 23;
    pub(super) const INVALIDITY_DATE: u8 = 24;
    pub(super) const DELTA_CRL_INDICATOR: u8 = 27;
    pub(super) const ISSUING_DISTRIBUTION_POINT: u8 = 28;
    pub(super) const CERTIFICATE_ISSUER: u8 = 29;
    pub(super) const AUTHORITY_KEY_IDENTIFIER: u8 = 35;
}

impl CertificateList {
    /// Reads all but the entries.
    pub(crate) fn read(der: Vec<u8>) -> Result<Self, CrlError> {
        let whole = der.as_slice();
        let mut list =
            Elements(Tlv::only(whole)?.contents_of(tag::SEQUENCE).map_err(|_| CrlError::NotACrl)?);
        let signed = list.whole(tag::SEQUENCE)?;
        let algorithm = list.whole(tag::SEQUENCE)?;
        let signature = bits(list.required()?)?;
        list.end()?;
        let mut tbs = Elements(Tlv::only(signed)?.contents);
        // RFC 5280 §5.1.2.1: version 2 is 1, and version 1 is not written.
        match tbs.optional(tag::INTEGER)? {
            Some([1]) => {}
            None | Some([0]) => return Err(CrlError::VersionOne),
            Some(_) => return Err(CrlError::Malformed("version")),
        }
        if tbs.whole(tag::SEQUENCE)? != algorithm {
            return Err(CrlError::Malformed("two signature algorithms"));
        }
        let issuer = tbs.whole(tag::SEQUENCE)?;
        // It is compared with the name of each CA before the signature is verified.
        if issuer.len() > limits::CRL_ISSUER_OCTETS {
            return Err(CrlError::Malformed("an issuer of such a length"));
        }
        let malformed_time = |_| CrlError::Malformed("thisUpdate or nextUpdate");
        let this_update = time(&mut tbs).map_err(malformed_time)?;
        let next_update =
            optional_time(&mut tbs).map_err(malformed_time)?.ok_or(CrlError::NoNextUpdate)?;
        let entries = tbs.optional(tag::SEQUENCE)?.unwrap_or_default();
        let extensions = tbs.optional(tag::context_constructed(0))?;
        tbs.end()?;
        let mut profile = CrlProfile {
            this_update,
            next_update,
            number: None,
            points: Vec::new(),
            only_contains_user_certs: false,
        };
        if let Some(extensions) = extensions {
            profile.read_extensions(Tlv::only(extensions)?.contents_of(tag::SEQUENCE)?)?;
        }
        let place = |part| place(whole, part);
        Ok(Self {
            signed: place(signed),
            algorithm: place(algorithm),
            signature: place(signature),
            issuer: place(issuer),
            // An empty slice may be anywhere.
            entries: if entries.is_empty() { 0..0 } else { place(entries) },
            profile,
            der,
        })
    }

    /// What its issuer signed.
    pub(crate) fn signed(&self) -> Signed<'_> {
        Signed {
            signer: self.part(&self.issuer),
            message: self.part(&self.signed),
            algorithm: self.part(&self.algorithm),
            signature: self.part(&self.signature),
        }
    }

    fn part(&self, place: &Range<usize>) -> &[u8] {
        self.der.get(place.clone()).unwrap_or_default()
    }

    /// The octets of all entries that are left.
    pub(crate) fn entries_octets(&self) -> usize {
        self.entries.len()
    }

    /// Adds some entries to `buckets`; returns whether there are more.
    pub(crate) fn walk(&mut self, buckets: &mut Buckets) -> Result<bool, CrlError> {
        let mut rest = self.der.get(self.entries.clone()).unwrap_or_default();
        for _ in 0..limits::CRL_ENTRIES_AT_ONCE {
            if rest.is_empty() {
                break;
            }
            let (entry, after) = Tlv::next(rest)?;
            buckets.add(serial_of(entry)?)?;
            rest = after;
        }
        self.entries.start = self.entries.end.saturating_sub(rest.len());
        Ok(!rest.is_empty())
    }
}

/// The serial number of an entry that is understood as a whole.
fn serial_of(entry: Tlv<'_>) -> Result<&[u8], CrlError> {
    let malformed = |_| CrlError::Malformed("an entry");
    let mut entry = Elements(entry.contents_of(tag::SEQUENCE).map_err(malformed)?);
    let serial = entry.required()?.contents_of(tag::INTEGER).map_err(malformed)?;
    let date = entry.required().map_err(malformed)?;
    if serial.is_empty() || !matches!(date.tag, tag::UTC_TIME | tag::GENERALIZED_TIME) {
        return Err(CrlError::Malformed("an entry"));
    }
    if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
        for extension in Extension::all(extensions) {
            check_entry_extension(&extension.map_err(malformed)?)?;
        }
    }
    entry.end().map_err(malformed)?;
    Ok(without_zeros(serial))
}

fn check_entry_extension(extension: &Extension<'_>) -> Result<(), CrlError> {
    const REMOVE_FROM_CRL: u8 = 8;
    match extension.id {
        // RFC 5280 §5.3.1: this reason is for delta CRLs alone. All others revoke, certificateHold
        // too.
        [0x55, 0x1d, id::REASON_CODE] => {
            match Tlv::only(extension.value)?.contents_of(ENUMERATED)? {
                [REMOVE_FROM_CRL] => Err(CrlError::Delta),
                [_] => Ok(()),
                _ => Err(CrlError::Malformed("reasonCode")),
            }
        }
        [0x55, 0x1d, id::HOLD_INSTRUCTION | id::INVALIDITY_DATE] => Ok(()),
        [0x55, 0x1d, id::CERTIFICATE_ISSUER] => Err(CrlError::Indirect),
        oid if extension.is_critical => Err(CrlError::CriticalEntryExtension(dotted(oid))),
        _ => Ok(()),
    }
}

impl CrlProfile {
    fn read_extensions(&mut self, extensions: &[u8]) -> Result<(), CrlError> {
        let mut seen: Vec<&[u8]> = Vec::new();
        for extension in Extension::all(extensions) {
            let Extension { id: oid, is_critical, value } = extension?;
            // The signature is not verified yet, and whoever is on the way can send millions.
            if seen.len() == limits::CRL_EXTENSIONS {
                return Err(CrlError::Malformed("too many extensions"));
            }
            if oid.len() > limits::CRL_OID_OCTETS {
                return Err(CrlError::Malformed("an object identifier"));
            }
            // RFC 5280 §4.2: not twice.
            if seen.contains(&oid) {
                return Err(CrlError::Malformed("an extension twice"));
            }
            seen.push(oid);
            match oid {
                [0x55, 0x1d, id::CRL_NUMBER] => {
                    let number = Tlv::only(value)?.contents_of(tag::INTEGER)?;
                    self.number = Some(without_zeros(number).into());
                }
                [0x55, 0x1d, id::DELTA_CRL_INDICATOR] => return Err(CrlError::Delta),
                [0x55, 0x1d, id::ISSUING_DISTRIBUTION_POINT] => self.read_point(value)?,
                [0x55, 0x1d, id::AUTHORITY_KEY_IDENTIFIER | id::ISSUER_ALTERNATIVE_NAME] => {}
                oid if is_critical => return Err(CrlError::CriticalExtension(dotted(oid))),
                _ => {}
            }
        }
        Ok(())
    }

    /// `issuingDistributionPoint` (RFC 5280 §5.2.5).
    fn read_point(&mut self, value: &[u8]) -> Result<(), CrlError> {
        const OF_USERS: u8 = 1;
        let mut point = Elements(Tlv::only(value)?.contents_of(tag::SEQUENCE)?);
        if let Some(name) = point.optional(tag::context_constructed(0))? {
            let mut names = full_name(name)?;
            for name in names.by_ref().take(limits::CRL_POINT_NAMES) {
                let Tlv { tag: kind, contents } = name?;
                if kind == URI {
                    self.points.push(contents.into());
                }
            }
            // The signature is not verified yet.
            if !names.0.is_empty() {
                return Err(CrlError::Malformed("too many names of a distribution point"));
            }
            // A point that no certificate can be compared with has none.
            if self.points.is_empty() {
                return Err(CrlError::Malformed("a distribution point without URI"));
            }
        }
        let mut last = 0;
        for element in point {
            let Tlv { tag: kind, contents } = element?;
            let is_set = contents != [0];
            let number = kind & !0xa0;
            // Each at most once, in their order.
            if number <= last {
                return Err(CrlError::Malformed("issuingDistributionPoint"));
            }
            last = number;
            match number {
                OF_USERS => self.only_contains_user_certs = is_set,
                _ if kind == tag::context_constructed(3) || kind == tag::context(3) => {
                    return Err(CrlError::SomeReasons);
                }
                2 | 5 if is_set => return Err(CrlError::OtherCertificates),
                4 if is_set => return Err(CrlError::Indirect),
                2 | 4 | 5 => {}
                _ => return Err(CrlError::Malformed("issuingDistributionPoint")),
            }
        }
        Ok(())
    }

    /// Whether this one is older than `other` (RFC 5280 §5.2.3).
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        let by_number = match (&self.number, &other.number) {
            (Some(one), Some(other)) => (one.len(), one).cmp(&(other.len(), other)),
            _ => std::cmp::Ordering::Equal,
        };
        by_number.then(self.this_update.cmp(&other.this_update)).is_lt()
    }
}
