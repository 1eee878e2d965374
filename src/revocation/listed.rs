//! The certificates that the configuration itself revokes (contract §9, `revoked`).

use std::cell::OnceCell;

use super::serial::SerialNumber;
use crate::certificate::{
    DistinguishedName, Parts, PeerCertificate, Thumbprint, other_thumbprints,
};
use crate::sort::sort;
use crate::trust::CaCertificate;

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
        let others = || certificate.other_thumbprints();
        let thumbprint = self.listed(certificate.thumbprint(), others);
        let serial = || self.listed_serial(certificate.serial_number(), certificate.issuer_der());
        thumbprint
            .map(RevokedEntry::Thumbprint)
            .or_else(|| serial().cloned().map(RevokedEntry::Serial))
    }

    /// Whether the certificate of this CA is one of them. An anchor that is a root is so by its
    /// thumbprint alone: where it gives its own serial number to a client, too, who revokes the
    /// client does not mean the root.
    #[inline(never)]
    pub(crate) fn has_ca(&self, ca: &CaCertificate, is_anchor: bool) -> bool {
        let others = OnceCell::new();
        let others = || &**others.get_or_init(|| other_thumbprints(ca.der()));
        if self.listed(ca.thumbprint(), others).is_some() {
            return true;
        }
        match Parts::of(ca.der()) {
            Ok(parts) if is_anchor && parts.issuer == parts.subject => false,
            Ok(parts) => self.listed_serial(parts.serial_number, parts.issuer).is_some(),
            Err(_) => false,
        }
    }

    /// A digest of all of them. What is known of a path where one list is in force does not count
    /// where another one is.
    pub(crate) fn id(&self) -> Thumbprint {
        // The number of digests tells them from what follows.
        let mut octets = self.thumbprints.len().to_be_bytes().to_vec();
        for thumbprint in &self.thumbprints {
            octets.extend_from_slice(thumbprint.octets());
        }
        for RevokedSerial { issuer, serial } in &self.serials {
            let text = format!("{serial} {issuer}");
            octets.extend_from_slice(&text.len().to_be_bytes());
            octets.extend_from_slice(text.as_bytes());
        }
        Thumbprint::of(&octets)
    }

    /// The entry that is this thumbprint or one of `others`.
    fn listed<'a>(
        &self,
        thumbprint: Thumbprint,
        others: impl FnOnce() -> &'a [Thumbprint],
    ) -> Option<Thumbprint> {
        if self.thumbprints.is_empty() {
            return None;
        }
        let is_listed = |one: &&Thumbprint| self.thumbprints.binary_search(one).is_ok();
        Some(&thumbprint).filter(is_listed).or_else(|| others().iter().find(is_listed)).copied()
    }

    #[inline(never)]
    fn listed_serial(&self, serial: &[u8], issuer: &[u8]) -> Option<&RevokedSerial> {
        if self.serials.is_empty() {
            return None;
        }
        let serial = SerialNumber::from_der(serial);
        self.serials.iter().find(|entry| entry.serial == serial && entry.issuer.may_be(issuer))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever has a certificate that an ECDSA key signed can make its other encoding.
    #[test]
    fn a_thumbprint_revokes_both_encodings_of_a_certificate() {
        let all = include_str!("../certificate/malleable/twins.pem");
        let all: Vec<PeerCertificate> = all
            .split_inclusive("-----END CERTIFICATE-----\n")
            .map(|one| PeerCertificate::from_pem(one.as_bytes()).unwrap())
            .collect();
        for pair in all.chunks(2) {
            for revoked in pair {
                let entry = RevokedEntry::Thumbprint(revoked.thumbprint());
                let list = RevokedCertificates::new([entry.clone()]);
                for certificate in &all {
                    let is_same = pair.iter().any(|one| one.der() == certificate.der());
                    let expected = is_same.then(|| entry.clone());
                    assert_eq!(list.entry_of(certificate), expected);
                }
            }
        }
    }

    #[test]
    fn a_root_that_is_an_anchor_is_revoked_by_its_thumbprint_alone() {
        let root = CaCertificate::from_pem(include_bytes!("../trust/tests/rsa256.ca.pem")).unwrap();
        let parts = Parts::of(root.der()).unwrap();
        let serial = RevokedSerial {
            issuer: root.subject().unwrap().clone(),
            serial: SerialNumber::from_der(parts.serial_number),
        };
        let by_serial = RevokedCertificates::new([RevokedEntry::Serial(serial)]);
        let by_thumbprint = RevokedCertificates::new([RevokedEntry::Thumbprint(root.thumbprint())]);
        assert_eq!(
            [true, false].map(|is_anchor| by_serial.has_ca(&root, is_anchor)),
            [false, true]
        );
        assert_eq!(
            [true, false].map(|is_anchor| by_thumbprint.has_ca(&root, is_anchor)),
            [true; 2]
        );
    }
}
