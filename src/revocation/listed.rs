//! The certificates that the configuration itself revokes (contract §9, `revoked`).

use super::serial::SerialNumber;
use crate::certificate::{DistinguishedName, PeerCertificate, Thumbprint};
use crate::sort::sort;

/// `revoked` of the top level and of the tenant, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedCertificates {
    /// In order.
    thumbprints: Vec<Thumbprint>,
    serials: Vec<RevokedSerial>,
}

/// An entry of `revoked`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokedEntry {
    /// The certificate with this thumbprint.
    Thumbprint(Thumbprint),
    /// The certificate of an issuer with this serial number.
    Serial(RevokedSerial),
}

/// A certificate by its issuer and its serial number, which no two certificates have (RFC 5280
/// §4.1.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedSerial {
    /// The name of the issuer.
    pub issuer: DistinguishedName,
    /// The serial number.
    pub serial: SerialNumber,
}

impl RevokedCertificates {
    /// The list with these entries.
    pub(crate) fn new(entries: impl IntoIterator<Item = RevokedEntry>) -> Self {
        let mut list = Self::default();
        for entry in entries {
            match entry {
                RevokedEntry::Thumbprint(thumbprint) => list.thumbprints.push(thumbprint),
                RevokedEntry::Serial(serial) => list.serials.push(serial),
            }
        }
        sort(&mut list.thumbprints);
        list
    }

    /// This list and the other: no tenant takes back what the top level revokes.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.thumbprints.extend_from_slice(&other.thumbprints);
        sort(&mut both.thumbprints);
        both.serials.extend_from_slice(&other.serials);
        both
    }

    /// The entry that has this certificate; `None` = there is none.
    #[must_use]
    pub fn entry_of(&self, certificate: &PeerCertificate) -> Option<RevokedEntry> {
        let thumbprint = certificate.thumbprint();
        if self.thumbprints.binary_search(&thumbprint).is_ok() {
            return Some(RevokedEntry::Thumbprint(thumbprint));
        }
        if self.serials.is_empty() {
            return None;
        }
        self.entry_with_serial(certificate)
    }

    #[inline(never)]
    fn entry_with_serial(&self, certificate: &PeerCertificate) -> Option<RevokedEntry> {
        let serial = SerialNumber::from_der(certificate.serial_number());
        let found = self
            .serials
            .iter()
            .find(|entry| entry.serial == serial && entry.issuer.may_be(certificate.issuer_der()));
        found.cloned().map(RevokedEntry::Serial)
    }
}

impl std::fmt::Display for RevokedEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Thumbprint(thumbprint) => write!(f, "certificate {thumbprint}"),
            Self::Serial(RevokedSerial { issuer, serial }) => {
                write!(f, "serial number {serial} of {issuer}")
            }
        }
    }
}
