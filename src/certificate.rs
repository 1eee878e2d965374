//! The proof: X.509 certificates (RFC 5280), their names, their digests, and the headers that carry
//! them.

mod alternative_name;
pub(crate) mod der;
mod header;
mod issued;
mod malleable;
mod memory;
mod name;
mod parts;
mod peer;
pub mod pem;
mod thumbprint;

pub use self::alternative_name::{AlternativeName, FoundNames};
pub use self::header::CertificateHeader;
pub(crate) use self::header::XFCC;
pub(crate) use self::issued::{IssuedCertificate, bits};
pub(crate) use self::malleable::other_thumbprints;
pub use self::memory::CertificateMemory;
pub use self::name::{AttributeType, DistinguishedName, NameDifference, NameError};
pub(crate) use self::parts::{Extension, Parts, place, time};
pub use self::peer::{CertificateError, PeerCertificate};
pub use self::thumbprint::Thumbprint;
pub(crate) use self::thumbprint::octets_of_hex;
