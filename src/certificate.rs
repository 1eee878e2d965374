//! The proof: X.509 certificates (RFC 5280), their names, their digests, and the headers that carry
//! them.

mod alternative_name;
mod der;
mod header;
mod memory;
mod name;
mod peer;
pub mod pem;
mod thumbprint;

pub use self::alternative_name::{AlternativeName, FoundNames};
pub use self::header::CertificateHeader;
pub(crate) use self::header::XFCC;
pub use self::memory::CertificateMemory;
pub use self::name::{AttributeType, DistinguishedName, NameDifference, NameError};
pub use self::peer::{CertificateError, PeerCertificate};
pub use self::thumbprint::Thumbprint;
