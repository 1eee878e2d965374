//! The claim: who a request says that its client is, and by which ways of authentication.

mod assertion;
mod authorization;
mod content;
mod form;
mod head;
mod path;
mod token_request;

pub use self::authorization::{Authorization, AuthorizationError};
pub use self::content::{check_content, check_length};
pub use self::form::{Form, FormError};
pub use self::head::{Field, ForwardedHeaders, Head, is_token};
pub use self::path::{Endpoints, Target};
pub use self::token_request::{Claim, IdSource};
