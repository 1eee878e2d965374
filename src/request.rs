//! The claim: who a request says that its client is, and by which ways of authentication.

mod assertion;
mod authorization;
mod content;
mod form;
mod head;
mod path;
mod token_request;

pub use self::authorization::{Authorization, AuthorizationError};
pub use self::content::{Charset, check_content, check_length, is_form};
pub use self::form::{Form, FormError};
pub(crate) use self::head::same_header;
pub use self::head::{Field, ForwardedHeaders, Head, is_token};
pub use self::path::{Endpoint, Endpoints, Target};
pub use self::token_request::{Claim, ClaimedClient, IdSource};
