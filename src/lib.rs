//! OAuth 2.0 mutual-TLS client authentication (RFC 8705) at the edge: the decision, as a library.
//!
//! A request makes a **claim**: which client it says it is. Its **proof** is the certificate of the
//! connection. The **registration** is what was agreed with that client. This crate compares the
//! three. It has no host, no clock and no I/O: the module that Envoy loads, the npm package and the
//! command line are crates that use it.
//!
//! A [`Gate`] reads a configuration once, and decides about whole requests from any thread:
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
//! // The client sent no certificate. `Peer::presenting` adds one in PEM or DER.
//! let now = Some(UnixTime(1_780_272_000));
//! let mut peer = Peer { chain_valid: Some(true), now, ..Peer::default() };
//! let outcome = gate.decide(&request, &mut peer);
//! assert!(!outcome.passes());
//! assert_eq!(outcome.decision.code, Code::CertificateMissing);
//! # Ok::<(), tls_client_auth::JsonError>(())
//! ```
//!
//! - A host that receives a request in pieces drives the exchange itself, with the types of
//!   [`host`].
//! - A tool that explains configurations and decisions uses those of [`inspect`].
//! - Every limit, with its reason, is in [`limits`].
//!
//! Errors are enums that can be compared, and `#[non_exhaustive]`. Texts that clients receive are
//! constant ([`Response`]); texts for operators have the details ([`Rejection`], [`JsonError`]).
//!
//! # Modules
//!
//! - `authenticate`: the decision of RFC 8705, in one function
//! - `bound_token`: that of RFC 8705 §3 at a protected resource, about an access token
//! - `exchange`: one request as a machine without I/O, from its headers to its decision
//! - `request`: the claim, from the head, path, form, `Authorization` and assertion of a request
//! - `certificate`: the proof, with distinguished names, alternative names, thumbprints, and the
//!   headers that carry certificates
//! - `registration`: client metadata, JWK Sets
//! - `registry`: where registrations come from: the configuration, a fetched list, lookups, formats
//!   of other servers
//! - `trust`: the CAs that a configuration names, and what they signed
//! - `policy`, `config`: what an operator decided, and how it is read from JSON
//! - `downstream`: what a host knows of the connection, and which certificate counts as the
//!   client's
//! - `revocation`: certificates that were taken back: by the configuration, by their CA's lists, by
//!   its responder
//! - `rejection`, `response`: why a request is refused, and what its client learns of that
//! - `decision`, `checks`: the outcome with its action, code and log line, and the checks that were
//!   made
//! - `backend_response`: a response that is read: its access token, the metadata of the server
//! - `facts`: what a host must find out for some decisions
//! - `gate`: a whole request in, a decision out
//! - `json`, `percent`, `time`: JSON whose errors have a place, percent-encoding, seconds since
//!   1970
//!
//! Data takes one way: host → exchange → request, certificate, registration → authenticate →
//! decision → response → host. No two modules depend on each other, except a module and its
//! children; a test verifies that.

#![forbid(unsafe_code)]
#![deny(missing_docs, unreachable_pub)]
#![cfg_attr(test, allow(clippy::string_slice, reason = "a test fails by panicking"))]

mod authenticate;
mod backend_response;
mod bound_token;
mod certificate;
mod checks;
mod config;
mod decision;
mod downstream;
mod exchange;
mod facts;
mod gate;
mod json;
pub mod limits;
mod log_line;
mod octets;
mod percent;
mod policy;
mod registration;
mod registry;
mod rejection;
mod request;
mod response;
mod revocation;
mod sort;
mod time;
mod trust;

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
pub use response::{Challenge, Response};
pub use time::UnixTime;

pub mod host {
    //! The types for a host that receives a request in pieces and fetches registries.
    //!
    //! Such a host makes a [`Head`] of the request headers, and an [`Exchange`] of the head. It
    //! removes the headers of [`Exchange::names_to_strip`], and reports what arrives:
    //! [`Exchange::on_headers`], [`Exchange::on_body`], [`Exchange::on_end`]. Each of these returns
    //! the [`Step`] that the host must take. By [`Downstream`] the host gives what it knows of the
    //! connection.

