//! Revocation: whether a certificate that is valid otherwise was taken back (contract §9).
//!
//! The configuration revokes at once ([`RevokedCertificates`]). CRLs are fetched once for all VMs
//! of a process, and responders asked once for each certificate in a VM ([`Revocations`]). Neither
//! reads a clock or sends a request: both return what the host must do.

mod asn1;
mod crl;
mod error;
mod issuers;
mod listed;
mod lookup;
mod ocsp;
mod serial;
mod sources;
mod status;

pub use self::crl::{Crl, CrlEvent};
pub use self::error::{CrlError, OcspError, ResponderStatus};
pub use self::issuers::Issuers;
pub use self::listed::{RevokedCertificates, RevokedEntry, RevokedSerial};
pub use self::lookup::{FinishedRevocation, RevocationHost, Revocations};
pub use self::serial::SerialNumber;
pub use self::sources::{CrlSource, OcspSource, OnUnavailable, RevocationSources};
pub use self::status::{RevocationStatus, RevocationUnknown, RevokedBy};
