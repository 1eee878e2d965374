//! The claim: which client a request names, and by which methods it authenticates.

mod access_token;
mod authorization;
mod content;
mod credential;
mod endpoints;
mod error;
mod fields;
mod form;
mod head;
mod jwt;
mod path;
mod path_prefix;
mod target;
mod token_request;

pub use self::access_token::MalformedToken;
pub(crate) use self::access_token::{BearerToken, TokenPayload, bearer_token, check_form};
pub(crate) use self::authorization::Authorization;
pub(crate) use self::content::{
    Charset, assumed_content_type, check_content, check_length, is_form, may_be_form,
};
pub(crate) use self::credential::reads_as_access_token;
pub(crate) use self::endpoints::may_be_listed;
pub use self::endpoints::{Endpoint, Endpoints};
pub(crate) use self::error::RequestError;
pub use self::error::{AuthorizationError, ClientIdMismatch, FormError, IdSource};
pub use self::fields::{Field, Fields, SingletonField};
pub(crate) use self::form::Form;
pub(crate) use self::head::{Beginnings, begins_as_identity, same_header};
pub use self::head::{Head, is_token};
pub(crate) use self::jwt::attested_subjects;
pub(crate) use self::path::{Spellings, find_spelling, folded};
pub use self::path_prefix::PathPrefix;
pub use self::target::Target;
pub(crate) use self::token_request::{Claim, ClaimedClient};
