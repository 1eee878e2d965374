//! The proof: X.509 certificates, their names and digests.

mod alternative_name;
mod der;
mod memory;
mod name;
mod peer;
pub mod pem;
mod thumbprint;

pub use self::alternative_name::AlternativeName;
pub use self::memory::CertificateMemory;
pub use self::name::{AttributeType, DistinguishedName, NameDifference, NameError};
pub use self::peer::{CertificateError, PeerCertificate};
pub use self::thumbprint::Thumbprint;

/// Seconds since 1970-01-01T00:00:00Z, without leap seconds; time is always a parameter, never a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub i64);
