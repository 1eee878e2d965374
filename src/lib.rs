//! OAuth 2.0 mutual-TLS client authentication (RFC 8705) at the edge.
//!
//! One request is a **claim** (who it says it is), a **proof** (the certificate of its connection) and a **registration**
//! (what was agreed with that client). The filter compares the three and answers.
//!
//! | module | holds |
//! |---|---|
//! | [`authenticate`] | the decision of RFC 8705, on one page |
//! | [`exchange`] | one request as a machine without I/O, from its headers to the decision |
//! | [`request`] | the claim: form, `Authorization`, path |
//! | [`certificate`] | the proof: X.509, distinguished names, alternative names, thumbprints |
//! | [`client`] | the registration: client metadata, JWK Sets, the registry |
//! | `proof` | on whose word a certificate is the client's: the connection's, or a header's |
//! | [`config`] | the plugin configuration |
//! | [`checks`] | which checks a decision made |
//! | [`decision`] | what comes out: action, metrics word, log line |
//! | [`response`] | what a client may learn of a refusal |
//! | [`error`] | the codes of the contract, and the errors for operators |
//! | [`gate`] | a whole request in, a decision out: for those who have no Envoy |
//!
//! Data runs one way: host → exchange → request, certificate, client → authenticate → response → host. Hosts are
//! other crates: nothing in here knows Envoy, JavaScript or a clock.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
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

pub mod authenticate;
pub mod certificate;
pub mod checks;
pub mod client;
pub mod config;
pub mod decision;
pub mod error;
pub mod exchange;
pub mod gate;
pub mod request;
pub mod response;

mod json;
mod proof;
