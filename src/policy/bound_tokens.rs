//! `bound_tokens` (contract §10): which requests must carry an access token that is bound to the
//! certificate of their connection (RFC 8705 §3), and who says what a token is bound to.

use std::sync::Arc;

use super::ResponseCheck;
use crate::registry::IntrospectionSource;
use crate::request::Endpoints;

/// The member `bound_tokens`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundTokens {
    /// `resources`: the paths that need a bound token, each with everything below it; `None` = no
    /// request needs one.
    pub resources: Option<Endpoints>,
    /// `jwt`; `None` = no token is taken for one that `jwt_authn` verified.
    pub jwt: Option<VerifiedJwt>,
    /// `introspection`; `None` = no server is asked about tokens.
    pub introspection: Option<Arc<IntrospectionSource>>,
    /// `response_check`.
    pub response_check: ResponseCheck,
}

/// `jwt`: where Envoy's `jwt_authn` leaves what it verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedJwt {
    /// `metadata`: its `payload_in_metadata`, under which the dynamic metadata has the claims.
    pub metadata: Box<str>,
    /// `payload_header`: its `forward_payload_header`, in lower case.
    pub payload_header: Arc<str>,
}
