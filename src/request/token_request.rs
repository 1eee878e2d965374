//! Which client a request names, from every place that can name one.

use super::authorization::Authorization;
use super::credential::{OTHER_REQUEST_OBJECTS, REQUEST_OBJECT};
use super::error::{ClientIdMismatch, IdSource, RequestError};
use super::form::Form;
use super::jwt;

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a gated request claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// To come from this client.
    Client(ClaimedClient),
    /// Nothing: it names no client.
    Unidentified {
        /// Whether it carries a credential of a client all the same: `client_secret`,
        /// `client_assertion`, or `Authorization` of any scheme but `Bearer` and `DPoP`; or
        /// something in which some backend finds a client.
        has_credential: bool,
    },
}

/// The client that a request names, and what else in the request concerns its authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimedClient {
    /// The one identifier that every source agrees on. It is claimed, not proven.
    pub client_id: String,
    /// Whether the request carries `Authorization` of any scheme, `client_secret` or
    /// `client_assertion`. A client attestation may stand beside any method.
    pub has_other_authentication: bool,
    /// [`Form::client_id_has_semicolon`].
    pub has_semicolon: bool,
    /// Whether the user name of HTTP Basic is another identifier before it is form-decoded.
    pub is_form_encoded: bool,
}

impl Claim {
    /// Reads the claim of a gated request. `attested` = the subjects of its client attestation, of
    /// which there are none where the attestation cannot be read.
    ///
    /// # Errors
    /// Of the first source that disagrees or cannot be read, in the order of body, Basic,
    /// assertion, attestation and Request Object: [`ClientIdMismatch::Sources`],
    /// [`ClientIdMismatch::UnreadableAssertion`] or
    /// [`ClientIdMismatch::UnreadableRequestObject`]. Then [`ClientIdMismatch::Json`], and
    /// [`RequestError::MultipleAuthMethods`].
    pub(crate) fn read(
        authorization: Option<&Authorization>,
        attested: Option<&[String]>,
        form: &Form<'_>,
    ) -> Result<Self, RequestError> {
        let (basic, is_form_encoded) = match authorization {
            Some(Authorization::Basic { client_id, is_form_encoded }) => {
                (Some(client_id.as_str()), *is_form_encoded)
            }
            _ => (None, false),
        };
        let (secret, assertion) = (form.value("client_secret"), form.value("client_assertion"));
        // RFC 7521 §4.2: the type defines the format of the assertion. An assertion of another
        // type is not read as a JWT.
        let is_jwt = || {
            matches!(form.value("client_assertion_type").as_deref(), None | Some("" | JWT_BEARER))
        };

        // RFC 6749 §3.2: a parameter without a value is treated as if it were omitted.
        let in_body = form.value("client_id");
        let is_named = |client_id: &&str| !client_id.is_empty();
        let mut named = match (in_body.as_deref().filter(is_named), basic.filter(is_named)) {
            (Some(one), Some(other)) if one != other => {
                return Err(mismatch(IdSource::Body, IdSource::Basic));
            }
            (Some(client_id), _) => Some((IdSource::Body, client_id)),
            (None, basic) => basic.map(|client_id| (IdSource::Basic, client_id)),
        };
        // Only the backend can read the subject of one that is not read here, which may be a client
        // that must present its certificate.
        let subjects;
        if let Some(assertion) = assertion.as_deref().filter(is_named) {
            subjects = if is_jwt() { jwt::asserted_clients(assertion) } else { Vec::new() };
            named = Some(agreed(IdSource::Assertion, &subjects, named)?);
        }
        if let Some(attested) = attested {
            named = Some(agreed(IdSource::Attestation, attested, named)?);
        }
        if OTHER_REQUEST_OBJECTS.iter().any(|other| form.may_have(other)) {
            check_other_request_objects(form)?;
        }
        let has_request_object =
            form.may_have(REQUEST_OBJECT) && check_request_object(form, named)?;

        // RFC 6749 §2.3. An empty credential counts too: some backend may compare it.
        let number_of_credentials =
            u8::from(basic.is_some()) + u8::from(secret.is_some()) + u8::from(assertion.is_some());
        match named {
            None => {
                let is_unrelated = matches!(authorization, None | Some(Authorization::Token));
                Ok(Self::Unidentified {
                    has_credential: number_of_credentials > 0
                        || !is_unrelated
                        || has_request_object
                        || form.may_be_json(),
                })
            }
            Some(_) if form.may_be_json() => {
                Err(RequestError::ClientIdMismatch(ClientIdMismatch::Json))
            }
            Some(_) if number_of_credentials > 1 => Err(RequestError::MultipleAuthMethods),
            Some((_, client_id)) => Ok(Self::Client(ClaimedClient {
                client_id: client_id.to_owned(),
                has_other_authentication: authorization.is_some() || number_of_credentials > 0,
                has_semicolon: form.client_id_has_semicolon(),
                is_form_encoded,
            })),
        }
    }
}

