//! Why a fetched registry has no answer about a client.

use std::fmt;

use super::list::IncompleteList;

/// Why a fetched registry has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryFault {
    /// No list has arrived yet.
    NoList,
    /// The last list is older than `max_stale`.
    Stale,
    /// The list in shared data is damaged.
    Inconsistent,
    /// A lookup ended without an answer about this client.
    Lookup(FetchError),
    /// The key set at the client's `jwks_uri` cannot be had.
    KeySet(FetchError),
    /// The host fetches no key sets.
    KeySetsNotFetched,
    /// The authorization server did not say whether a token is active.
    Introspection(FetchError),
    /// The host asks no authorization server.
    NotIntrospected,
    /// The list lacks the client, and no lookup of it may begin now (`on_miss`).
    NoLookupNow,
}

impl fmt::Display for RegistryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoList => f.write_str("no client list arrived yet"),
            Self::Stale => f.write_str("the client list is older than max_stale"),
            Self::Inconsistent => f.write_str("the client list in shared data is damaged"),
            Self::KeySet(error) => write!(f, "the key set at jwks_uri cannot be had: {error}"),
            Self::KeySetsNotFetched => f.write_str(
                "the client registered jwks_uri, and only the filter in Envoy fetches key sets",
            ),
            Self::Introspection(error) => {
                write!(f, "no answer of token introspection: {error}")
            }
            Self::NotIntrospected => {
                f.write_str("only the filter in Envoy asks an authorization server about tokens")
            }
            Self::NoLookupNow => f.write_str(
                "the list lacks this client, and as many such clients as on_miss allows are being \
                 looked up or were a moment ago",
            ),
            Self::Lookup(error) => write!(f, "the registry gave no usable answer: {error}"),
        }
    }
}

/// Why an answer of the registry cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchError {
    /// The host does not send the request.
    NotSent,
    /// The host has no answer: a time-out, no connection, a lost connection, or more bytes than it
    /// buffers.
    NoAnswer,
    /// The host never called back.
    NeverCalledBack,
    /// A status with which no clients come.
    Status(u16),
    /// More than this many bytes (`max_bytes`).
    TooLarge(usize),
    /// The host does not give the body that it announced.
    Body,
    /// The body is not JSON, or not a list of clients: what is wrong with it.
    Malformed(Box<str>),
    /// The `Link` to the next page cannot be followed: what is wrong with it.
    NextPage(&'static str),
    /// There is, or may be, more of the list.
    Incomplete(IncompleteList),
    /// An entry may concern any client, and unregistered clients pass: the JSON Pointer of the
    /// entry, and what is wrong with it.
    Unidentified(Box<str>),
    /// The list has no usable client, where there were ten or more.
    Empty,
    /// The answer is about another client.
    OtherClient,
    /// Shared data could not be written, or another VM has written it.
    SharedData,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent => {
                f.write_str("Envoy does not send the request: is there a cluster of this name?")
            }
            Self::NoAnswer => f.write_str(
                "no answer: time-out, connection failure, a body cut short, or more than Envoy \
                 buffers (32 MiB; a longer list must come in pages)",
            ),
            Self::NeverCalledBack => f.write_str("Envoy never called back"),
            Self::Status(status @ 300..=399) => {
                write!(f, "status {status}: redirects are not followed")
            }
            // Envoy answers with these itself where the time is up or no host can be reached.
            // Nothing distinguishes them from an answer of the registry.
            Self::Status(status @ 503..=504) => {
                write!(f, "status {status}, Envoy's own where the registry gave none")
            }
            Self::Status(status) => write!(f, "status {status}"),
            Self::TooLarge(max_bytes) => write!(f, "more than max_bytes = {max_bytes}"),
            Self::Body => f.write_str("Envoy does not hand over the body of the answer"),
            Self::Malformed(what) => f.write_str(what),
            Self::NextPage(what) => write!(f, "link to the next page: {what}"),
            Self::Incomplete(why) => write!(f, "not the whole list: {why}"),
            Self::Unidentified(entry) => {
                write!(f, "an entry names no client, and unregistered_clients is \"pass\": {entry}")
            }
            Self::Empty => f.write_str(
                "the list is empty, and there were ten clients or more (allow_empty is not set)",
            ),
            Self::OtherClient => f.write_str("the answer is about another client"),
            Self::SharedData => {
                f.write_str("shared data could not be written, or another VM took over")
            }
        }
    }
}
