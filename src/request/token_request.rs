//! Who the request says that its client is, from every place that can say so.

use std::fmt;

use super::assertion;
use super::authorization::Authorization;
use super::form::Form;
use crate::error::Rejection;

/// A place that names a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdSource {
    /// `client_id` in the body (RFC 6749 §2.3.1).
    Body,
    /// The user name of HTTP Basic.
    Basic,
    /// `sub` of the `client_assertion` (RFC 7523 §3).
    Assertion,
}

impl fmt::Display for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "client_id of the body",
            Self::Basic => "the user name of HTTP Basic",
            Self::Assertion => "sub of client_assertion",
        })
    }
}

/// One client, and whether anything but its certificate is meant to authenticate it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    client_id: String,
    other_authentication: bool,
}

impl Claim {
    /// Reads the claim of a gated request.
    ///
    /// # Errors
    /// [`Rejection::MalformedForm`], [`Rejection::DuplicateParameter`], [`Rejection::MissingClientId`],
    /// [`Rejection::ClientIdMismatch`], [`Rejection::MultipleAuthMethods`].
    pub fn read(authorization: Option<&Authorization>, body: &[u8]) -> Result<Self, Rejection> {
        let form = Form::parse(body).map_err(Rejection::MalformedForm)?;
        if let Some(name) = form.offending_name() {
            return Err(Rejection::DuplicateParameter { name: name.to_owned() });
        }
        let basic = match authorization {
            Some(Authorization::Basic { client_id }) => Some(client_id.as_str()),
            _ => None,
        };
        let (secret, assertion) = (form.value("client_secret"), form.value("client_assertion"));
        let subjects = assertion.map(assertion::subjects).unwrap_or_default();

        // RFC 6749 §3.2: a parameter without a value is as if it were not there.
        let named = [(IdSource::Body, form.value("client_id")), (IdSource::Basic, basic)].into_iter();
        let named = named.filter_map(|(source, id)| Some((source, id.filter(|id| !id.is_empty())?)));
        let mut named = named.chain(subjects.iter().map(|subject| (IdSource::Assertion, subject.as_str())));
        let (source, client_id) = named.next().ok_or(Rejection::MissingClientId)?;
        if let Some((other, _)) = named.find(|(_, id)| *id != client_id) {
            return Err(Rejection::ClientIdMismatch(source, other));
        }

        // RFC 6749 §2.3. A credential counts even where it is empty: some backend may compare it.
        let credentials = [basic.is_some(), secret.is_some(), assertion.is_some()];
        if credentials.into_iter().filter(|given| *given).count() > 1 {
            return Err(Rejection::MultipleAuthMethods);
        }
        let other_authentication = authorization.is_some() || secret.is_some() || assertion.is_some();
        Ok(Self { client_id: client_id.to_owned(), other_authentication })
    }

    /// The one identifier that every source agrees on; claimed, not proven.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Whether the request carries `Authorization` of any scheme, `client_secret` or `client_assertion`.
    #[must_use]
    pub fn has_other_authentication(&self) -> bool {
        self.other_authentication
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::request::FormError;

    fn basic(client_id: &str) -> Option<Authorization> {
        Some(Authorization::Basic { client_id: client_id.to_owned() })
    }

    fn assertion(payload: &str) -> String {
        format!("client_assertion=e30.{}.x", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn claims() {
        let sub_a = assertion(r#"{"sub":"a"}"#);
        for (authorization, body, other_authentication) in [
            (None, "client_id=a".to_owned(), false),
            (None, "grant_type=client_credentials&client_id=a".to_owned(), false),
            (Some(Authorization::Other), "client_id=a".to_owned(), true),
            (basic("a"), String::new(), true),
            (basic("a"), "client_id=".to_owned(), true),
            (basic("a"), "client_id=a".to_owned(), true),
            (basic(""), "client_id=a".to_owned(), true),
            (None, "client_id=a&client_secret=".to_owned(), true),
            (None, sub_a.clone(), true),
            (None, format!("client_id=a&{sub_a}"), true),
            (None, "client_id=a&client_assertion=PHNhbWw+".to_owned(), true),
        ] {
            let claim = Claim::read(authorization.as_ref(), body.as_bytes());
            assert_eq!(claim, Ok(Claim { client_id: "a".to_owned(), other_authentication }), "{body}");
        }
    }

    #[test]
    fn contradictions() {
        let sub_b = assertion(r#"{"sub":"b"}"#);
        for (authorization, body, rejection) in [
            (None, String::new(), Rejection::MissingClientId),
            (None, "client_id=".to_owned(), Rejection::MissingClientId),
            (basic(""), "client_id".to_owned(), Rejection::MissingClientId),
            (Some(Authorization::Other), "scope=a".to_owned(), Rejection::MissingClientId),
            (None, "client_assertion=a.b.c".to_owned(), Rejection::MissingClientId),
            (basic("b"), "client_id=a".to_owned(), Rejection::ClientIdMismatch(IdSource::Body, IdSource::Basic)),
            (None, format!("client_id=a&{sub_b}"), Rejection::ClientIdMismatch(IdSource::Body, IdSource::Assertion)),
            (basic("a"), sub_b, Rejection::ClientIdMismatch(IdSource::Basic, IdSource::Assertion)),
            (None, assertion(r#"{"sub":"a","sub":"b"}"#), Rejection::ClientIdMismatch(IdSource::Assertion, IdSource::Assertion)),
            (basic("a"), "client_secret=x".to_owned(), Rejection::MultipleAuthMethods),
            (basic("a"), "client_assertion=x".to_owned(), Rejection::MultipleAuthMethods),
            (None, "client_id=a&client_secret=&client_assertion=".to_owned(), Rejection::MultipleAuthMethods),
            (None, "client_id=%".to_owned(), Rejection::MalformedForm(FormError::PercentEscape)),
            (None, "client_id=a&a&a".to_owned(), Rejection::DuplicateParameter { name: "a".to_owned() }),
        ] {
            assert_eq!(Claim::read(authorization.as_ref(), body.as_bytes()), Err(rejection), "{body}");
        }
    }
}