    pub use crate::backend_response::{
        BackendResponse, METADATA_CONDITIONS, METADATA_VALIDATORS, ResponseStep, UntouchedMetadata,
    };
    pub use crate::certificate::{CertificateHeader, CertificateMemory};
    pub use crate::decision::LineBudget;
    pub use crate::downstream::{Downstream, VerifiedClaim};
    pub use crate::exchange::{Exchange, Step};
    pub use crate::facts::{Fact, Question};
    pub use crate::log_line::log_line;
    pub use crate::policy::{FilterState, LogDecisions};
    pub use crate::registration::{JwksUri, Registration};
    pub use crate::registry::{
        AccessToken, Change, ChangeKind, FetchError, FetchMode, FetchedKeySet, FetchedRegistry,
        IncompleteList, IntrospectedToken, IntrospectionOutcome, IntrospectionRequest,
        IntrospectionSource, Introspections, KeySet, KeySetSource, KeySets, Lookup, LookupOutcome,
        OnMiss, RefreshEvent, RegistryAnswer, RegistryFault, RegistryRequest, SharedData, Snapshot,
        Stopwatch, TickOutcome, TokenKey, Validators, Version,
    };
    pub use crate::request::{Field, Fields, Head, SingletonField};
    pub use crate::revocation::{
        Crl, CrlEvent, CrlSource, FinishedRevocation, OcspSource, RevocationHost,
        RevocationSources, RevocationStatus, Revocations,
    };
    pub use crate::trust::{
        Curve, Hash, PathMemory, PublicKeyError, SignatureAlgorithm, SignatureError,
        SignatureVerifier, SoftwareVerifier, verify_ed25519, verify_pss, verify_signed,
    };
}

pub mod inspect {
    //! The types for tools that check configurations and explain decisions: the parts of a
    //! [`Configuration`](crate::Configuration), of a [`Registration`](crate::host::Registration),
    //! of a [`Rejection`](crate::Rejection), and the checks of a [`Decision`](crate::Decision).

    pub use crate::certificate::{AttributeType, FoundNames, NameDifference, pem};
    pub use crate::checks::{Check, Checks};
    pub use crate::config::configuration_value;
    pub use crate::policy::{
        AliasOrigin, BoundTokens, CertificateFor, Chain, CommonPolicy, Discovery, Forward, Gating,
        Methods, Mode, NamedHeader, PeerCertificatePolicy, Policy, RegistrySource, ResponseCheck,
        Source, StrippedHeaders, TenantChoice, TenantPolicy, TrustedProxies, TrustedProxy,
        UnknownTenant, VerifiedHeader, VerifiedJwt,
    };
    pub use crate::registration::{
        BackendAuthentication, CertificateBinding, ClientAnchor, ClientAnchors, ClientMetadata,
        ExpectedSubject, SelfSignedKeys, TokenEndpointAuthMethod,
    };
    pub use crate::registry::{
        ClientListFormat, Conversion, Registry, convert_list, has_entry_limit, missing_part,
    };
    pub use crate::rejection::{
        FoundWord, MissingCertificate, NoTenant, OtherCertificate, SubjectMismatch,
        UnboundResponse, UnboundToken, UnknownClient, UntrustedIssuer, UnverifiedCertificate,
        UnverifiedToken,
    };
    pub use crate::request::{
        AuthorizationError, ClientIdMismatch, Endpoint, Endpoints, FormError, IdSource,
        MalformedToken, PathPrefix, Target, is_token,
    };
    pub use crate::revocation::{
        CrlError, Issuers, OcspError, OnUnavailable, ResponderStatus, RevocationUnknown, RevokedBy,
        RevokedCertificates, RevokedEntry, RevokedSerial, SerialNumber,
    };
    pub use crate::trust::{CaCertificate, CaError, PathError, Trust};
}

// Threads share a gate, and so everything that it consists of.
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
