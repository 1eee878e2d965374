//! The registration: what was agreed with a client (RFC 7591, RFC 8705).

mod auth_method;
mod backend_authentication;
mod certificate_binding;
mod client_anchors;
mod client_metadata;
mod expected_subject;
pub(crate) mod foreign;
pub(crate) mod jwks;
mod jwks_uri;
mod standing;

use std::sync::Arc;

pub(crate) use self::auth_method::is_of_backend;
pub use self::backend_authentication::BackendAuthentication;
pub use self::certificate_binding::CertificateBinding;
pub use self::client_anchors::{ClientAnchor, ClientAnchors};
pub use self::client_metadata::{ClientMetadata, SelfSignedKeys, TokenEndpointAuthMethod};
pub(crate) use self::client_metadata::{is_client_id, is_trimmed};
pub use self::expected_subject::ExpectedSubject;
pub use self::jwks_uri::JwksUri;
pub(crate) use self::jwks_uri::{ListedHost, ListedHosts, host_name};

/// What a registry answers for one `client_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// The client is registered.
    Registered(Arc<ClientMetadata>),
    /// The registry has an entry for this client that cannot be used, and the reason. Such a client
    /// is never treated as unregistered: under `unregistered_clients: "pass"` it would then pass
    /// without its certificate.
    Unusable(Arc<str>),
    /// No entry of the list states this identifier, and one that cannot be used names it beside its
    /// own. Without a lookup that says otherwise, such a client is not treated as unregistered
    /// either.
    Doubtful,
    /// The registry has no such client.
    Unregistered,
}
