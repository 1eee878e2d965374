//! The five members by which a certificate is registered by a name in it (RFC 8705 §2.1.2).

use std::fmt;

use crate::certificate::{AlternativeName, DistinguishedName};
use crate::json::{Json, JsonError, Members};

/// The one subject value that a client registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedSubject {
    /// `tls_client_auth_subject_dn`
    SubjectDn(DistinguishedName),
    /// `tls_client_auth_san_dns`
    SanDns(AlternativeName),
    /// `tls_client_auth_san_uri`
    SanUri(AlternativeName),
    /// `tls_client_auth_san_ip`
    SanIp(AlternativeName),
    /// `tls_client_auth_san_email`
    SanEmail(AlternativeName),
}

type ReadSubject = fn(&str) -> Result<ExpectedSubject, JsonError>;

/// The members that register a subject (RFC 8705 §2.1.2), and how each is read.
const SUBJECTS: [(&str, ReadSubject); 5] = [
    ("tls_client_auth_subject_dn", subject_dn),
    ("tls_client_auth_san_dns", san_dns),
    ("tls_client_auth_san_uri", san_uri),
    ("tls_client_auth_san_ip", san_ip),
    ("tls_client_auth_san_email", san_email),
];

/// The names of these members, for messages.
#[inline(never)]
pub(super) fn names_of_subjects() -> String {
    SUBJECTS.map(|(name, _)| name).join(", ")
}

/// One of these members that is set.
pub(super) type GivenSubject<'a> = (&'static str, &'a Json, ReadSubject);

/// Those of these members that are set.
#[inline(never)]
pub(super) fn subjects<'a>(members: &mut Members<'a>) -> Vec<GivenSubject<'a>> {
    let mut subjects = Vec::with_capacity(1);
    for (name, read) in SUBJECTS {
        // Servers with a field for each of the five send an empty string where one is not set.
        match members.set(name) {
            None => {}
            Some(Json::String(text)) if text.is_empty() => {}
            Some(json) => subjects.push((name, json, read)),
        }
    }
    subjects
}

/// The subject that the member registers.
pub(super) fn subject((name, json, read): &GivenSubject<'_>) -> Result<ExpectedSubject, JsonError> {
    json.string("a string").and_then(read).map_err(|error| error.within(name))
}

/// RFC 8705 §2.1.2: a client must use exactly one of the five.
pub(super) fn only_subject(given: &[GivenSubject<'_>]) -> Result<ExpectedSubject, JsonError> {
    match given {
        [only] => subject(only),
        _ => Err(JsonError::expected(format!("exactly one of {}", names_of_subjects()))),
    }
}

fn subject_dn(text: &str) -> Result<ExpectedSubject, JsonError> {
    let invalid = |error: &dyn fmt::Display| {
        JsonError::new(format!("expected an RFC 4514 distinguished name: {error}"))
    };
    DistinguishedName::parse(text).map(ExpectedSubject::SubjectDn).map_err(|error| invalid(&error))
}

fn san_dns(text: &str) -> Result<ExpectedSubject, JsonError> {
    let name = AlternativeName::dns(text).map(ExpectedSubject::SanDns);
    name.ok_or_else(|| JsonError::expected("a host name in ASCII (A-labels), without port"))
}

fn san_uri(text: &str) -> Result<ExpectedSubject, JsonError> {
    let name = AlternativeName::uri(text).map(ExpectedSubject::SanUri);
    name.ok_or_else(|| JsonError::expected("an absolute URI in ASCII"))
}

fn san_ip(text: &str) -> Result<ExpectedSubject, JsonError> {
    let name = AlternativeName::ip(text).map(ExpectedSubject::SanIp);
    name.ok_or_else(|| {
        JsonError::expected("an IPv4 or IPv6 address, without brackets, prefix length or port")
    })
}

fn san_email(text: &str) -> Result<ExpectedSubject, JsonError> {
    let name = AlternativeName::email(text).map(ExpectedSubject::SanEmail);
    let expected = "a mailbox in ASCII, local-part@domain, without a final dot";
    name.ok_or_else(|| JsonError::expected(expected))
}
