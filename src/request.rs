//! The claim: who a request says that its client is, and by which ways of authentication.

mod assertion;
mod authorization;
mod content;
mod error;
mod form;
mod head;
mod path;
mod token_request;

pub(crate) use self::authorization::Authorization;
pub use self::authorization::AuthorizationError;
pub(crate) use self::content::{Charset, check_content, check_length, is_form};
pub use self::error::ClientIdMismatch;
pub(crate) use self::error::RequestError;
pub(crate) use self::form::Form;
pub use self::form::FormError;
pub(crate) use self::head::same_header;
pub use self::head::{CertificateHeaders, Fields, Head, SingletonField, is_token};
pub use self::path::{Endpoint, Endpoints, Target};
pub use self::token_request::IdSource;
pub(crate) use self::token_request::{Claim, ClaimedClient};