/// The client that all sources name: `named`, and the subjects of `source`, of which there are none
/// where it cannot be read.
#[inline(never)]
fn agreed<'a>(
    source: IdSource,
    subjects: &'a [String],
    named: Option<(IdSource, &'a str)>,
) -> Result<(IdSource, &'a str), RequestError> {
    let Some(first) = subjects.first() else {
        return Err(RequestError::ClientIdMismatch(ClientIdMismatch::UnreadableAssertion));
    };
    let (other, client_id) = named.unwrap_or((source, first));
    if subjects.iter().any(|subject| subject != client_id) {
        return Err(mismatch(other, source));
    }
    Ok((other, client_id))
}

#[cold]
fn mismatch(one: IdSource, other: IdSource) -> RequestError {
    RequestError::ClientIdMismatch(ClientIdMismatch::Sources(one, other))
}

/// Checks that there is no Request Object which only the backend can read: Boruta takes the client
/// from it, and anybody can encrypt one. No request to these endpoints has one (RFC 9126 §2.1).
#[inline(never)]
fn check_other_request_objects(form: &Form<'_>) -> Result<(), RequestError> {
    let has = |name| form.value(name).is_some_and(|value| !value.is_empty());
    if OTHER_REQUEST_OBJECTS.into_iter().any(has) {
        return Err(RequestError::ClientIdMismatch(ClientIdMismatch::UnreadableRequestObject));
    }
    Ok(())
}

