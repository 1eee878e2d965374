//! OAuth 2.0 mutual-TLS client authentication (RFC 8705) at the edge: the decision, as a library.
//!
//! One request is a **claim** (who it says it is), a **proof** (the certificate of its connection)
//! and a **registration** (what was agreed with that client). This crate compares the three and
//! answers. It has no host, no clock and no I/O: what Envoy loads, what JavaScript calls and what
//! operators run are crates around it.
//!
//! A [`Gate`] reads a configuration once and decides about whole requests, from any thread:
//!
//! ```
//! use tls_client_auth::{Code, Gate, GateRequest, Peer, UnixTime};
//!
//! let gate = Gate::new(
//!     br#"{
//!         "endpoints": ["/token"],
//!         "clients": [{
//!             "client_id": "ledger",
//!             "token_endpoint_auth_method": "tls_client_auth",
//!             "tls_client_auth_san_dns": "ledger.example.org"
//!         }]
//!     }"#,
//! )?;
//! let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
//! let request = GateRequest {
//!     headers: vec![
//!         header(":method", "POST"),
//!         header(":path", "/token"),
//!         header(":authority", "as.example.org"),
//!         header("content-type", "application/x-www-form-urlencoded"),
//!     ],
//!     body: b"grant_type=client_credentials&client_id=ledger".to_vec(),
//! };
//! // The connection had no certificate. One in PEM or DER is added by `Peer::presenting`.
//! let mut peer = Peer { chain_valid: Some(true), now: Some(UnixTime(1_780_272_000)), ..Peer::default() };
//! let outcome = gate.decide(&request, &mut peer);
//! assert!(!outcome.passes());
//! assert_eq!(outcome.decision.code, Code::CertificateMissing);
//! # Ok::<(), tls_client_auth::JsonError>(())
//! ```
//!
//! Hosts that see a request in pieces drive the exchange itself: [`host`]. Tools that explain
//! configurations and decisions look into them with [`inspect`].
//!
//! # Map of the modules
//!
//! | module | holds |
//! |---|---|
//! | `authenticate` | the decision of RFC 8705, on one page |
//! | `exchange` | one request as a machine without I/O, from its headers to the decision |
//! | `request` | the claim: head, path, form, `Authorization`, assertion |
//! | `certificate` | the proof: X.509, distinguished names, alternative names, thumbprints, headers that carry certificates |
//! | `registration` | what was agreed with a client: client metadata, JWK Sets |
//! | `registry` | where registrations are kept: embedded, a fetched list, lookups, formats of other servers |
//! | `policy`, `config` | what an operator decided; how it is read from JSON |
//! | `downstream` | what a host can say of the connection, and on whose word a certificate is the client's |
//! | `rejection`, `response` | why a request is refused; what the client may learn of it |
//! | `decision`, `checks` | what comes out: action, code, log line; which checks were made |
//! | `gate` | a whole request in, a decision out |
//! | [`limits`] | every limit, with its reason |
//! | `json`, `time` | JSON that knows its place; seconds since 1970 |
//!
//! Data runs one way: host → exchange → request, certificate, registration → authenticate →
//! decision → response → host. No two of these modules depend on each other; a test holds that.

#![forbid(unsafe_code)]
#![deny(missing_docs, unreachable_pub)]
// No panic is reachable from a request, and none from a configuration.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::dbg_macro
    )
)]

mod authenticate;
mod certificate;
mod checks;
mod config;
mod decision;
mod downstream;
mod exchange;
mod gate;
mod json;
pub mod limits;
mod policy;
mod registration;
mod registry;
mod rejection;
mod request;
mod response;
mod time;

pub use certificate::{
    AlternativeName, CertificateError, DistinguishedName, NameError, PeerCertificate, Thumbprint,
};
pub use decision::{Action, Decision, RequestSummary};
pub use downstream::ServerName;
pub use gate::{Gate, GateRequest, Outcome, Peer};
pub use json::JsonError;
pub use policy::Configuration;
pub use registry::ClientList;
pub use rejection::{Code, HostError, Rejection};
pub use response::Response;
pub use time::UnixTime;

/// What a host needs that sees a request in pieces and fetches registries: the exchange, and this
/// host's part in it.
pub mod host {
    pub use crate::certificate::{CertificateHeader, CertificateMemory};
    pub use crate::decision::LineBudget;
    pub use crate::downstream::Downstream;
    pub use crate::exchange::{Exchange, Step};
    pub use crate::policy::{FilterState, LogDecisions};
    pub use crate::registration::Registration;
    pub use crate::registry::{
        Change, ChangeKind, FetchError, FetchMode, FetchedRegistry, IncompleteList, Lookup,
        LookupOutcome, RefreshEvent, RegistryAnswer, RegistryFault, RegistryRequest, SharedData,
        Snapshot, Stopwatch, TickOutcome, Validators, Version,
    };
    pub use crate::request::{CertificateHeaders, Fields, Head, SingletonField};
}

/// What tools look into that check configurations and explain decisions.
pub mod inspect {
    pub use crate::certificate::{AttributeType, FoundNames, NameDifference, pem};
    pub use crate::checks::{Check, Checks};
    pub use crate::policy::{
        Chain, CommonPolicy, Forward, Methods, Mode, PeerCertificatePolicy, Policy, RegistrySource,
        Source, StrippedHeaders, TenantPolicy, TrustedProxies, TrustedProxy, UnknownTenant,
    };
    pub use crate::registration::{
        BackendAuthentication, ClientMetadata, ExpectedSubject, TokenEndpointAuthMethod,
    };
    pub use crate::registry::{ClientListFormat, Conversion, Registry, convert_list};
    pub use crate::rejection::{
        MissingCertificate, SubjectMismatch, UnknownClient, UnverifiedCertificate,
    };
    pub use crate::request::{
        AuthorizationError, ClientIdMismatch, Endpoint, Endpoints, FormError, IdSource, Target,
        is_token,
    };
}

/// A gate is asked by as many threads as there are; so is what it is made of.
const _: () = {
    const fn is_shared_by_threads<T: Send + Sync>() {}
    is_shared_by_threads::<Gate>();
    is_shared_by_threads::<Configuration>();
    is_shared_by_threads::<inspect::Policy>();
    is_shared_by_threads::<inspect::Registry>();
    is_shared_by_threads::<ClientList>();
    is_shared_by_threads::<PeerCertificate>();
    is_shared_by_threads::<Decision>();
};