/// Checks that a Request Object (RFC 9101) names no other client than the request does: Apereo CAS
/// takes the client from it, also where it is not signed. Returns whether it is there.
#[inline(never)]
fn check_request_object(
    form: &Form<'_>,
    named: Option<(IdSource, &str)>,
) -> Result<bool, RequestError> {
    let Some(request_object) = form.value(REQUEST_OBJECT) else { return Ok(false) };
    let Some(client_ids) = jwt::client_ids(&request_object) else {
        return Err(RequestError::ClientIdMismatch(ClientIdMismatch::UnreadableRequestObject));
    };
    if let Some((source, client_id)) = named
        && client_ids.iter().any(|other| other != client_id)
    {
        return Err(mismatch(source, IdSource::RequestObject));
    }
    Ok(!request_object.is_empty())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::request::{Charset, FormError};

    fn basic(client_id: &str) -> Option<Authorization> {
        Some(Authorization::Basic { client_id: client_id.to_owned(), is_form_encoded: false })
    }

    fn assertion(payload: &str) -> String {
        format!("client_assertion=e30.{}.x", URL_SAFE_NO_PAD.encode(payload))
    }

    fn read(authorization: Option<&Authorization>, body: &str) -> Result<Claim, RequestError> {
        Claim::read(authorization, None, &Form::read(body.as_bytes(), Charset::Utf8)?)
    }

    #[test]
    fn claims() {
        let sub_a = assertion(r#"{"sub":"a"}"#);
        for (authorization, body, has_other_authentication) in [
            (None, "client_id=a".to_owned(), false),
            (None, "grant_type=client_credentials&client_id=a".to_owned(), false),
            (Some(Authorization::Other), "client_id=a".to_owned(), true),
            (Some(Authorization::Token), "client_id=a".to_owned(), true),
            (basic("a"), String::new(), true),
            (basic("a"), "client_id=".to_owned(), true),
            (basic("a"), "client_id=a".to_owned(), true),
            (basic(""), "client_id=a".to_owned(), true),
            (None, "client_id=a&client_secret=".to_owned(), true),
            (None, "client_id=a&client_assertion=".to_owned(), true),
            (None, sub_a.clone(), true),
            (None, format!("client_id=a&{sub_a}"), true),
        ] {
            let claim = read(authorization.as_ref(), &body);
            let client = ClaimedClient {
                client_id: "a".to_owned(),
                has_other_authentication,
                has_semicolon: false,
                is_form_encoded: false,
            };
            assert_eq!(claim, Ok(Claim::Client(client)), "{body}");
        }
    }

    #[test]
    fn requests_that_name_no_client() {
        for (authorization, body, has_credential) in [
            (None, "", false),
            (None, "client_id=", false),
            (None, "grant_type=refresh_token&refresh_token=x", false),
            (Some(Authorization::Token), "token=x", false),
            (Some(Authorization::Other), "scope=a", true),
            (basic(""), "client_id", true),
            (None, "client_secret=x", true),
            (None, "client_secret=", true),
            (None, "client_assertion=", true),
        ] {
            assert_eq!(
                read(authorization.as_ref(), body),
                Ok(Claim::Unidentified { has_credential }),
                "{body}"
            );
        }
    }

    #[test]
    fn contradictions() {
        let sub_b = assertion(r#"{"sub":"b"}"#);
        for (authorization, body, rejection) in [
            (
                None,
                "client_assertion=a.b.c".to_owned(),
                RequestError::ClientIdMismatch(ClientIdMismatch::UnreadableAssertion),
            ),
            (
                None,
                "client_id=a&client_assertion=PHNhbWw+".to_owned(),
                RequestError::ClientIdMismatch(ClientIdMismatch::UnreadableAssertion),
            ),
            (
                None,
                "client_id=a&client_assertion=a.b.c.d.e".to_owned(),
                RequestError::ClientIdMismatch(ClientIdMismatch::UnreadableAssertion),
            ),
            (
                None,
                format!("client_id=a&{}", assertion(r#"{"sub":""}"#)),
                RequestError::ClientIdMismatch(ClientIdMismatch::UnreadableAssertion),
            ),
            (
                basic("a"),
                assertion(r#"{"iss":"a"}"#),
                RequestError::ClientIdMismatch(ClientIdMismatch::UnreadableAssertion),
            ),
            (
                basic("b"),
                "client_id=a".to_owned(),
                RequestError::ClientIdMismatch(ClientIdMismatch::Sources(
                    IdSource::Body,
                    IdSource::Basic,
                )),
            ),
            (
                None,
                format!("client_id=a&{sub_b}"),
                RequestError::ClientIdMismatch(ClientIdMismatch::Sources(
                    IdSource::Body,
                    IdSource::Assertion,
                )),
            ),
            (
                basic("a"),
                sub_b,
                RequestError::ClientIdMismatch(ClientIdMismatch::Sources(
                    IdSource::Basic,
                    IdSource::Assertion,
                )),
            ),
            (
                None,
                assertion(r#"{"sub":"a","sub":"b"}"#),
                RequestError::ClientIdMismatch(ClientIdMismatch::Sources(
                    IdSource::Assertion,
                    IdSource::Assertion,
                )),
            ),
            (basic("a"), "client_secret=x".to_owned(), RequestError::MultipleAuthMethods),
            (basic("a"), "client_assertion=".to_owned(), RequestError::MultipleAuthMethods),
            (
                None,
                "client_id=a&client_secret=&client_assertion=".to_owned(),
                RequestError::MultipleAuthMethods,
            ),
            (None, "client_id=%".to_owned(), RequestError::MalformedForm(FormError::PercentEscape)),
            (
                None,
                "a;client_id=x".to_owned(),
                RequestError::DuplicateParameter { name: "client_id".to_owned() },
            ),
            (
                None,
                "client_id=a&b;client_id=c".to_owned(),
                RequestError::DuplicateParameter { name: "client_id".to_owned() },
            ),
            (
                None,
                "client_id=a&a&a".to_owned(),
                RequestError::DuplicateParameter { name: "a".to_owned() },
            ),
            (
                basic("b"),
                "client_id=a&client_secret[]=x".to_owned(),
                RequestError::DuplicateParameter { name: "client_secret[]".to_owned() },
            ),
        ] {
            assert_eq!(read(authorization.as_ref(), &body), Err(rejection), "{body}");
        }
    }

    #[test]
    fn a_body_in_us_ascii_has_no_other_octet() {
        let read = |body: &str| Form::read(body.as_bytes(), Charset::UsAscii).map(drop);
        assert_eq!(read("client_id=a&scope=%41"), Ok(()));
        assert_eq!(read("client_id=a&scope=%C3%A9"), Err(RequestError::UnsupportedMediaType));
        assert_eq!(read("client_id=a&client_id=%C3%A9"), Err(RequestError::UnsupportedMediaType));
        assert_eq!(read("client_id=%C3"), Err(RequestError::MalformedForm(FormError::NotUtf8)));
    }
}
